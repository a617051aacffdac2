/*
 * A text that grows, and how strings of unknown bytes are written into the formats of others.
 * Pure. Want of memory is remembered: the text stays as it was, and failed is set, so that
 * one look at the end is enough.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Starts as all zero; bytes are for free(), and not terminated. */
struct text {
	char *bytes;
	size_t size, room;
	bool failed;
};

void text_put(struct text *text, const char *bytes, size_t size);
void text_add(struct text *text, const char *string);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * These write a string in UTF-8; a byte that is not UTF-8 becomes the character of its number.
 * A string of more than most bytes is cut, with an ellipsis. NULL is an empty string.
 */
enum text_form {
	TEXT_LINE,   /* in a line: what viewers obey becomes '?' (utf8.h) */
	TEXT_JSON,   /* between quotes of JSON; what viewers obey is escaped */
	TEXT_XML,    /* in content or between quotes; what XML cannot have becomes '?' */
	TEXT_HTML,   /* the same, and what viewers obey becomes '?' */
	TEXT_METRIC, /* between quotes of a label of OpenMetrics */
	TEXT_HELP    /* behind HELP of OpenMetrics, or of the older format: no quotes there */
};
void text_string(struct text *text, enum text_form form, const char *string, size_t most);

/* Writes a number with all its digits; whole ones without a point. It must be finite. */
void text_number(struct text *text, double number);

#endif
