/*
 * The order in which waiting requests start scripts.
 *
 * Parties (connections) take turns, so that a party with many requests does not
 * keep the others waiting. Pure.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stddef.h>

struct queue_entry {
	struct queue_entry *next;
	struct queue_party *party; /* NULL: not waiting */
};

struct queue_party {
	struct queue_party *next; /* in a ring of parties with entries */
	struct queue_entry *first, *last;
};

struct queue {
	struct queue_party *turn; /* last of the round: turn->next is served next */
	size_t waiting;
};

/* Appends an entry, not waiting yet, to a party. */
void queue_enter(struct queue *queue, struct queue_entry *entry, struct queue_party *party);

/* Removes and returns the next entry; NULL if none waits. */
struct queue_entry *queue_next(struct queue *queue);

/* Removes an entry, if waiting. */
void queue_leave(struct queue *queue, struct queue_entry *entry);

#endif
