/*
 * The pool: as many processes as are needed, none that crashes all the time, and
 * new ones in place of old ones without a gap.
 */
#ifndef POOL_H
#define POOL_H

#include "handover.h"
#include "identity.h"
#include "settings.h"

#include <stdbool.h>

struct pool_events {
	/* All processes of the beginning serve. */
	void (*up)(void);
	/* Before that: one of them does not. Later: a crash loop, where the settings say to
	 * give up. With the exit status to end with. */
	void (*failed)(int status);
	/* A reload is complete, and nothing old is left; or it was given up. */
	void (*reloaded)(void);
	/* Puts a new socket in the place of the one that there is, which stays open. Returns it;
	 * -1: there can be none. */
	int (*renew)(void);
	/* There was no connection for long enough to end. */
	void (*idle)(void);
	/* All are gone, after pool_stop. */
	void (*over)(void);
};

/* False after reporting. The loop is open. */
bool pool_open(const struct settings *settings, const struct identity *identity, int listener,
	       const struct pool_events *events);

/* Starts the first processes. */
void pool_begin(void);

/* Takes up those that were handed over. */
void pool_resume(const struct handover *from);

/* Whether that can be done now, or when the reload is complete. */
bool pool_can_be_described(void);

/* Fills in what pool_resume wants to know, and, unless that is for a trial, has the log take
 * all that was written. False without memory. */
bool pool_describe(struct handover *out);

/* Replaces all processes, one by one. */
void pool_reload(void);

/* Lets all end that they serve and, if told so, what waits for them: where it would be lost,
 * and nobody else can connect any more. */
void pool_stop(bool drains);

/* Ends all at once. */
void pool_kill(void);

/* Whether nothing is under way that would be lost if this process executed itself anew. For a
 * while nothing of that kind is begun, so that this comes true soon. */
bool pool_rests(void);

#endif
