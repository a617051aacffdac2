/*
 * Waiting for descriptors: what loop.c asks of loop-epoll.c or loop-poll.c.
 */
#ifndef LOOP_WAIT_H
#define LOOP_WAIT_H

#include "loop.h"

bool wait_open(void);

/* Take up, change, let go: watch->fd is set; wait_change reads watch->wants. */
bool wait_add(struct watch *watch);
void wait_change(struct watch *watch);
void wait_remove(struct watch *watch);

/* Waits up to timeout milliseconds (-1: for ever) and calls ready() for what
 * came. Returns early, with nothing called, when a signal arrives. */
void wait_once(int timeout, void (*woke)(void));

#endif
