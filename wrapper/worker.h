/*
 * A process that serves: accepts connections until it is told to stop.
 */
#ifndef WORKER_H
#define WORKER_H

#include "settings.h"

/*
 * Serves a listening socket until TERM or INT, or until the lifeline (a
 * descriptor, or -1) ends; then finishes what runs, within settings->stop_timeout.
 * Returns the exit status.
 */
int worker_run(const struct settings *settings, int listener, int lifeline);

#endif
