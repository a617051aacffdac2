/*
 * Which processes serve a connection, seen from outside: census-linux.c, or
 * census-none.c where the system does not show it.
 */
#ifndef CENSUS_H
#define CENSUS_H

#include "identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A session: its leader, a child of this process, and all that is in it. */
struct census_entry {
	pid_t leader;
	long processes;
	long awake;       /* processes that are not stopped */
	long connections; /* accepted from the socket */
	int64_t memory;   /* resident, in bytes */
	int64_t work;     /* processor time so far, in nanoseconds, some of it twice */
	bool together;    /* one process has several connections at once */
	bool hidden;      /* not all of it could be seen */
};

/* Whether processes of this identity that serve this socket can be watched here. */
bool census_open(int listener, const struct identity *identity);

/* Fills in all but the leader of each entry. False if nothing can be said. */
bool census_take(struct census_entry *entries, size_t count, long *waiting);

/* Whether a process handles a signal itself, instead of ending by it. */
bool census_handles(pid_t process, int signal);

/* Makes this process the parent of what its children leave behind. */
void census_adopt_orphans(void);

#endif
