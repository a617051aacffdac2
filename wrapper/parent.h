/*
 * The process that is told to start, reload and stop: it serves nothing itself, but
 * keeps workers that do, and sleeps while these are well.
 */
#ifndef PARENT_H
#define PARENT_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>

/* How many numbers workers may have: a new one has a number of its own while the one
 * that it replaces finishes. */
size_t parent_numbers(const struct settings *settings);

/*
 * Keeps settings->workers workers on a listening socket, which is made non-blocking
 * meanwhile. One that dies is replaced, with a growing pause if it died young. On HUP, if
 * that is heeded, all are replaced one by one, each when its successor serves.
 * On TERM, INT or USR1 stopping() is called, and the workers finish; at a second such
 * signal they end at once. The listener is closed when none accepts any more. To be
 * called after slots_open(). Returns the exit status.
 */
int parent_run(const struct settings *settings, int listener, bool heeds_hup,
	       void (*stopping)(void));

#endif
