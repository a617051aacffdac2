#include <config.h>

#include "queue.h"

#include <stdlib.h>

static struct queue_party **bucket_for(struct queue *q, uint64_t client)
{
	return &q->buckets[client % QUEUE_BUCKETS];
}

/* Returns the first party of the client in a bucket, or behind another of its parties. */
static struct queue_party *party_of(struct queue_party *p, uint64_t client)
{
	while (p && p->client != client)
		p = p->next_in_bucket;
	return p;
}

static struct queue_party *find_party(struct queue *q, uint64_t client, uint64_t script)
{
	struct queue_party *p = party_of(*bucket_for(q, client), client);

	while (p && p->script != script)
		p = party_of(p->next_in_bucket, client);
	return p;
}

/* A client that comes anew is served after those who wait already. */
static struct queue_party *party_new(struct queue *q, uint64_t client, uint64_t script, bool held)
{
	struct queue_party *p = calloc(1, sizeof *p), **bucket = bucket_for(q, client);
	const struct queue_party *other = party_of(*bucket, client);

	if (!p)
		return NULL;
	p->client = client;
	p->script = script;
	p->held = held;
	p->running = other ? other->running : 0;
	p->turn = other ? other->turn : ++q->turns;
	p->next_in_bucket = *bucket;
	*bucket = p;
	p->next = q->parties;
	if (p->next)
		p->next->prev = p;
	q->parties = p;
	return p;
}

static void party_free(struct queue *q, struct queue_party *p)
{
	struct queue_party **link = bucket_for(q, p->client);

	while (*link != p)
		link = &(*link)->next_in_bucket;
	*link = p->next_in_bucket;
	*(p->prev ? &p->prev->next : &q->parties) = p->next;
	if (p->next)
		p->next->prev = p->prev;
	free(p);
}

bool queue_enter(struct queue *q, struct queue_entry *entry, uint64_t client, uint64_t script,
		 bool held)
{
	struct queue_party *p = find_party(q, client, script);

	if (!p && !(p = party_new(q, client, script, held)))
		return false;
	entry->next = NULL;
	entry->prev = p->last;
	*(p->last ? &p->last->next : &p->first) = entry;
	p->last = entry;
	entry->party = p;
	p->waiting++;
	q->waiting++;
	q->held += p->held;
	return true;
}

void queue_leave(struct queue *q, struct queue_entry *entry)
{
	struct queue_party *p = entry->party;

	if (!p)
		return;
	*(entry->prev ? &entry->prev->next : &p->first) = entry->next;
	*(entry->next ? &entry->next->prev : &p->last) = entry->prev;
	*entry = (struct queue_entry){ .party = NULL };
	p->waiting--;
	q->waiting--;
	q->held -= p->held;
	if (!p->first)
		party_free(q, p);
}

struct queue_entry *queue_next(const struct queue *q)
{
	const struct queue_party *best = NULL;

	for (const struct queue_party *p = q->parties; p; p = p->next)
		if (!p->held && (!best || p->running < best->running ||
				 (p->running == best->running && p->turn <= best->turn)))
			best = p;
	return best ? best->first : NULL;
}

void queue_serve(struct queue *q, struct queue_entry *entry)
{
	uint64_t client = entry->party->client;

	q->turns++;
	for (struct queue_party *p = party_of(*bucket_for(q, client), client); p;
	     p = party_of(p->next_in_bucket, client)) {
		p->turn = q->turns;
		p->running++;
	}
	queue_leave(q, entry);
}

void queue_hold(struct queue *q, struct queue_party *p, bool held)
{
	q->held -= p->held ? p->waiting : 0;
	q->held += held ? p->waiting : 0;
	p->held = held;
}

void queue_forget_running(struct queue *q)
{
	for (struct queue_party *p = q->parties; p; p = p->next)
		p->running = 0;
}

void queue_count_running(struct queue *q, uint64_t client)
{
	for (struct queue_party *p = party_of(*bucket_for(q, client), client); p;
	     p = party_of(p->next_in_bucket, client))
		p->running++;
}

static size_t waiting_of(const struct queue *q, uint64_t client)
{
	size_t waiting = 0;

	for (const struct queue_party *p = q->buckets[client % QUEUE_BUCKETS]; p;
	     p = p->next_in_bucket)
		waiting += p->client == client ? p->waiting : 0;
	return waiting;
}

struct queue_entry *queue_find_excess(const struct queue *q, uint64_t client)
{
	size_t most = waiting_of(q, client) + 1;
	const struct queue_party *biggest = NULL;

	for (const struct queue_party *p = q->parties; p; p = p->next) {
		size_t waiting = waiting_of(q, p->client);

		if (waiting > most) {
			most = waiting;
			biggest = p;
		}
	}
	return biggest ? biggest->last : NULL;
}
