#include <config.h>

#include "report.h"

#include "utf8.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	LINE_SIZE = 2048,
	OFTEN_MOST = 20, OFTEN_PERIOD = 10000 /* messages in milliseconds */
};

static const char *name = "";
static void (*diverted)(const char *, size_t);

void report_open(const char *program)
{
	name = program;
}

void report_to(void (*sink)(const char *, size_t))
{
	diverted = sink;
}

void report_sanitize(char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		const unsigned char *bytes = (const unsigned char *)text + at;
		uint32_t c;
		size_t missing, length = utf8_decode(bytes, size - at, &c, &missing);

		/* Not UTF-8: a byte may be a character of another encoding. */
		if (length == 0) {
			c = *bytes;
			length = 1;
		}
		if (utf8_is_obeyed(c))
			memset(text + at, '?', length);
		at += length;
	}
}

size_t report_whole(const char *text, size_t size)
{
	for (size_t back = 1; back < 4 && back <= size; back++) {
		uint32_t c;
		size_t missing;

		utf8_decode((const unsigned char *)text + size - back, back, &c, &missing);
		if (missing > 0)
			return size - back;
	}
	return size;
}

void report_va(const char *format, va_list arguments)
{
	int saved = errno;
	struct pollfd log = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[LINE_SIZE];
	int head = snprintf(line, sizeof line, "%s: ", name);
	int text = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, arguments);
	size_t size = (size_t)head + (text > 0 ? (size_t)text : 0);

	if (size > sizeof line - 2)
		size = report_whole(line, sizeof line - 2);
	report_sanitize(line, size);
	line[size] = '\n';
	if (diverted) {
		diverted(line + head, size - (size_t)head);
	} else if (poll(&log, 1, 0) > 0 && write(STDERR_FILENO, line, size + 1) < 0) {
		/* The reader of the log may be slow or gone: the line is lost. A pipe
		 * that is ready takes a whole line (PIPE_BUF). */
	}
	errno = saved;
}

void report(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_va(format, arguments);
	va_end(arguments);
}

void report_often(struct report_rate *rate, int64_t now, const char *format, ...)
{
	va_list arguments;

	if (rate->told == 0 || now - rate->since >= OFTEN_PERIOD) {
		if (rate->dropped > 0)
			report("(%u more messages like the next one were left out)", rate->dropped);
		*rate = (struct report_rate){ .since = now };
	}
	if (rate->told == OFTEN_MOST) {
		rate->dropped++;
		return;
	}
	rate->told++;
	va_start(arguments, format);
	report_va(format, arguments);
	va_end(arguments);
}
