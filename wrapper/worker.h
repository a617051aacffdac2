/*
 * A process that serves: accepts connections until it is told to stop.
 */
#ifndef WORKER_H
#define WORKER_H

#include "settings.h"

#include <signal.h>

enum { WORKER_HASTE = SIGQUIT };

/* What a worker tells its parent, in a byte. */
enum { WORKER_SERVES = 's', WORKER_ACCEPTS_NO_MORE = 'n' };

/*
 * Serves a listening socket. What it may do together with other workers is slots.h,
 * by its number. The pipe, one end of a socket pair, connects it to its parent. When
 * that ends, or after TERM, INT or USR1, it stops: it finishes what runs, within
 * settings->stop_timeout. If the parent is gone then, or at a second signal, or at
 * WORKER_HASTE, it ends at once. Returns the exit status.
 */
int worker_run(const struct settings *settings, long number, int listener, int pipe);

#endif
