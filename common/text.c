#include <config.h>

#include "text.h"

#include "report.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_LEAST = 4096, ESCAPED_MOST = 16 };

/* Makes room for so many bytes and a NUL. */
static bool text_make_room(struct text *text, size_t more)
{
	size_t room = text->room ? text->room : ROOM_LEAST;
	char *bytes;

	if (text->failed || more >= SIZE_MAX / 4 - text->size) {
		text->failed = true;
		return false;
	}
	if (text->size + more < text->room)
		return true;
	while (room <= text->size + more)
		room *= 2;
	if (!(bytes = realloc(text->bytes, room))) {
		text->failed = true;
		return false;
	}
	text->bytes = bytes;
	text->room = room;
	return true;
}

void text_put(struct text *text, const char *bytes, size_t size)
{
	if (!text_make_room(text, size))
		return;
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
}

void text_add(struct text *text, const char *string)
{
	text_put(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...)
{
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (size < 0) {
		text->failed = true;
		return;
	}
	if (!text_make_room(text, (size_t)size))
		return;
	va_start(arguments, format);
	vsnprintf(text->bytes + text->size, (size_t)size + 1, format, arguments);
	va_end(arguments);
	text->size += (size_t)size;
}

static void text_put_character(struct text *text, uint32_t c)
{
	char bytes[4];
	size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = length; i-- > 1; c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(length == 1 ? c : (0xf00u >> length & 0xf0) | c);
	text_put(text, bytes, length);
}

/* What stands for a character in each form; NULL: the character itself. */

static const char *escape_line(uint32_t c, char *number)
{
	(void)number;
	return utf8_is_obeyed(c) ? "?" : NULL;
}

static const char *escape_json(uint32_t c, char *number)
{
	if (c == '"')
		return "\\\"";
	if (c == '\\')
		return "\\\\";
	/* Some readers of lines take U+2028 for an end of one, too. */
	if (c != '\t' && !utf8_is_obeyed(c))
		return NULL;
	snprintf(number, ESCAPED_MOST, "\\u%04x", (unsigned)c);
	return number;
}

static const char *escape_markup(uint32_t c)
{
	return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;"
		: c == '"' ? "&quot;" : c == '\'' ? "&#39;" : NULL;
}

/* XML 1.0, section 2.2: some characters can be there in no way. */
static const char *escape_xml(uint32_t c, char *number)
{
	if (c == 0xfffe || c == 0xffff || (c < ' ' && c != '\t' && c != '\n' && c != '\r'))
		return "?";
	if (c >= ' ' && (c < 0x7f || c > 0x9f))
		return escape_markup(c);
	snprintf(number, ESCAPED_MOST, "&#%u;", (unsigned)c);
	return number;
}

static const char *escape_html(uint32_t c, char *number)
{
	(void)number;
	return utf8_is_obeyed(c) ? "?" : escape_markup(c);
}

static const char *escape_help(uint32_t c, char *number)
{
	(void)number;
	return c == '\\' ? "\\\\" : c == '\n' ? "\\n" : NULL;
}

static const char *escape_metric(uint32_t c, char *number)
{
	return c == '"' ? "\\\"" : escape_help(c, number);
}

static const char *(*const escapes[])(uint32_t c, char *number) = {
	[TEXT_LINE] = escape_line,     [TEXT_JSON] = escape_json,     [TEXT_XML] = escape_xml,
	[TEXT_HTML] = escape_html,     [TEXT_METRIC] = escape_metric, [TEXT_HELP] = escape_help
};

void text_string(struct text *text, enum text_form form, const char *string, size_t most)
{
	const unsigned char *bytes = (const unsigned char *)string;
	const size_t all = string ? strnlen(string, most + 1) : 0;
	const size_t size = all > most ? report_whole(string, most) : all;
	size_t from = 0; /* of what stays as it is */

	for (size_t at = 0; at < size;) {
		char number[ESCAPED_MOST];
		const char *escaped;
		uint32_t c;
		size_t missing, length = utf8_decode(bytes + at, size - at, &c, &missing);

		if (length == 0)
			c = bytes[at];
		escaped = escapes[form](c, number);
		if (length > 0 && !escaped) {
			at += length;
			continue;
		}
		text_put(text, string + from, at - from);
		if (escaped)
			text_add(text, escaped);
		else
			text_put_character(text, c);
		from = at += length + !length;
	}
	if (size > from)
		text_put(text, string + from, size - from);
	if (all > most)
		text_add(text, "\342\200\246");
}

void text_number(struct text *text, double number)
{
	bool whole = number > -1e15 && number < 1e15 && number == (double)(int64_t)number;

	/* Plus nothing: there is no -0. */
	text_format(text, whole ? "%.0f" : "%.15g", number + 0.0);
}
