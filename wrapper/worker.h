/*
 * A worker: accepts and serves connections until told to stop.
 */
#ifndef WORKER_H
#define WORKER_H

#include "settings.h"

#include <signal.h>

enum { WORKER_HASTE = SIGQUIT };

/* Messages of a worker to its parent, one byte each. */
enum {
	WORKER_SERVES = 's',
	WORKER_ACCEPTS_NO_MORE = 'n',
	WORKER_TURNS = 't', /* the answer to any byte from the parent: the loop turns */
	WORKER_WAKES = 'w'  /* see slots_wake() */
};

/*
 * Serves a listening socket, as the worker of a number in slots.h. The pipe is one end of a
 * socket pair with the parent. If the parent shuts its end down or exits, or after TERM,
 * INT or USR1, the worker stops: requests and scripts may finish within
 * settings->stop_timeout. At a second signal, at WORKER_HASTE, or if the parent exits after
 * asking for a stop, the worker ends at once. Returns the exit status.
 */
int worker_run(const struct settings *settings, long number, int listener, int pipe);

#endif
