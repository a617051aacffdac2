/*
 * Processes that should be running: started, watched, restarted, stopped.
 */
#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdbool.h>

struct children_plan {
	long count;
	/* What each child does, by its number from 0; its result is the child's
	 * exit status. The lifeline is a descriptor that ends when the parent
	 * stops or is gone. */
	int (*work)(const void *context, long number, int lifeline);
	const void *context;
	long stop_timeout; /* milliseconds from TERM to KILL */
};

/*
 * Forks the children and keeps their number, with a growing pause before a
 * child that died young is replaced. On TERM or INT their lifeline ends, and they
 * get KILL after the stop time-out or at a second signal. Opens the loop of this process.
 * Returns 0 when all have gone after such a signal, -1 if it could not begin.
 */
int children_keep(const struct children_plan *plan);

#endif
