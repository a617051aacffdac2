/*
 * Whether a process waits for one of its sockets, seen from outside: Linux alone.
 */
#ifndef WAITS_H
#define WAITS_H

#include <stddef.h>
#include <sys/types.h>

enum waits {
	WAITS_NOT,    /* for sure: it computes, or waits for something else */
	WAITS,        /* a thread of it sleeps until one of them is ready */
	WAITS_HIDDEN, /* it may: that is not shown; errno tells, or is 0 */
};

/* These are inodes of sockets, sorted. */
enum waits waits_for(pid_t process, const unsigned long *sockets, size_t count);

#endif
