#include <config.h>

#include "admission.h"

#include "slots.h"

enum { /* milliseconds */
	SHORTAGE_PAUSE = 200,
	/* Pause before another look for a slot given back by other workers. */
	LOOK_AGAIN = 5
};

/* Only ends the loop's wait: the end of the turn serves the queue. */
static void on_look_again(struct deadline *d)
{
	(void)d;
}

static long admission_slot(const struct admission *a)
{
	return deadline_is_set(&a->shortage) ? SLOT_NONE : slots_take(SLOT_RUNNING);
}

enum admission_answer admission_ask(struct admission *a, struct ticket *t, struct queue_party *party)
{
	if (a->queue.waiting == 0 && (t->running = admission_slot(a)) != SLOT_NONE)
		return ADMISSION_GRANTED;
	t->waiting = slots_take(SLOT_WAITING);
	if (t->waiting == SLOT_NONE)
		return ADMISSION_FULL;
	queue_enter(&a->queue, &t->entry, party);
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
	deadline_set(&a->shortage, SHORTAGE_PAUSE, on_look_again);
}

void admission_serve(struct admission *a, void (*granted)(struct ticket *))
{
	long slot;

	while (a->queue.waiting > 0 && (slot = admission_slot(a)) != SLOT_NONE) {
		struct ticket *t = LOOP_OWNER(queue_next(&a->queue), struct ticket, entry);

		slots_give(SLOT_WAITING, t->waiting);
		t->waiting = SLOT_NONE;
		t->running = slot;
		granted(t);
	}
	if (a->queue.waiting > 0 && slots_are_shared() && !deadline_is_set(&a->look_again))
		deadline_set(&a->look_again, LOOK_AGAIN, on_look_again);
}
