/*
 * A script on its way and at work: its start, its process group, its three pipes,
 * its request body, its end.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "launcher.h"
#include "loop.h"
#include "slots.h"
#include "upload.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the owner is told. */
struct process_events {
	void (*started)(void *owner);
	/* process->job says why; the process is freed when this returns */
	void (*failed)(void *owner);
	void (*input)(void *owner);  /* input takes bytes */
	/* output has bytes, or has ended; if it is whole, nothing comes behind
	 * what can be read */
	void (*output)(void *owner, bool whole);
	void (*errors)(void *owner); /* errors has bytes, or has ended */
	void (*exited)(void *owner);
};

/* Our ends of the pipes are named as the script sees them. */
struct process {
	pid_t pid, group;
	struct watch input, output, errors; /* standard input, output and error */
	struct upload *upload; /* NULL: it has no input */
	bool launching;
	bool exited;
	bool alone; /* nobody else was left of its groups when it exited */
	bool leads; /* it has made itself the leader of a group of its own */
	int status; /* as wait(2) gives it, once exited */
	int64_t started; /* loop_now() */

	const struct process_events *events;
	void *owner; /* NULL: detached */
	enum { PROCESS_ATTACHED, PROCESS_BACKGROUND, PROCESS_TERMINATING } state;
	enum slot_kind slot_kind;
	long slot;
	struct deadline next_look; /* what is due depends on the state */
	int64_t end_at; /* terminating: KILL; in the background: TERM, 0: never */
	int64_t look_pause;
	struct deadline drain;
	struct process *next; /* in its bucket of the table by pid */
	unsigned long number; /* of its start */
	struct process *earlier, *later; /* of those that are launching */
	struct launch_job job;
};

/* Prepares the reaping of children. Call after loop_open(). False with errno. */
bool process_open(const struct settings *settings);

/*
 * Starts a script. The process takes over the slot among those that run, and,
 * unless this fails, what is asked for and the upload (NULL: no input). NULL with
 * errno if pipes cannot be made: then the slot is free again.
 */
struct process *process_start(struct asking *asking, struct upload *upload, long slot,
			      const struct process_events *events, void *owner);

/*
 * Lets go of a script, which runs on in the background: what it writes is read
 * and discarded, what has come of its body is passed on, and it is reaped when it
 * exits. Its input ends only if all of its body has come.
 */
void process_detach(struct process *process);

/* Lets go of a script and ends it: TERM to its group, KILL some time later. Its
 * input stays open, so that it cannot take a part of its body for the whole. */
void process_terminate(struct process *process);

/* How many scripts of this worker there are, whatever they do. */
size_t process_count(void);

/* Terminates what is left of scripts that have exited, unless others still run. */
void process_terminate_remains(void);

/* Terminates every script that is detached; sends KILL to every one. */
void process_terminate_all(void);
void process_kill_all(void);

#endif
