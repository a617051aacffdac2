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
static void (*diverted)(const struct report_message *);
static int least_grave = REPORT_IS_INFO;
/* Of this thread: others have messages of their own. */
static _Thread_local const struct report_field *about;
static _Thread_local size_t about_count;

void report_open(const char *program)
{
	name = program;
}

const char *report_name(void)
{
	return name;
}

bool report_level(const char *level)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug" };

	for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
		if (strcmp(names[i], level) == 0) {
			least_grave = REPORT_IS_ERROR + i;
			return true;
		}
	return false;
}

bool report_is_wanted(int level)
{
	return level <= least_grave;
}

int report_level_of(const char *format)
{
	return *format == '\001' ? format[1] - '0' : REPORT_IS_ERROR;
}

void report_to(void (*sink)(const struct report_message *))
{
	diverted = sink;
}

void report_about(const struct report_field *fields, size_t count)
{
	about = fields;
	about_count = count;
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

static void write_line(char *line, size_t size)
{
	struct pollfd log = { .fd = STDERR_FILENO, .events = POLLOUT };

	line[size] = '\n';
	if (poll(&log, 1, 0) > 0 && write(STDERR_FILENO, line, size + 1) < 0) {
		/* The reader of the log may be slow or gone: the line is lost. A pipe
		 * that is ready takes a whole line (PIPE_BUF). */
	}
}

/* Sends a line on that has room for a line end, and begins with our name. */
static void deliver(int level, const char *kind, char *line, size_t head, size_t size)
{
	if (!report_is_wanted(level))
		return;
	report_sanitize(line, size);
	if (!diverted) {
		write_line(line, size);
		return;
	}
	diverted(&(struct report_message){
		.level = level, .kind = kind, .text = line + head, .size = size - head,
		.fields = about, .field_count = about_count,
	});
}

void report_text(int level, const char *kind, const char *text, size_t size)
{
	int saved = errno;
	char line[LINE_SIZE];
	size_t head = (size_t)snprintf(line, sizeof line, "%s: ", name);
	size_t most = sizeof line - 2 - head;

	if (size > most)
		size = report_whole(text, most);
	memcpy(line + head, text, size);
	deliver(level, kind, line, head, head + size);
	errno = saved;
}

void report_va(const char *format, va_list arguments)
{
	int saved = errno;
	bool has_level = *format == '\001';
	char line[LINE_SIZE];
	size_t head = (size_t)snprintf(line, sizeof line, "%s: ", name);
	int text = vsnprintf(line + head, sizeof line - head - 1, format + (has_level ? 2 : 0),
			     arguments);
	size_t size = head + (text > 0 ? (size_t)text : 0);

	if (size > sizeof line - 2)
		size = report_whole(line, sizeof line - 2);
	deliver(report_level_of(format), format, line, head, size);
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
			report(REPORT_WARNING "(%u more messages like the next one were left out)", rate->dropped);
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
