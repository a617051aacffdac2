#include <config.h>

#include "queue.h"

static void join_ring(struct queue *q, struct queue_party *party)
{
	if (!q->turn) {
		party->next = party;
		q->turn = party;
		return;
	}
	/* A round begins behind q->turn: the newest party, put there as q->turn, is
	 * served after all others. */
	party->next = q->turn->next;
	q->turn->next = party;
	q->turn = party;
}

static void leave_ring(struct queue *q, struct queue_party *party)
{
	struct queue_party *before = party;

	while (before->next != party)
		before = before->next;
	before->next = party->next;
	if (q->turn == party)
		q->turn = before == party ? NULL : before;
	party->next = NULL;
}

void queue_enter(struct queue *q, struct queue_entry *entry, struct queue_party *party)
{
	if (!party->first)
		join_ring(q, party);
	*(party->last ? &party->last->next : &party->first) = entry;
	party->last = entry;
	entry->next = NULL;
	entry->party = party;
	q->waiting++;
}

void queue_leave(struct queue *q, struct queue_entry *entry)
{
	struct queue_party *party = entry->party;
	struct queue_entry *before = NULL;

	if (!party)
		return;
	for (struct queue_entry *e = party->first; e != entry; e = e->next)
		before = e;
	*(before ? &before->next : &party->first) = entry->next;
	if (party->last == entry)
		party->last = before;
	entry->next = NULL;
	entry->party = NULL;
	q->waiting--;
	if (!party->first)
		leave_ring(q, party);
}

struct queue_entry *queue_next(struct queue *q)
{
	struct queue_entry *entry;

	if (!q->turn)
		return NULL;
	q->turn = q->turn->next;
	entry = q->turn->first;
	queue_leave(q, entry);
	return entry;
}
