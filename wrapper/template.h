/*
 * Templates: processes that have loaded what scripts need, and fork a process for
 * each script (see warm.h).
 *
 * A template belongs to the thread of the event loop. Starts come from any thread:
 * what they look at and leave for the loop is guarded by one lock.
 *
 * A template gets these arguments behind those of its language: the numbers of the
 * system calls clone, close, dup3, fchdir, prctl, prlimit64, recvmsg, setpgid and
 * write, with commas; the process that is to be the parent of scripts; their limits
 * on processor time (struct rlimit, in hexadecimal digits), or nothing; the length of
 * the longest task; the flags for clone; the modules. Descriptor 3 is /dev/null until
 * the source of a script takes its place, 4 the template's socket. There it says
 * something when it is ready, and then gets orders: a process group, and beside it
 * the socket of one start.
 *
 * There the new process, a member of that group, says its number. It then gets its
 * task: the script's name and its variables, each with its NUL, and beside them
 * descriptors 0 to 2, the source, and perhaps the directory. When nothing is left to
 * do but the script it says 0; if it cannot say that, it ends. Whatever fails before
 * is said as a negative error number, or not at all. So the template itself, and
 * whoever takes an order in its stead, learns nothing of a request.
 */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct warm_language;

struct template {
	/* Set before the first start. */
	const char *rule; /* for messages */
	const struct warm_language *language;
	char *interpreter, *modules;
	char *const *environment;

	/* The loop's thread alone. */
	struct watch talk; /* none: there is no process */
	bool complained;   /* since it was of use last */
	int64_t started, pause, rests_until;
	struct deadline load;

	/* Written by the loop's thread, with the lock. */
	pid_t pid; /* 0: there is no process */
	bool ready;

	/* With the lock: what starts have found. */
	bool wanted;         /* there was no process */
	bool late;           /* one of them waits for longer than usual; the others do not */
	bool proven;         /* a script was started */
	const char *failure; /* why this process is of no use; NULL: it may be */
	int error;           /* that belongs to the failure, or 0 */
};

/* What a new process is to do. */
struct template_task {
	pid_t group;
	const char *name;
	char *const *environment;
	const int *descriptors; /* 0 to 2 */
	int source;             /* of template_source(), at its beginning */
	int directory;          /* -1: stay */
};

/* Whether the interpreter has the same system calls as we, as far as can be seen. */
bool template_is_native(const char *interpreter);

/* In the loop's thread: once, before the others; a start of the process; and what
 * is to be done once a turn. */
bool template_open(void);
void template_start(struct template *t);
void template_tick(struct template *t);

/* By any thread. */

/* Whether a script can be started now. */
bool template_is_ready(struct template *t);

/* An empty file without a name for the source of a script; -1 if it cannot be had. */
int template_source(void);

/* Starts a script: see warm_start(). */
pid_t template_run(struct template *t, const struct template_task *task);

#endif
