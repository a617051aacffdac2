/*
 * Crashes: when the next start may be made after them, and when they are a crash loop.
 * Pure: the time comes in, in milliseconds.
 */
#ifndef CRASHES_H
#define CRASHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crashes {
	int64_t *times; /* of the last crashes, plus 1, in a ring; 0: none */
	size_t limit, next;
	int64_t within;
	long in_a_row, allowed; /* failed starts since one succeeded; so many with a short pause */
	int64_t credit, paid;   /* allowance for young deaths; spent up to this time */
	int64_t pause;          /* before the next start; 0: none */
	bool loop;
};

/* A crash loop is limit crashes within so many milliseconds, in a pool of so many processes at
 * most. False without memory. */
bool crashes_open(struct crashes *out, long limit, int64_t within, long processes);

/* A start failed for lack of some resource of the system. */
void crashes_shortage(struct crashes *crashes);

/* A process ended before being ready. True if a crash loop begins. */
bool crashes_failed_start(struct crashes *crashes, int64_t now);

/* A ready process has ended badly. A client with a request that crashes the program must not be
 * able to empty the pool: the next process may be started at once, as long as not all of them
 * live for a moment only. True if a crash loop begins. */
bool crashes_death(struct crashes *crashes, int64_t now, int64_t lived);

/* A process is ready: no pause is due. */
void crashes_ready(struct crashes *crashes);

/* No crash for the time of a crash loop: forgets all. True if a loop is over. */
bool crashes_over(struct crashes *crashes);

#endif
