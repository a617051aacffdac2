/*
 * The pool: as many workers as needed, pauses after crashes, and new workers in place
 * of outdated ones without a gap.
 */
#ifndef POOL_H
#define POOL_H

#include "handover.h"
#include "identity.h"
#include "settings.h"

#include <stdbool.h>

/* For --status. */
struct pool_state {
	bool watched; /* busy and idle workers can be told apart */
	bool crash_loop, reloading;
	long most;    /* workers that there may be */
	long waiting, queue_limit; /* connections in the queue, and how many it can hold; 0: not known */
};

struct pool_events {
	/* The first workers are ready. */
	void (*up)(void);
	/* Before up(): one of the first workers has failed. At any time: a crash loop, with
	 * --give-up. status is the exit status to end with. */
	void (*failed)(int status);
	/* A reload is complete, with no outdated worker left, or given up. */
	void (*reloaded)(void);
	/* Puts a new socket in the place of the present one, but leaves that open. Returns the
	 * new descriptor; -1: not possible. */
	int (*renew)(void);
	/* No connection came for --exit-on-idle. */
	void (*idle)(void);
	/* After pool_stop(): all workers are gone. */
	void (*over)(void);
};

/* False after reporting. The loop must be open. */
bool pool_open(const struct settings *settings, const struct identity *identity, int listener,
	       const struct pool_events *events);

/* Starts the first workers, or calls failed(). */
void pool_begin(void);

/* Adopts the workers that were handed over. */
void pool_resume(const struct handover *from);

/* True if pool_describe() may be called now; if false, when the reload is complete. */
bool pool_can_be_described(void);

/* Fills in the state for pool_resume(), in memory for handover_free(); unless out->trial, also
 * flushes the output of workers to the log. False without memory. */
bool pool_describe(struct handover *out);

/* Replaces all workers, one by one. */
void pool_reload(void);

/* Retires all workers. If drains, they serve waiting connections first: for a socket that ends
 * with this process, and that no client can connect to any more. */
void pool_stop(bool drains);

/* Kills all workers at once. */
void pool_kill(void);

/* Looks at the pool, if the last look was not only just, and describes it. */
void pool_look(struct pool_state *out);

/* True if no refusal (503) is under way, to be lost when this process executes itself anew. For
 * a while no new one begins, so that the result becomes true soon. */
bool pool_rests(void);

#endif
