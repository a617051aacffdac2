/*
 * Starts that never hold the event loop. Finding a script and executing it wait for
 * file systems; that is done by starter threads, which share nothing with the
 * loop's thread but the jobs. How a job is done is none of the loop's business:
 * from a template (warm.h) or the usual way (launch.h).
 *
 * Starters live as long as the worker: where the system kills a script whose
 * parent dies, it looks at the thread that started it.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include "asking.h"
#include "launch.h"
#include "settings.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A start, inside the struct of whoever wants it. Nothing of it may be touched from
 * launcher_start() until done(), but for *child. A start that goes well need not wake the
 * loop, which most scripts do by themselves soon enough: unless it is awaited, done() comes
 * with launcher_take_finished(), or with that of another one. */
struct launch_job {
	/* What to start: */
	struct asking *asking;
	int64_t received; /* bytes of its body */
	int ends[3];      /* the script's ends; [0] is -1 for no input. Closed when done */
	bool awaited;     /* from the start on; see launcher_await() */
	void (*done)(struct launch_job *job); /* called from the loop */
	/* What came of it: */
	pid_t pid;   /* -1: failed */
	pid_t group; /* its process group, to be given back; 0: its own, if any */
	enum launch_step step; /* that failed; LAUNCH_RESOLVE: see asking->script */
	int error;
	char reason[512]; /* of a failed LAUNCH_EXEC, in words */
	/* For the launcher: */
	struct launch_job *next;
	bool taken; /* by a starter */
	bool finished;
	atomic_int child; /* the process on its way to become the script; 0: none yet.
			   * Only the loop's thread reaps it, which may do so early */
};

/* Of a process that may have so many descriptors. Call after loop_open(). False with
 * errno. */
bool launcher_open(const struct settings *settings, long descriptors);

void launcher_start(struct launch_job *job);

/* Has done() called from the loop as soon as possible. Whether the start is finished. */
bool launcher_await(struct launch_job *job);

/* Calls done() for all starts that are finished: not for use below any function of a request. */
void launcher_take_finished(void);

/* The same; false if this one is not finished, which is awaited then. */
bool launcher_take(struct launch_job *job);

/* Whether no starter has taken this one yet: all that there are wait for file systems, or for a
 * processor. */
bool launcher_is_queued(const struct launch_job *job);

/* Gives a job's group back: empty, it may be used again. */
void launcher_free_group(pid_t group, bool empty);

#endif
