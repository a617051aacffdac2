/*
 * Child processes: workers of fcgiwrap or of a spawn-fcgi pool, and a try of an upgrade.
 * Forked or adopted, signalled and reaped on the event loop. For scripts see launch.h.
 */
#ifndef CHILDREN_H
#define CHILDREN_H

#include "loop.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Lives inside the struct of the owner. All zero is "none". */
struct child {
	pid_t pid;       /* 0: never started */
	bool leads;      /* leads a session and a group; gone() waits for the whole group */
	bool ended;      /* others of the group may be left */
	bool killed;     /* SIGKILL was sent to the group */
	int looks;       /* at processes left, since ended and killed */
	int64_t started; /* by loop_now() */
	const struct child_owner *owner;
	struct child *next, *prev;
	struct deadline kill; /* set by child_kill_after */
	struct deadline look_again;
};

struct child_owner {
	/* Runs in the child; returns the exit status. */
	int (*work)(struct child *child);
	/* The child was reaped, with this wait status. */
	void (*ended)(struct child *child, int status);
	/* True while processes started by a dead child are left; NULL: looks at the group. */
	bool (*left)(const struct child *child);
	/* No process is left, or only a group killed 2 seconds ago: the struct may be used
	 * again, or freed. */
	void (*gone)(struct child *child);
};

/* Begins to reap children on SIGCHLD. Call once, after loop_open(). False with errno. */
bool children_open(void);

/* Forks a child, as the leader of a session if leads. False with errno. */
bool child_fork(struct child *child, const struct child_owner *owner, bool leads);

/* Adopts a leader forked before this process executed itself anew; started as by loop_now(). */
void child_adopt(struct child *child, const struct child_owner *owner, pid_t pid, int64_t started);

/* Sends a signal to the child alone; after the child's end, to the group left behind. */
void child_signal(struct child *child, int signal);

/* Sends a signal to the whole group; to the child alone if not a leader. */
void child_signal_group(struct child *child, int signal);

/* True if the child has ended, but processes of the group (see left) have not. */
bool child_left_others(const struct child *child);

/* Calls passed() after timeout milliseconds, unless gone() comes first. */
void child_kill_after(struct child *child, int64_t timeout, void (*passed)(struct deadline *));
struct child *child_of_kill(struct deadline *deadline);

/* Milliseconds to wait before the next start, after a child that lived so many: twice
 * last_pause, from 100 to 10000, after less than a second; otherwise 0. */
int64_t child_pause(int64_t last_pause, int64_t lived);

/* Writes the end of a process in words, such as "was killed by signal 9 (Killed)". */
void child_describe_end(int status, char *out, size_t size);

/* Reaps children that ended before children_open(). */
void children_reap(void);

#endif
