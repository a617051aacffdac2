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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How grave a message is, in the numbers of syslog(3). It is an error unless its format begins with
 * one of these strings. */
enum { REPORT_IS_ERROR = 3, REPORT_IS_WARNING, REPORT_IS_NOTICE, REPORT_IS_INFO, REPORT_IS_DEBUG };
#define REPORT_WARNING "\0014" /* a request refused, a thing done in another way */
#define REPORT_NOTICE "\0015"  /* what was asked for has happened */
#define REPORT_INFO "\0016"    /* words of scripts and programs */
#define REPORT_DEBUG "\0017"

/* What is known of a message's subject, for logs that have fields. */
struct report_field {
	const char *name, *value;
};

struct report_message {
	int level;
	const char *kind; /* its format, the same for all of a kind; NULL: none */
	const char *text; /* sanitized, without line end */
	size_t size;
	pid_t process;    /* whose words these are; 0: our own */
	const struct report_field *fields;
	size_t field_count;
};

/* Sets the name in front of every message. The text is not copied. */
void report_open(const char *program);
const char *report_name(void);

/* Leaves out messages less grave than the level of this name (error, warning, notice, info or
 * debug). False for another name. */
bool report_level(const char *name);

/* The level of a message with this format. */
int report_level_of(const char *format);

/* True if a message of this level is written. */
bool report_is_wanted(int level);

/* Passes messages to sink; NULL: to standard error again. */
void report_to(void (*sink)(const struct report_message *message));

/* Gives the messages that follow these fields, which have to stay until there are others or none. */
void report_about(const struct report_field *fields, size_t count);

/* Writes one line to standard error, sanitized, in one write(2). Never waits for a slow
 * reader: the line is lost. Keeps errno. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a text of some kind, which is cut if need be. */
void report_text(int level, const char *kind, const char *text, size_t size);

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
