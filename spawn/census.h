/*
 * Processes serving a connection, seen from outside: census-linux.c, or census-none.c
 * where the system shows none.
 */
#ifndef CENSUS_H
#define CENSUS_H

#include "identity.h"
#include "overload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A session, led by a child of this process. */
struct census_entry {
	pid_t leader;
	long processes;
	long awake;       /* processes that are not stopped */
	long connections; /* accepted from the socket */
	unsigned long sum; /* of their inodes: changes with the connections */
	int64_t memory;   /* resident, in bytes */
	int64_t work;     /* processor time so far, in nanoseconds, partly counted twice */
	int64_t cpu;      /* the same, of each once, and of children that were waited for */
	/* Connections cannot be seen, now or ever. The caller takes the entry for busy: never
	 * signalled as idle, nor killed before the stop time-out is over. */
	bool hidden;
};

/* True if processes of the identity can be watched here at all. Reports if so, but with the
 * connections of the socket never shown: then every entry is hidden, and at most one
 * connection is known to wait. */
bool census_open(int listener, const struct identity *identity);

/* Turns to a new Unix socket, and reports if not shown. Connections of the former one count
 * until forgotten. */
void census_renew(int listener);
void census_forget_former(void);

/* Fills in the queue's length, and all but the leader of each entry. False if the kernel
 * does not tell, or without memory. */
bool census_take(struct census_entry *entries, size_t count, long *waiting);

/* A connection open in a process. */
struct census_connection {
	pid_t process;
	size_t entry; /* index, as in census_take() */
	int depth;    /* below a child of this process: descendants follow their ancestor */
	int descriptor;
	unsigned long inode;
	bool listens; /* the process has the listening socket open, too */
	bool opaque;  /* the process is stopped or traced, or has the kernel read (io_uring) */
};

/* Connections of the last census_take(), process by process; valid until the next one. */
const struct census_connection *census_connections(size_t *count);

/* True if connections of the socket are shown at all. */
bool census_shows_connections(void);

/* Returns milliseconds to let pass after the last look, so that repeated looks cost no more
 * than a fiftieth of a processor: a look costs more on a busy system. */
int64_t census_pause(void);

/* Number and names of the waiting connections; of a Unix socket in the order of arrival. False
 * if the system does not show the number or the names. */
bool census_count_waiting(long *waiting);
bool census_name_waiting(struct overload_names *out);

/* Connections that the queue can hold, as of the last look at its length; 0: not shown. */
long census_queue_limit(void);

/* Sends a signal to processes of the sessions outside the leader's group; to none unless
 * census_adopt_orphans() has succeeded. */
void census_signal_others(const pid_t *leaders, size_t count, int signal);

/* Sends a signal to a process of the session, after its descendants there. */
void census_signal_branch(pid_t leader, pid_t process, int signal);

/* True if a process of the session lives. The leader, a child forked at loop_now() ==
 * started, was waited for. */
bool census_is_left(pid_t leader, int64_t started);

/* Makes this process the parent of orphans of its children. */
void census_adopt_orphans(void);

#endif
