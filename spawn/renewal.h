/*
 * Replacing outdated workers by new ones, one after the other: on a reload, by --max-lifetime,
 * by --max-memory. Pure: numbers in, a step out; times in milliseconds.
 */
#ifndef RENEWAL_H
#define RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

/* State of the pool. A substitute is one worker more than wanted: the first of a reload shows
 * whether new workers serve at all. */
struct renewal {
	bool reloading;
	bool starting;         /* a substitute starts; not counted in here */
	bool hunting;          /* for an idle outdated worker; the next look is set */
	long here, outdated;   /* workers, and outdated ones among them */
	long leaving;          /* workers that retire */
	bool outdated_leaving; /* an outdated worker retires */
	long wanted;           /* workers to have here */
	bool starts_pause;
};

enum renewal_step {
	RENEWAL_REST,
	RENEWAL_START,  /* a substitute */
	RENEWAL_RETIRE, /* an outdated worker: there is another */
	RENEWAL_DONE    /* the reload is complete */
};

enum renewal_step renewal_next(const struct renewal *renewal);

/* True if an outdated worker is to be retired even if busy, not the first idle one. */
struct renewal_patience {
	bool watched;         /* busy and idle workers can be told apart */
	bool hidden;          /* except for the oldest */
	int64_t waited;       /* since the hunt began */
	int64_t stop_busy;    /* -1: for ever */
	int64_t stop_timeout;
};

bool renewal_is_over_patience(const struct renewal_patience *patience);

/* Time from the begin of a reload to the end of patience with outdated workers, and the time
 * that the last of them have to end then. */
int64_t renewal_bound(int64_t stop_timeout);
int64_t renewal_rest(int64_t stop_timeout);

#endif
