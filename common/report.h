/*
 * Messages of one line for the person who runs the program.
 *
 * Form: "program: what was tried, on what: cause (remedy)". A message is
 * written once, where the meaning is known; functions called there return -1 or
 * false with errno.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Sets the name in front of every message. The text is not copied. */
void report_open(const char *program);

/* Passes messages to sink, sanitized, without name and line end; NULL: to standard
 * error again. */
void report_to(void (*sink)(const char *text, size_t size));

/* Writes one line to standard error, sanitized, in one write(2). Never waits for a slow
 * reader: the line is lost. Keeps errno. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_va(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* For messages that others can cause at will: with each rate 20 are written in ten
 * seconds; the rest is counted, and the number reported before the next message. now
 * is in milliseconds; a rate starts as all zero. */
struct report_rate {
	int64_t since;
	unsigned told, dropped;
};
void report_often(struct report_rate *rate, int64_t now, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Replaces characters that terminals or log viewers might obey with '?', in place, byte
 * by byte: control characters, ends of lines, and marks that change the direction of
 * text. Other UTF-8 stays, as do other encodings except control characters.
 */
void report_sanitize(char *text, size_t size);

/* Returns the size without a UTF-8 character cut off at the end. */
size_t report_whole(const char *text, size_t size);

#endif
