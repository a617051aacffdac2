/*
 * A process that serves: accepts connections until it is told to stop.
 */
#ifndef WORKER_H
#define WORKER_H

#include "settings.h"

/*
 * Serves a listening socket until TERM or INT, or until the lifeline (a
 * descriptor, or -1) ends; then finishes what runs, within settings->stop_timeout.
 * Of settings->workers this is one, by its number from 0; what they may do
 * together is slots.h. Returns the exit status.
 */
int worker_run(const struct settings *settings, long number, int listener, int lifeline);

#endif
