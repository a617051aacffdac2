/*
 * Which requests may start their scripts now: slots, and a queue in front of them.
 * Knows no request: it grants tickets.
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "loop.h"
#include "queue.h"

#include <stdbool.h>

struct admission {
	struct queue queue;
	struct deadline shortage;   /* set: the system cannot start a script just now */
	struct deadline look_again; /* whether another worker has given a slot back */
};

struct ticket {
	struct queue_entry entry;
	long waiting; /* its slot among those that wait, or SLOT_NONE */
	long running; /* its slot among those that run, or SLOT_NONE */
};

#define TICKET_NONE ((struct ticket){ .waiting = SLOT_NONE, .running = SLOT_NONE })

enum admission_answer {
	ADMISSION_GRANTED, /* ticket->running is a slot, and the caller's */
	ADMISSION_WAITS,   /* in the queue; will be granted, or may leave */
	ADMISSION_FULL     /* the queue has no room */
};

/* Asks for a slot. Those who came earlier, and wait, go first. */
enum admission_answer admission_ask(struct admission *admission, struct ticket *ticket,
				    struct queue_party *party);

/* Gives up waiting; nothing if the ticket does not wait. */
void admission_leave(struct admission *admission, struct ticket *ticket);

/* The system was too short of something to start a script: nobody is granted
 * anything for a moment. */
void admission_back_off(struct admission *admission);

/* Grants slots to those who wait, as far as there are any. To be called at the end
 * of a turn of the loop. */
void admission_serve(struct admission *admission, void (*granted)(struct ticket *));

#endif
