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
	int64_t *times; /* of the last that count, in a ring; 0: none */
	size_t limit, next;
	int64_t within;
	long in_a_row, allowed; /* starts that failed since one succeeded */
	int64_t credit, paid;   /* of deaths at work: until when they have used up theirs */
	int64_t pause;          /* before the next start; 0: none is due */
	bool loop;
};

/* So many within this time make a crash loop, in a pool of so many processes. False without
 * memory. */
bool crashes_open(struct crashes *out, long limit, int64_t within, long processes);

/* The system was short of something that a start needs. */
void crashes_shortage(struct crashes *crashes);

/* A process ended before it was ready. True if that begins a crash loop. */
bool crashes_failed_start(struct crashes *crashes, int64_t now);

/* A process that was ready has ended badly. Whoever knows a request that crashes the program must
 * not be able to empty the pool with it: another may be started at once, as long as not all of
 * them live for a moment only. True as above. */
bool crashes_death(struct crashes *crashes, int64_t now, int64_t lived);

/* A process is ready. */
void crashes_ready(struct crashes *crashes);

/* Nothing has failed for the time in which a loop is told. True if one is over. */
bool crashes_over(struct crashes *crashes);

#endif
