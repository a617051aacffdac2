/*
 * How a script comes to life, the usual way.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* What to run. Nothing is kept of it. */
struct launch_plan {
	const char *path;
	const char *called; /* what it is told as its name; NULL: the path */
	const char *interpreter; /* NULL: the file is executed itself */
	int home; /* the directory of the file, opened; then the file is taken from
		   * there, if it is no link, and runs there. -1: by its path */
	int file; /* the file, opened, for the interpreter to read; -1: by its name */
	const char *directory; /* where it runs otherwise; NULL: stay */
	char *const *environment;
};

enum launch_step {
	LAUNCH_RESOLVE, /* finding the script, by whoever makes the plan */
	LAUNCH_FORK,
	LAUNCH_DESCRIPTORS,
	LAUNCH_LIMITS,
	LAUNCH_CHDIR,
	LAUNCH_EXEC
};

enum { LAUNCH_ENDS = 4 /* standard input, output, error, and the plan's file */ };

/* Descriptors below 256 for one launch at a time; see launch(). */
struct launch_lane {
	int low[LAUNCH_ENDS];
};

/* Keeps what scripts are to get back as we found it, and raises the limit on
 * open files as far as allowed. Once, early. False after reporting. */
bool launch_open(void);

/* This process is a worker: takes the numbers that a script's descriptors have, as far
 * as they are free, for good. Returns how many descriptors it may have, or -1 with errno. */
long launch_enter(void);

/* Moves a descriptor that is to be closed one day out of the way, before that. -1 with
 * errno. */
int launch_raise(int fd);

/* False with errno. The lane may be used by any one thread. */
bool launch_open_lane(struct launch_lane *lane);

/*
 * Starts a script as a member of a process group (0: as the leader of a session, where that
 * is allowed), with descriptors 0 to 2 only
 * (and 3, the plan's file, if an interpreter is to read that), signals at their
 * defaults, and the limits of rlimits.h; returns when it has been executed, which
 * may take as long as the file system takes. *child is its number as soon as there
 * is one. -1 with errno if that failed, and the step that did; the child, if there
 * was one, has ended then, and is left to be reaped. From any thread that blocks all
 * signals.
 */
pid_t launch(const struct launch_plan *plan, const int ends[3], pid_t group,
	     const struct launch_lane *lane, atomic_int *child, enum launch_step *failed);

/* Whether a failed launch may succeed soon: the system was short of something. */
bool launch_is_shortage(enum launch_step step, int error);

/* By what name the file is called where it runs. */
enum { LAUNCH_NAME_SIZE = NAME_MAX + 3 };
const char *launch_name(const struct launch_plan *plan, char out[LAUNCH_NAME_SIZE]);

/*
 * Starts a program that helps us to start others, like one of them, but with
 * count descriptors from 0 up, as the leader of a process group, and without the
 * limit on processor time. Returns the process, or -1 with errno.
 */
pid_t launch_helper(char *const *arguments, char *const *environment, const int *descriptors,
		    int count);

#endif
