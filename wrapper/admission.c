#include <config.h>

#include "admission.h"

#include "slots.h"

#include <string.h>

enum { /* milliseconds */
	SHORTAGE_PAUSE = 200,
	/* Pause before another look for a slot given back by other workers. */
	LOOK_AGAIN = 5
};

/* Scripts counted in one look; another in the place of one is counted once more. */
static struct {
	uint64_t script;
	size_t running;
} counted[64];

/* Both end the loop's wait: the end of the turn serves the queue. */

static void on_shortage_end(struct deadline *d)
{
	(void)d;
}

static void on_look_again(struct deadline *d)
{
	LOOP_OWNER(d, struct admission, look_again)->looks_again = true;
}

static long admission_slot(const struct admission *a)
{
	return deadline_is_set(&a->shortage) ? SLOT_NONE : slots_take(SLOT_RUNNING);
}

static bool is_reached(size_t limit, enum slot_key which, uint64_t key)
{
	return limit > 0 && slots_marked(SLOT_RUNNING, which, key) >= limit;
}

enum admission_limit admission_find_limit(const struct admission *a, const struct ticket *t)
{
	if (is_reached(a->client_most, SLOT_CLIENT, t->client))
		return ADMISSION_BY_CLIENT;
	if (t->script && is_reached(a->script_most, SLOT_SCRIPT, t->script))
		return ADMISSION_BY_SCRIPT;
	return ADMISSION_BY_SLOTS;
}

/* Marks the slot with the ticket's keys. False if another worker was faster. */
static bool admission_mark(const struct admission *a, const struct ticket *t, long slot)
{
	if (a->client_most == 0)
		slots_mark(SLOT_RUNNING, slot, SLOT_CLIENT, t->client);
	else if (!slots_claim(slot, SLOT_CLIENT, t->client, a->client_most))
		return false;
	return !t->script || slots_claim(slot, SLOT_SCRIPT, t->script, a->script_most);
}

static bool admission_grant(const struct admission *a, struct ticket *t, long slot)
{
	if (slot == SLOT_NONE)
		return false;
	if (admission_mark(a, t, slot)) {
		t->running = slot;
		return true;
	}
	slots_give(SLOT_RUNNING, slot);
	return false;
}

/* True if others, in any worker, may wait for what the ticket needs. */
static bool is_behind_others(const struct admission *a, const struct ticket *t)
{
	return t->script || (a->client_most > 0 && slots_taken(SLOT_WAITING) > 0 &&
			     slots_marked(SLOT_WAITING, SLOT_CLIENT, t->client) > 0);
}

/* Takes the place in the queue of another client's ticket. */
static bool admission_displace(struct admission *a, struct ticket *t,
			       void (*displaced)(struct ticket *))
{
	struct queue_entry *entry = queue_find_excess(&a->queue, t->client);
	struct ticket *other;

	if (!entry)
		return false;
	other = LOOP_OWNER(entry, struct ticket, entry);
	queue_leave(&a->queue, entry);
	t->waiting = other->waiting;
	other->waiting = SLOT_NONE;
	displaced(other);
	return true;
}

enum admission_answer admission_ask(struct admission *a, struct ticket *t,
				    void (*displaced)(struct ticket *))
{
	bool behind = is_behind_others(a, t);

	if (!behind && a->queue.waiting == 0 && admission_grant(a, t, admission_slot(a)))
		return ADMISSION_GRANTED;
	t->waiting = slots_take(SLOT_WAITING);
	/* A queue full of those who are held keeps nobody else from a free slot. */
	if (t->waiting == SLOT_NONE && !behind && a->queue.waiting == a->queue.held &&
	    admission_grant(a, t, admission_slot(a)))
		return ADMISSION_GRANTED;
	if (t->waiting == SLOT_NONE && !admission_displace(a, t, displaced))
		return ADMISSION_FULL;
	/* Who is behind others of other workers gets no better chance than they. */
	if (!queue_enter(&a->queue, &t->entry, t->client, t->script, behind)) {
		slots_give(SLOT_WAITING, t->waiting);
		t->waiting = SLOT_NONE;
		return ADMISSION_NO_MEMORY;
	}
	slots_mark(SLOT_WAITING, t->waiting, SLOT_CLIENT, t->client);
	slots_mark(SLOT_WAITING, t->waiting, SLOT_SCRIPT, t->script);
	return ADMISSION_WAITS;
}

void admission_leave(struct admission *a, struct ticket *t)
{
	if (t->waiting == SLOT_NONE)
		return;
	queue_leave(&a->queue, &t->entry);
	slots_give(SLOT_WAITING, t->waiting);
	t->waiting = SLOT_NONE;
}

void admission_back_off(struct admission *a)
{
	deadline_set(&a->shortage, SHORTAGE_PAUSE, on_shortage_end);
}

static size_t count_script(uint64_t script)
{
	size_t i = script % (sizeof counted / sizeof *counted);

	if (counted[i].script != script) {
		counted[i].script = script;
		counted[i].running = slots_marked(SLOT_RUNNING, SLOT_SCRIPT, script);
	}
	return counted[i].running;
}

static bool is_at_limit(const struct admission *a, const struct queue_party *p)
{
	return (a->client_most > 0 && p->running >= a->client_most) ||
	       (a->script_most > 0 && p->script && count_script(p->script) >= a->script_most);
}

/* Counts what runs, and holds the parties at a limit; a party that is held already stays so,
 * unless this is a look at those, too. */
static void admission_look(struct admission *a, bool at_held)
{
	size_t slots = slots_most(SLOT_RUNNING);

	queue_forget_running(&a->queue);
	for (size_t i = 0; i < slots; i++) {
		uint64_t client = slots_key((long)i, SLOT_CLIENT);

		if (client)
			queue_count_running(&a->queue, client);
	}
	if (a->script_most > 0)
		memset(counted, 0, sizeof counted);
	for (struct queue_party *p = a->queue.parties; p; p = p->next)
		if (at_held || !p->held)
			queue_hold(&a->queue, p, is_at_limit(a, p));
}

/* Grants one slot, if possible. */
static bool admission_serve_one(struct admission *a, bool at_held,
				void (*granted)(struct ticket *))
{
	struct queue_entry *entry;
	long slot;

	if (a->queue.waiting == 0 || deadline_is_set(&a->shortage) ||
	    slots_taken(SLOT_RUNNING) >= slots_most(SLOT_RUNNING))
		return false;
	admission_look(a, at_held);
	while ((entry = queue_next(&a->queue)) && (slot = admission_slot(a)) != SLOT_NONE) {
		struct ticket *t = LOOP_OWNER(entry, struct ticket, entry);

		if (!admission_grant(a, t, slot)) {
			queue_hold(&a->queue, entry->party, true);
			continue;
		}
		queue_serve(&a->queue, entry);
		slots_give(SLOT_WAITING, t->waiting);
		t->waiting = SLOT_NONE;
		granted(t);
		return true;
	}
	return false;
}

/* Of several workers, none sees first by right that a client or script is below its limit again:
 * each looks at those held every LOOK_AGAIN. */
void admission_serve(struct admission *a, void (*granted)(struct ticket *))
{
	bool shared = a->queue.waiting > 0 && slots_are_shared();

	while (admission_serve_one(a, !shared || a->looks_again, granted))
		;
	a->looks_again = false;
	slots_hold_back(a->queue.held);
	if (a->queue.waiting > 0 && shared && !deadline_is_set(&a->look_again))
		deadline_set(&a->look_again, LOOK_AGAIN, on_look_again);
}

bool admission_take_script(long running, uint64_t script, size_t most)
{
	/* What waited has its slot marked already. */
	return slots_key(running, SLOT_SCRIPT) == script ||
	       (slots_marked(SLOT_WAITING, SLOT_SCRIPT, script) == 0 &&
		slots_claim(running, SLOT_SCRIPT, script, most));
}
