/*
 * Templates: interpreters with modules loaded, which fork a process for each script (see
 * warm.h).
 *
 * A template belongs to the thread of the event loop. Any thread may start scripts; one
 * lock guards the fields that starts share with the loop.
 *
 * Behind the arguments of its language a template gets: the numbers of the system calls
 * clone, close, dup3, fchdir, prctl, prlimit64, recvmsg, setpgid and write, with commas;
 * the pid of the worker, which becomes the parent of scripts; their limits on processor
 * time (struct rlimit64 in hexadecimal digits), or nothing; the most bytes of a task; flags
 * for clone; the modules. Descriptor 3 is /dev/null until the source of a script replaces
 * it, 4 is the template's socket. The template sends a message when ready, and receives
 * orders: a process group, and with it the socket of one start (SCM_RIGHTS).
 *
 * On the socket of the start, the new process, a member of the group, sends its pid. It
 * receives its task: name and variables of the script, each with NUL, and with them
 * descriptors 0 to 2, the source, and perhaps the directory. It sends "0" when only the
 * script is left to run, and exits if that fails. Earlier failures are sent as a negative
 * errno, or not at all. So the template, or another process that takes its orders, learns
 * nothing of a request.
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

	/* For the loop's thread alone. */
	struct watch talk; /* fd -1: no process */
	bool complained;   /* failure reported, and no script started since */
	int64_t started, pause, rests_until;
	struct deadline load;

	/* Written by the loop's thread, under the lock. */
	pid_t pid; /* 0: no process */
	bool ready;

	/* Findings of starts, under the lock. */
	bool wanted;         /* a start found no process */
	bool late;           /* an answer is late: one start waits on, others run cold */
	bool proven;         /* a script was started */
	const char *failure; /* why the process is unusable; NULL: none known */
	int error;           /* errno of the failure, or 0 */
};

/* Task of a new process. */
struct template_task {
	pid_t group;
	const char *name;
	char *const *environment;
	const int *descriptors; /* 0 to 2 */
	int source;             /* from template_source(), at offset 0 */
	int directory;          /* -1: stay */
};

/* False if the ELF class of the interpreter shows another word size than ours, and so other
 * system calls. */
bool template_is_native(const char *interpreter);

/* For the loop's thread. template_open() comes first, once; false with errno.
 * template_start() starts the process. template_tick() acts on findings of starts, once a
 * turn. */
bool template_open(void);
void template_start(struct template *t);
void template_tick(struct template *t);

/* True while the process loads modules. */
bool template_is_loading(const struct template *t);

/* For any thread. */

/* True if a script can be started now. Without a process, asks the loop for one. */
bool template_is_ready(struct template *t);

/* Returns a descriptor of an empty, unnamed file for the source of a script, to be closed
 * by the caller; -1 on failure. */
int template_source(void);

/* Starts a script: see warm_start(). */
pid_t template_run(struct template *t, const struct template_task *task);

#endif
