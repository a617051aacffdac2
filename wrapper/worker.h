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

/*
 * Serves one connection, non-blocking, once templates are loaded; WORKER_SERVES says so. Returns
 * when the connection and all that its scripts have started are at an end; the exit status is a
 * failure if not each request was answered by a script. At a signal to stop, or if the parent shuts
 * its end of the pipe down or exits, they are ended; at a second one, at once.
 */
int worker_run_once(const struct settings *settings, int connection, int pipe);

#endif
