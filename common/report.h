/*
 * One-line messages for the person who runs the program.
 *
 * Form: "program: what was tried, on what: cause (remedy)". A message is
 * written once, where its meaning is known; code below that returns -1 or
 * false with errno set.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* The name put in front of every message. The text is not copied. */
void report_open(const char *program);

/* Has messages passed on to there, sanitized, without name and line end; NULL: to
 * standard error again. */
void report_to(void (*sink)(const char *text, size_t size));

/* Writes one line to standard error, sanitized, in one write(2), and never waits for a
 * reader. Keeps errno. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_va(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* For a message that others can cause as often as they like: of each kind some are
 * told in ten seconds, and the rest is counted and told of later. now is in
 * milliseconds; all zero is a start. */
struct report_rate {
	int64_t since;
	unsigned told, dropped;
};
void report_often(struct report_rate *rate, int64_t now, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Replaces what a terminal or a log reader might obey with '?', in place, byte by byte:
 * control characters, ends of lines, and marks that change the direction of text. Other
 * UTF-8 stays, and so do bytes of other encodings that are no control characters.
 */
void report_sanitize(char *text, size_t size);

/* The size without a character of UTF-8 that is cut off at the end. */
size_t report_whole(const char *text, size_t size);

#endif
