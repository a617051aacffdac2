/*
 * Processes with more memory than they should have: when they are replaced, so that a limit below
 * the size of a fresh one does not replace all of them for ever. Pure: times in milliseconds.
 */
#ifndef GROWTH_H
#define GROWTH_H

#include <stdbool.h>
#include <stdint.h>

struct growth {
	long young;    /* in a row, that were too large soon after their start */
	int64_t pause; /* before such a one is replaced: it has to have lived so long */
};

/* So many in a row are more than chance. */
enum { GROWTH_SUSPICIOUS = 3, GROWTH_YOUNG = 10000 };

enum growth_step {
	GROWTH_WAIT,
	GROWTH_REPLACE,
	GROWTH_REPLACE_AND_TELL /* that there have been too many in a row; once for all of them */
};

/* One was found too large so long after its start, and has lived so long by now. */
enum growth_step growth_next(struct growth *growth, int64_t found_after, int64_t lived);

#endif
