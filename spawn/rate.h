/*
 * A limit on the events in any second. Pure: the time comes in, in milliseconds.
 */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate {
	int64_t *times; /* of the last events, in a ring; 0: none */
	size_t most, next;
};

/* Allows most events in a second. False without memory. */
bool rate_open(struct rate *out, long most);

/* Milliseconds until the next event is allowed; 0: now. */
int64_t rate_pause(const struct rate *rate, int64_t now);

/* Counts an event. */
void rate_note(struct rate *rate, int64_t now);

#endif
