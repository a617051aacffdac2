/*
 * The order in which waiting requests start scripts.
 *
 * Waiting requests of one client for one script make a party. Next is a request of the client
 * with the fewest scripts running; among such clients they take turns, and within a party
 * requests go as they came. So a client with many requests does not keep the others waiting. Pure.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUEUE_BUCKETS = 1024 };

struct queue_entry {
	struct queue_entry *next, *prev;
	struct queue_party *party; /* NULL: not waiting */
};

struct queue_party {
	struct queue_party *next, *prev;   /* in the list of all */
	struct queue_party *next_in_bucket;
	uint64_t client, script;
	struct queue_entry *first, *last;
	size_t waiting; /* at least 1 */
	size_t running; /* scripts of the client, counted by queue_count_running() */
	uint64_t turn;  /* of the client: the last one, the higher the later */
	bool held;      /* at a limit: passed over */
};

struct queue {
	struct queue_party *parties;
	struct queue_party *buckets[QUEUE_BUCKETS]; /* by client */
	size_t waiting, held; /* entries in all, and those of parties that are held */
	uint64_t turns;
};

/* Appends an entry, not waiting yet, to the party of client and script; a new party is held or
 * not. False if there is no memory. */
bool queue_enter(struct queue *queue, struct queue_entry *entry, uint64_t client, uint64_t script,
		 bool held);

/* Returns the entry that is to be served next, and leaves it in the queue; NULL if all parties
 * are held. */
struct queue_entry *queue_next(const struct queue *queue);

/* Removes an entry whose script starts: its client has had a turn, and a script more. */
void queue_serve(struct queue *queue, struct queue_entry *entry);

/* Removes an entry, if waiting. */
void queue_leave(struct queue *queue, struct queue_entry *entry);

void queue_hold(struct queue *queue, struct queue_party *party, bool held);

/* Forgets what runs, for queue_count_running() of each script that does. */
void queue_forget_running(struct queue *queue);
void queue_count_running(struct queue *queue, uint64_t client);

/* Returns the newest entry of the client with the most entries, who has at least two more of them
 * than the given client; NULL if nobody has. */
struct queue_entry *queue_find_excess(const struct queue *queue, uint64_t client);

#endif
