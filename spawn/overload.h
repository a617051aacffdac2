/*
 * Connections that wait in the queue of the socket, and since when, learnt from repeated looks:
 * how many of the oldest are too many, or have waited too long. Pure. Times in milliseconds.
 */
#ifndef OVERLOAD_H
#define OVERLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A waiting connection. The id stays the same during the wait; 0: no name. */
struct overload_one {
	uint64_t id;
	int64_t since; /* earliest begin of the wait */
	bool lasting;  /* known from the look before, too */
};

/* Names of waiting connections. All zero is an empty list. */
struct overload_names {
	uint64_t *ids;
	size_t count, room;
};

/* All zero is an empty queue, seen at the time 0. */
struct overload {
	struct overload_one *ones;
	size_t count;
	int64_t seen; /* time of the last look at names, or at an empty queue */
	bool named;   /* the last look showed names */
	long before;  /* connections left waiting at the last look */
};

/* Adds a name to the list. False with errno: no memory, or too many (EMSGSIZE). */
bool overload_name(struct overload_names *names, uint64_t id);

/* Notes an empty queue, or a first connection just now. */
void overload_empty(struct overload *overload, int64_t now);

/*
 * Notes the names of all waiting connections, oldest first if some are 0; NULL if none could be
 * named. A new connection may have come right after the last look. Without memory all earlier
 * names are forgotten.
 */
void overload_follow(struct overload *overload, const struct overload_names *names, int64_t now);

/* Number of connections that wait for limit milliseconds, or may do: always the oldest. 0 after a
 * look without names: others may wait by now. */
long overload_late(const struct overload *overload, int64_t now, int64_t limit);

/*
 * Number of connections above allowed, of waiting ones now. A look may catch a connection just
 * before accept(2): so only connections that waited at the look before count, or, without
 * names, as many as were left waiting there.
 */
long overload_many(const struct overload *overload, long waiting, long allowed);

/* Convert to text, 3000 connections at most, and back. The caller frees the text; NULL without
 * memory. False for any other text, or without memory: the queue is empty then. */
char *overload_write(const struct overload *overload);
bool overload_read(struct overload *out, const char *text);

void overload_free(struct overload *overload);

#endif
