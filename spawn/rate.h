/*
 * At most so many of something in any second. Pure: the time comes in, in milliseconds.
 */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate {
	int64_t *times; /* of the last ones, in a ring; 0: none */
	size_t most, next;
};

/* False without memory. */
bool rate_open(struct rate *out, long most);

/* How long to wait before the next one; 0: not at all. */
int64_t rate_pause(const struct rate *rate, int64_t now);

/* There is one now. */
void rate_note(struct rate *rate, int64_t now);

#endif
