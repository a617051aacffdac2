/*
 * Admission of requests: grants slots for running scripts, from a queue if need be, within the
 * limits of each client and script. Works on tickets and knows no requests.
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "loop.h"
#include "queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admission {
	size_t client_most, script_most; /* scripts at once, in all workers; 0: no limit */
	struct queue queue;
	struct deadline shortage;   /* set: too few resources for a start; grant nothing */
	struct deadline look_again; /* next look for slots given back by other workers */
	bool looks_again;           /* in this turn */
};

struct ticket {
	struct queue_entry entry;
	uint64_t client; /* key, not 0 */
	uint64_t script; /* key, if the script has been found at its limit; 0: not known */
	long waiting; /* SLOT_WAITING slot, or SLOT_NONE */
	long running; /* SLOT_RUNNING slot, or SLOT_NONE */
};

#define TICKET_NONE ((struct ticket){ .waiting = SLOT_NONE, .running = SLOT_NONE })

enum admission_answer {
	ADMISSION_GRANTED,  /* ticket->running is a slot, owned by the caller */
	ADMISSION_WAITS,    /* queued: granted by admission_serve(), unless admission_leave() */
	ADMISSION_FULL,     /* the queue has no room */
	ADMISSION_NO_MEMORY
};

enum admission_limit {
	ADMISSION_BY_SLOTS,
	ADMISSION_BY_CLIENT, /* scripts of the client run, as many as may */
	ADMISSION_BY_SCRIPT
};

/* Asks for a slot. Tickets in the queue go first, unless held by limits of their own. In a full
 * queue the client with most tickets gives way: displaced() is called for its newest, which is
 * out of the queue. */
enum admission_answer admission_ask(struct admission *admission, struct ticket *ticket,
				    void (*displaced)(struct ticket *));

/* Takes the ticket out of the queue. No effect if the ticket does not wait. */
void admission_leave(struct admission *admission, struct ticket *ticket);

/* Returns what would keep the ticket from a script now. */
enum admission_limit admission_find_limit(const struct admission *admission,
					  const struct ticket *ticket);

/* Grants nothing for a moment, after the system had too few resources to start a script. */
void admission_back_off(struct admission *admission);

/* Grants free slots to waiting tickets, and calls granted() for each. Call at the end of a turn
 * of the loop. */
void admission_serve(struct admission *admission, void (*granted)(struct ticket *));

/* True if one more of a script may run in a granted slot: less than most do, and none waits for
 * that. Else the ticket has to ask again, with the script's key. Call from any thread. */
bool admission_take_script(long running, uint64_t script, size_t most);

#endif
