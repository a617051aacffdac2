/*
 * Waiting for descriptors: what loop.c asks of loop-epoll.c or loop-poll.c.
 */
#ifndef LOOP_WAIT_H
#define LOOP_WAIT_H

#include "loop.h"

#include <stdbool.h>
#include <stddef.h>

/* What one wait brought. */
struct wait_result {
	size_t told;   /* events for which ready() was called */
	bool complete; /* what was ready when the wait began was told */
};

/* Each function that can fail says so with errno. */
struct wait_method {
	const char *name; /* of the system call */

	/* Forgets all watches. */
	bool (*open)(void);

	/* Take up, change, let go: watch->fd is set, watch->wants is what is wanted. After a
	 * change that failed nothing is told until one succeeds. */
	bool (*add)(struct watch *watch);
	bool (*change)(struct watch *watch);
	void (*remove)(struct watch *watch);

	/* Waits up to timeout milliseconds (-1: for ever), calls woke(), and then ready() for
	 * what came. False, with nothing told, if the wait failed: also when a signal came. */
	bool (*once)(int timeout, void (*woke)(void), struct wait_result *out);
};

extern const struct wait_method wait_epoll, wait_poll;

/* Those of this system, the best first and one that is there everywhere last; then NULL. */
extern const struct wait_method *const wait_methods[];

#endif
