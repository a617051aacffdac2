/*
 * When to replace processes above --max-memory, so that a limit below the size of a fresh process
 * does not replace all of them for ever. Pure: times in milliseconds.
 */
#ifndef GROWTH_H
#define GROWTH_H

#include <stdbool.h>
#include <stdint.h>

struct growth {
	long young;    /* in a row, too large soon after the start */
	int64_t pause; /* least age at which a young one is replaced */
};

/* Young ones in a row are more than chance; their age in milliseconds. */
enum { GROWTH_SUSPICIOUS = 3, GROWTH_YOUNG = 10000 };

enum growth_step {
	GROWTH_WAIT,
	GROWTH_REPLACE,
	GROWTH_REPLACE_AND_TELL /* report too many in a row, once */
};

/* The step for a process first found too large at the age found_after, now of the age lived. */
enum growth_step growth_next(struct growth *growth, int64_t found_after, int64_t lived);

#endif
