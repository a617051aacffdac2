/*
 * Sockets that a process waits for, seen from outside: Linux alone.
 */
#ifndef WAITS_H
#define WAITS_H

#include <stddef.h>
#include <sys/types.h>

enum waits {
	WAITS_NOT,    /* certain: computes, or waits for anything else */
	WAITS,        /* a thread sleeps until one of the sockets is ready */
	WAITS_HIDDEN, /* not shown: may wait; errno says why, or is 0 */
};

/* sockets are inodes, sorted by waits_compare_sockets(), for qsort(3). */
enum waits waits_for(pid_t process, const unsigned long *sockets, size_t count);
int waits_compare_sockets(const void *a, const void *b);

#endif
