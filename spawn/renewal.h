/*
 * Replacing old processes by new ones, one after the other: on a reload, and those that are
 * too old or too large. Pure: numbers in, a step out; times in milliseconds.
 */
#ifndef RENEWAL_H
#define RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

/* How it stands. A substitute is one process more than there are to be: the first of a reload
 * shows whether the others would serve at all. */
struct renewal {
	bool reloading;
	bool starting;         /* a substitute is on its way; it is counted nowhere */
	bool hunting;          /* for an old one that is idle; the next look has its time */
	long here, outdated;   /* processes, and those of them that are to be replaced */
	long leaving;          /* processes that are asked to end */
	bool outdated_leaving; /* old ones among these */
	long wanted;           /* so many are to be here */
	bool starts_pause;
};

enum renewal_step {
	RENEWAL_REST,
	RENEWAL_START,  /* a substitute */
	RENEWAL_RETIRE, /* an old one, for which there is another */
	RENEWAL_DONE    /* the reload is complete */
};

enum renewal_step renewal_next(const struct renewal *renewal);

/* Whether an old one is asked to end as it is, instead of the first that is idle. */
struct renewal_patience {
	bool watched;         /* whoever is idle can be found out */
	bool hidden;          /* but not of the oldest */
	int64_t waited;       /* since there is another in its place */
	int64_t stop_busy;    /* -1: for ever */
	int64_t stop_timeout;
};

bool renewal_is_over_patience(const struct renewal_patience *patience);

/* When, after its begin, a reload asks whoever is left, and how long they have then. */
int64_t renewal_bound(int64_t stop_timeout);
int64_t renewal_rest(int64_t stop_timeout);

#endif
