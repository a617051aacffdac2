/*
 * Keeping a pool of processes: as many as are needed, none that crashes all the
 * time, and new ones in place of old ones without a gap.
 */
#ifndef KEEP_H
#define KEEP_H

#include "identity.h"
#include "settings.h"

#include <stdbool.h>

struct keep_events {
	/* All processes of the beginning serve. */
	void (*up)(void);
	/* Before that: one of them does not. Later: a crash loop, where the settings say to
	 * give up. With the exit status to end with. */
	void (*failed)(int status);
	/* A reload is complete, and nothing old is left; or it was given up. */
	void (*reloaded)(void);
	/* There was no connection for long enough to end. */
	void (*idle)(void);
	/* All are gone, after keep_stop. */
	void (*over)(void);
};

/* False after reporting. The loop is open. */
bool keep_open(const struct settings *settings, const struct identity *identity, int listener,
	       const struct keep_events *events);

/* Starts the first processes. */
void keep_begin(void);

/* Takes up those that were handed over. */
void keep_resume(void);

/* Replaces all processes, one by one. */
void keep_reload(void);

/* Lets all end that they serve, and, where nobody can connect any more, also what
 * waits for them. */
void keep_stop(bool closed);

/* Ends all at once. */
void keep_kill(void);

#endif
