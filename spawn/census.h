/*
 * Which processes serve a connection, seen from outside: census-linux.c, or
 * census-none.c where the system does not show it.
 */
#ifndef CENSUS_H
#define CENSUS_H

#include "identity.h"
#include "overload.h"

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
	unsigned long sum; /* of their inodes: another one when there is another connection */
	int64_t memory;   /* resident, in bytes */
	int64_t work;     /* processor time so far, in nanoseconds, some of it twice */
	/* Whether it serves cannot be seen, now or ever. The caller takes it for busy: it is
	 * never signalled as an idle one, nor killed before the stop time-out is over. */
	bool hidden;
};

/* Whether processes of this identity can be watched here at all. Reports where that is so,
 * but connections of this socket are never shown: then every entry is hidden, and at most
 * one connection is known to wait. */
bool census_open(int listener, const struct identity *identity);

/* Another Unix socket takes its place; connections of the former one count until it is
 * forgotten. */
void census_renew(int listener);
void census_forget_former(void);

/* Fills in all but the leader of each entry. False if nothing can be said. */
bool census_take(struct census_entry *entries, size_t count, long *waiting);

/* A connection that a process has open. */
struct census_connection {
	pid_t process;
	size_t entry; /* that it belongs to */
	int depth;    /* below its leader: after a process come those that it has started */
	int descriptor;
	unsigned long inode;
	bool listens; /* the process has the listening socket open, too */
	bool opaque;  /* it is stopped, or has the kernel read for it (io_uring) */
};

/* Those of the last look, process by process. They stay until the next one. */
const struct census_connection *census_connections(size_t *count);

/* Whether connections of this socket are shown at all. */
bool census_shows_connections(void);

/* How many milliseconds to let pass after the last look, so that looks which are repeated
 * cost no more than a fiftieth of a processor: a look costs more on a busy system. */
int64_t census_pause(void);

/* How many connections wait, as far as their number is shown here, and what names them: those
 * of a Unix socket in the order in which they came. False if that cannot be said. */
bool census_count_waiting(long *waiting);
bool census_name_waiting(struct overload_names *out);

/* Sends a signal to processes of these sessions that are not in the leader's group. */
void census_signal_others(const pid_t *leaders, size_t count, int signal);

/* Sends a signal to a process of this session, and to all that it has started. */
void census_signal_branch(pid_t leader, pid_t process, int signal);

/* Whether a process of this session lives, whose leader, a child that was forked at this time of
 * the loop, was waited for. */
bool census_is_left(pid_t leader, int64_t started);

/* Makes this process the parent of what its children leave behind. */
void census_adopt_orphans(void);

#endif
