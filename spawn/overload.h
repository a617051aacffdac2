/*
 * Who waits in the queue of the socket, and since when, as looks at it tell: how many of the
 * oldest are too many, or have waited too long. Pure.
 */
#ifndef OVERLOAD_H
#define OVERLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One that waits. What names it stays the same as long as it waits; 0: it has no name. */
struct overload_one {
	uint64_t id;
	int64_t since; /* it has not waited for longer */
	bool lasting;  /* it has waited since the last look at least */
};

/* What names those that wait. All zero is an empty list. */
struct overload_names {
	uint64_t *ids;
	size_t count, room;
};

/* All zero is an empty queue, seen at the time 0. */
struct overload {
	struct overload_one *ones;
	size_t count;
	int64_t seen; /* when the names of those that wait were seen last */
	bool named;   /* they were at the last look */
	long before;  /* how many waited then, and were left waiting */
};

/* Adds one to the list. False with errno: no memory, or too many. */
bool overload_name(struct overload_names *names, uint64_t id);

/* Nobody waits, or the first one has come only now. */
void overload_empty(struct overload *overload, int64_t now);

/*
 * These wait, in the order in which they came if some have no names; or, with NULL, nobody could
 * be named. Who is new has come after the last time, perhaps right after it. Without memory,
 * what was known is forgotten.
 */
void overload_follow(struct overload *overload, const struct overload_names *names, int64_t now);

/* How many wait for so long, or may do. They are the oldest. */
long overload_late(const struct overload *overload, int64_t now, int64_t limit);

/*
 * How many wait beyond those that may, of so many that wait now. A connection that is accepted
 * at once is seen to wait, too, if a look comes at the right moment: so only those count that
 * waited at the last look as well, or, without names, as many as did.
 */
long overload_many(const struct overload *overload, long waiting, long allowed);

/* What is known, as text, of a few thousand at most, and back. Text is to be freed; NULL without
 * memory. False for what is no such text, or without memory; then nobody waits. */
char *overload_write(const struct overload *overload);
bool overload_read(struct overload *out, const char *text);

void overload_free(struct overload *overload);

#endif
