/*
 * Admission of requests: grants slots for running scripts, from a queue if need be. Works
 * on tickets and knows no requests.
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "loop.h"
#include "queue.h"

#include <stdbool.h>

struct admission {
	struct queue queue;
	struct deadline shortage;   /* set: too few resources for a start; grant nothing */
	struct deadline look_again; /* next look for slots given back by other workers */
};

struct ticket {
	struct queue_entry entry;
	long waiting; /* SLOT_WAITING slot, or SLOT_NONE */
	long running; /* SLOT_RUNNING slot, or SLOT_NONE */
};

#define TICKET_NONE ((struct ticket){ .waiting = SLOT_NONE, .running = SLOT_NONE })

enum admission_answer {
	ADMISSION_GRANTED, /* ticket->running is a slot, owned by the caller */
	ADMISSION_WAITS,   /* queued: granted by admission_serve(), unless admission_leave() */
	ADMISSION_FULL     /* the queue has no room */
};

/* Asks for a slot. Tickets in the queue go first. */
enum admission_answer admission_ask(struct admission *admission, struct ticket *ticket,
				    struct queue_party *party);

/* Takes the ticket out of the queue. No effect if the ticket does not wait. */
void admission_leave(struct admission *admission, struct ticket *ticket);

/* Grants nothing for a moment, after the system had too few resources to start a script. */
void admission_back_off(struct admission *admission);

/* Grants free slots to waiting tickets, and calls granted() for each. Call at the end of a turn
 * of the loop. */
void admission_serve(struct admission *admission, void (*granted)(struct ticket *));

#endif
