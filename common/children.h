/*
 * Child processes: forked, watched and stopped here, and nowhere else. They
 * live by the loop of this process.
 */
#ifndef CHILDREN_H
#define CHILDREN_H

#include "loop.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One child, inside the struct of its owner. All zero is "none". */
struct child {
	pid_t pid;       /* 0: never started */
	bool leads;      /* a session and group of its own, which are stopped with it */
	bool ended;      /* itself; others of its group are left */
	bool killed;     /* with its group */
	int looks;       /* at who is left, since both */
	int64_t started; /* by loop_now() */
	const struct child_owner *owner;
	struct child *next, *prev;
	struct deadline kill; /* for the owner: see child_kill_after */
	struct deadline look_again;
};

struct child_owner {
	/* What the child does; its result is the child's exit status. */
	int (*work)(struct child *child);
	/* The child itself has ended, with this wait status. */
	void (*ended)(struct child *child, int status);
	/* Whether somebody whom it has started is left, after its end; NULL: of its group. */
	bool (*left)(const struct child *child);
	/* Nobody is left, or nothing but what was killed a while ago: the struct may be used
	 * again, or freed. */
	void (*gone)(struct child *child);
};

/* Begins to notice the ends of children. Once, after loop_open(). */
bool children_open(void);

/* Forks a child, the leader of a session if told so. False with errno. */
bool child_fork(struct child *child, const struct child_owner *owner, bool leads);

/* Takes up a child that this process has from before it executed itself anew. */
void child_adopt(struct child *child, const struct child_owner *owner, pid_t pid, int64_t started);

/* Sends a signal to the child itself, or to the group that it has left behind. */
void child_signal(struct child *child, int signal);

/* Sends a signal to all of its group. */
void child_signal_group(struct child *child, int signal);

/* Whether somebody of it is left, after it has ended itself. */
bool child_left_others(const struct child *child);

/* Has passed() called when the child is still there after so many milliseconds. */
void child_kill_after(struct child *child, int64_t timeout, void (*passed)(struct deadline *));
struct child *child_of_kill(struct deadline *deadline);

/* How long to wait before a child is started in place of one that lived so long:
 * longer each time that one dies young, not at all otherwise. */
int64_t child_pause(int64_t last_pause, int64_t lived);

/* Says in words how a process ended, such as "was killed by signal 9 (Killed)". */
void child_describe_end(int status, char *out, size_t size);

/* Ends of children from before children_open(). */
void children_reap(void);

#endif
