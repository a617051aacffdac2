/*
 * Starts scripts without holding up the event loop. Finding and executing a script may
 * wait for a file system, so starter threads do both, from a template (warm.h) or the
 * usual way (launch.h). They share with the loop's thread the jobs, and what is under a lock.
 *
 * Starters live as long as the worker: a system that kills scripts whose parent dies goes
 * by the thread that started the script.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include "asking.h"
#include "launch.h"
#include "settings.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A start, inside its owner's struct. From launcher_start() to done() the owner touches nothing
 * of it but child. Only a failed or awaited start wakes the loop, since most scripts soon do by
 * themselves; for another, done() comes with launcher_take_finished(), or when the loop is
 * woken for some other start. */
struct launch_job {
	/* Input: */
	struct asking *asking;
	int64_t received; /* bytes of the body */
	long slot;        /* of SLOT_RUNNING, held until done() */
	int ends[3];      /* the script's ends, closed by the launcher; [0] is -1 for no
			   * input */
	bool awaited;     /* from the start on; see launcher_await() */
	void (*done)(struct launch_job *job); /* called from the loop */
	/* Result: */
	pid_t pid;   /* -1: failed */
	int64_t at;  /* loop_clock() when the script had been executed */
	bool warm;   /* started from a template */
	pid_t group; /* process group, for launcher_free_group(); 0: the script's own, if any */
	enum launch_step step; /* failed step; LAUNCH_RESOLVE and LAUNCH_PLACE: see
				* asking->script */
	int error;
	char reason[512]; /* of a failed LAUNCH_EXEC, in words */
	/* For the launcher: */
	struct launch_job *next;
	bool taken; /* by a starter */
	bool finished;
	atomic_int child; /* pid of the process about to become the script; 0: none yet. Reaped
			   * only by the loop's thread, maybe before done() */
};

/* Opens the launcher of a worker limited to so many descriptors. Call after loop_open(). False
 * with errno. */
bool launcher_open(const struct settings *settings, long descriptors);

void launcher_start(struct launch_job *job);

/* Has done() called from the loop as soon as possible. True if the start is finished. */
bool launcher_await(struct launch_job *job);

/* Calls done() for all finished starts. Call from callbacks of the loop only, as done() may
 * change or free any process. */
void launcher_take_finished(void);

/* As launcher_take_finished(), if job is finished; else false, and job is awaited. */
bool launcher_take(struct launch_job *job);

/* True if no starter has taken job yet: all wait for file systems or a processor. */
bool launcher_is_queued(const struct launch_job *job);

/* Gives back the group of a job. The number of an empty group may be used again. */
void launcher_free_group(pid_t group, bool empty);

#endif
