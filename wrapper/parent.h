/*
 * The parent process: starts, replaces and stops workers, and serves nothing itself.
 */
#ifndef PARENT_H
#define PARENT_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>

/* Returns how many numbers workers may have: twice settings->workers, since a substitute has a
 * number of its own while the outdated worker finishes. */
size_t parent_numbers(const struct settings *settings);

/*
 * Keeps settings->workers workers on a listening socket, which is non-blocking until no
 * worker accepts any more, and closed then. A worker that dies is replaced, after a growing
 * pause if it died young. On HUP, if heeds_hup, workers are replaced one by one, each when
 * its substitute serves. On TERM, INT or USR1 workers finish; at a second such signal, at
 * once. Calls stopping() once, before workers stop or if none can be kept. Call after
 * slots_open(). Returns the exit status.
 */
int parent_run(const struct settings *settings, int listener, bool heeds_hup,
	       void (*stopping)(void));

#endif
