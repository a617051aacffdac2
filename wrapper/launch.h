/*
 * Starts a script in a new process, without a template.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Script to run. Nothing is kept after the call. */
struct launch_plan {
	const char *path;
	const char *called; /* name told to the script, as argv[0]; NULL: path */
	const char *interpreter; /* NULL: execute the file */
	int home; /* opened directory of the file, to run in. An executed file is taken from
		   * there, unless a symbolic link. -1: by path */
	int file; /* opened file for the interpreter to read; -1: by name */
	const char *directory; /* working directory without home; NULL: stay */
	char *const *environment;
};

enum launch_step {
	LAUNCH_RESOLVE, /* finding the script, before launch() */
	LAUNCH_PLACE,   /* --max-per-script of the script run already */
	LAUNCH_FORK,
	LAUNCH_DESCRIPTORS,
	LAUNCH_LIMITS,
	LAUNCH_CHDIR,
	LAUNCH_EXEC
};

enum { LAUNCH_ENDS = 4 /* standard input, output, error, and the plan's file */ };

/* Low descriptors for one launch at a time; used if below 256. */
struct launch_lane {
	int low[LAUNCH_ENDS];
};

/* Raises RLIMIT_NOFILE as far as allowed, and notes the old limit and ignored signals, to be
 * reset in scripts. Call once, early. False after reporting. */
bool launch_open(void);

/* Prepares a worker: occupies descriptors 0 to 3, if free, for good. Returns how many
 * descriptors the worker may have, or -1 with errno. */
long launch_enter(void);

/* Moves a descriptor below LAUNCH_ENDS, which is to be closed one day, to a higher number and
 * closes the old one. Returns the number, or -1 with errno. Call before launch_enter(). */
int launch_raise(int fd);

/* Opens a lane, for any one thread at a time. False with errno. */
bool launch_open_lane(struct launch_lane *lane);

/*
 * Starts a script as a member of a process group (0: as leader of a session, if allowed),
 * with descriptors 0 to 2 only (and 3, the plan's file, if an interpreter is to read it),
 * default signals, and the limits of rlimits.h. Returns the pid when the script has been
 * executed, which may take as long as the file system takes. *child is the pid as soon as
 * there is one. On failure -1 with errno, and the step in *failed; the child, if any, has
 * ended and is left to be reaped. Call from any thread with all signals blocked.
 */
pid_t launch(const struct launch_plan *plan, const int ends[3], pid_t group,
	     const struct launch_lane *lane, atomic_int *child, enum launch_step *failed);

/* True if a failed launch may succeed soon: the system was short of processes, memory or
 * descriptors. */
bool launch_is_shortage(enum launch_step step, int error);

/* Returns the name of the file in its working directory; points into out or the plan. */
enum { LAUNCH_NAME_SIZE = NAME_MAX + 3 };
const char *launch_name(const struct launch_plan *plan, char out[LAUNCH_NAME_SIZE]);

/*
 * Starts a helper (the process of a template) like a script, but with count descriptors
 * from 0 up, at most 8, as leader of a process group, and without the limit on processor
 * time. Returns the pid, or -1 with errno.
 */
pid_t launch_helper(char *const *arguments, char *const *environment, const int *descriptors,
		    int count);

#endif
