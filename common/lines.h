/*
 * Output of a program, line by line: sanitized, bounded in length and rate.
 */
#ifndef LINES_H
#define LINES_H

#include <stddef.h>
#include <stdint.h>

enum {
	LINE_MOST = 1024,      /* bytes; a longer line is broken */
	LINES_PER_SECOND = 200 /* by default; lines above the rate are dropped, and counted */
};

/* Starts as all zero. */
struct lines {
	long most; /* lines told in a second; 0: LINES_PER_SECOND, -1: all */
	char *text; /* unfinished line; NULL: not allocated yet */
	size_t size;
	char last[160]; /* last line, told or dropped, cut to fit */
	int64_t second; /* time of told and dropped */
	long told;
	unsigned dropped;
};

/* Takes bytes that came at now, in milliseconds, and calls tell() for each complete
 * line, without line end. Empty lines are skipped. */
void lines_take(struct lines *lines, const char *bytes, size_t size, int64_t now,
		void (*tell)(void *context, const char *line, size_t size), void *context);

/* Tells the unfinished line, and the number of lines dropped. */
void lines_end(struct lines *lines, void (*tell)(void *, const char *, size_t), void *context);

/* Tells the number of lines dropped since the last such message, if any. */
void lines_tell_dropped(struct lines *lines, void (*tell)(void *, const char *, size_t),
			void *context);

void lines_free(struct lines *lines);

#endif
