/*
 * The process of a script: start, process group, three pipes, request body, end.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "launcher.h"
#include "loop.h"
#include "os.h"
#include "slots.h"
#include "upload.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Callbacks of the owner, until process_detach() or process_terminate(). */
struct process_events {
	void (*started)(void *owner);
	/* process->job has the cause; the process is freed afterwards, with job.asking and
	 * upload unless the owner takes both out */
	void (*failed)(void *owner);
	void (*input)(void *owner);  /* input takes bytes */
	/* output has bytes, or has ended; whole: no writer is left to add more */
	void (*output)(void *owner, bool whole);
	void (*errors)(void *owner); /* errors has bytes, or has ended */
	void (*exited)(void *owner);
};

struct process {
	pid_t pid, group;
	struct watch input, output, errors; /* our ends of standard input, output and error */
	struct upload *upload; /* NULL: no input */
	bool launching;
	bool exited;
	bool alone; /* no other process was left of its groups at exit */
	bool leads; /* processes were left in a group numbered pid at exit */
	int status; /* from wait(2), once exited */
	struct os_usage usage; /* then, too */
	int64_t started; /* by loop_now(), before which a starter may have executed it */

	const struct process_events *events;
	void *owner; /* NULL: detached or terminated */
	enum { PROCESS_ATTACHED, PROCESS_BACKGROUND, PROCESS_TERMINATING } state;
	enum slot_kind slot_kind;
	long slot;
	struct deadline next_look; /* at end_at, or for processes left after exit */
	int64_t end_at; /* terminating: KILL; in the background: TERM; 0: never */
	int64_t look_pause;
	struct deadline drain;
	struct process *next; /* in a bucket of by_pid */
	unsigned long number; /* of the start */
	struct process *earlier, *later; /* while launching */
	struct launch_job job;
};

/* Catches SIGCHLD to reap children. Call after loop_open(). False with errno. */
bool process_open(const struct settings *settings);

/*
 * Starts a script. The process owns slot, of SLOT_RUNNING, asking, and upload (NULL: no
 * input) from now on. NULL with errno for want of memory or pipes: slot is given back then,
 * asking and upload remain the caller's.
 */
struct process *process_start(struct asking *asking, struct upload *upload, long slot,
			      const struct process_events *events, void *owner);

/*
 * Detaches a script, which runs on in the background: output is read and discarded, and
 * the body received so far is passed on; standard input is closed only behind a whole
 * body. The process is freed when the script has exited and its group is empty.
 */
void process_detach(struct process *process);

/* Terminates a script: TERM to its group, KILL after settings->kill_after. Standard input
 * stays open, so that the script cannot take a part of its body for the whole. */
void process_terminate(struct process *process);

/* Returns the number of scripts of this worker, in any state. */
size_t process_count(void);

/* Terminates processes left by scripts, if every script has exited. */
void process_terminate_remains(void);

/* Terminates every detached script; sends KILL to every script. */
void process_terminate_all(void);
void process_kill_all(void);

#endif
