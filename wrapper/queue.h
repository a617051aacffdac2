/*
 * Whose script is started next.
 *
 * Those who wait belong to parties (connections), and parties take turns, so
 * that one which asks for much does not keep the others waiting. Pure.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stddef.h>

struct queue_entry {
	struct queue_entry *next;
	struct queue_party *party; /* NULL: does not wait */
};

struct queue_party {
	struct queue_party *next; /* of those that have somebody waiting: a ring */
	struct queue_entry *first, *last;
};

struct queue {
	struct queue_party *turn; /* the party that was served last */
	size_t waiting;
};

/* Lets an entry wait. */
void queue_enter(struct queue *queue, struct queue_entry *entry, struct queue_party *party);

/* Takes out the entry whose turn it is, or NULL if none waits. */
struct queue_entry *queue_next(struct queue *queue);

/* Takes out an entry that no longer wants to wait; nothing if it does not wait. */
void queue_leave(struct queue *queue, struct queue_entry *entry);

#endif
