/*
 * What a program writes, line by line: sanitized, bounded in length and rate. Pure.
 */
#ifndef LINES_H
#define LINES_H

#include <stddef.h>
#include <stdint.h>

enum {
	LINE_MOST = 1024,      /* a longer line is broken */
	LINES_PER_SECOND = 200 /* by default; what comes above that is dropped, and counted */
};

/* All zero is its start. */
struct lines {
	long most; /* lines told in a second; 0: LINES_PER_SECOND, -1: all */
	char *text; /* of the line that has not ended yet; NULL: none */
	size_t size;
	char last[160]; /* the last line told */
	int64_t second; /* in which told were told */
	long told;
	unsigned dropped;
};

/* Takes bytes at a time in milliseconds, and tells every line that ends, without
 * its end. Empty lines are not told. */
void lines_take(struct lines *lines, const char *bytes, size_t size, int64_t now,
		void (*tell)(void *context, const char *line, size_t size), void *context);

/* Tells what is left without an end, and how many lines were dropped. */
void lines_end(struct lines *lines, void (*tell)(void *, const char *, size_t), void *context);

/* Tells how many lines were dropped since that was told last, if any were. */
void lines_tell_dropped(struct lines *lines, void (*tell)(void *, const char *, size_t),
			void *context);

void lines_free(struct lines *lines);

#endif
