/*
 * Waiting for descriptors: interface of loop-epoll.c and loop-poll.c to loop.c.
 */
#ifndef LOOP_WAIT_H
#define LOOP_WAIT_H

#include "loop.h"

#include <stdbool.h>
#include <stddef.h>

/* Result of one wait. */
struct wait_result {
	size_t told;   /* events for which ready() was called */
	bool complete; /* all events present at the start of the wait were told */
};

/* Functions that can fail return false with errno. */
struct wait_method {
	const char *name; /* of the system call */

	/* Forgets all watches. */
	bool (*open)(void);

	/* Add, change or remove watch->fd, for the events watch->wants. After a failed change
	 * no event is told until a change succeeds. */
	bool (*add)(struct watch *watch);
	bool (*change)(struct watch *watch);
	void (*remove)(struct watch *watch);

	/* Waits up to timeout milliseconds (-1: for ever), calls woke(), and then ready() for
	 * each event. False, with no event told, if the wait failed; EINTR after a signal. */
	bool (*once)(int timeout, void (*woke)(void), struct wait_result *out);
};

extern const struct wait_method wait_epoll, wait_poll;

/* Methods of this system: the best first, a portable one last; then NULL. */
extern const struct wait_method *const wait_methods[];

#endif
