#include <config.h>

#include "report.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
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

/* Decodes the first character of a text, and returns the length in bytes; 0 if not UTF-8
 * (RFC 3629), with the number of bytes cut off at the end in *missing. */
static size_t decode_utf8(const unsigned char *text, size_t size, uint32_t *character,
			  size_t *missing)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = text[0];
	size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3
			: lead < 0xf5 ? 4 : 0;
	uint32_t c = length == 1 ? lead : length == 0 ? 0 : lead & (0x7fu >> length);

	*missing = 0;
	for (size_t i = 1; i < length; i++) {
		if (i == size) {
			*missing = length - size;
			return 0;
		}
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	*character = c;
	return c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : length;
}

/* True for characters that terminals and viewers obey instead of showing: control characters
 * (C0 except tabs, DEL, C1), ends of lines, and marks that change the direction of text. */
static bool is_obeyed(uint32_t c)
{
	return (c < ' ' && c != '\t') || (c >= 0x7f && c <= 0x9f) || c == 0x61c ||
	       c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x206f);
}

void report_sanitize(char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		const unsigned char *bytes = (const unsigned char *)text + at;
		uint32_t c;
		size_t missing, length = decode_utf8(bytes, size - at, &c, &missing);

		/* Not UTF-8: a byte may be a character of another encoding. */
		if (length == 0) {
			c = *bytes;
			length = 1;
		}
		if (is_obeyed(c))
			memset(text + at, '?', length);
		at += length;
	}
}

size_t report_whole(const char *text, size_t size)
{
	for (size_t back = 1; back < 4 && back <= size; back++) {
		uint32_t c;
		size_t missing;

		decode_utf8((const unsigned char *)text + size - back, back, &c, &missing);
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
