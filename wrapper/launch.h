/*
 * How a CGI program comes to life.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* What to run. Nothing is kept of it. */
struct launch_plan {
	const char *path;
	const char *called; /* what the script sees as its name; NULL: the path */
	const char *interpreter; /* NULL: the file is executed itself */
	int file; /* opened for reading already; -1: not */
	int home; /* the directory of the file, opened; then the file is taken from
		   * there, if it is no link, and runs there. -1: by its path */
	const char *directory; /* where it runs otherwise; NULL: stay */
	char *const *environment;
	bool wants_input; /* else it reads /dev/null */
};

/* A program that runs, and our ends of its pipes, as the program sees them:
 * non-blocking and close-on-exec. input is -1 for /dev/null. */
struct launched {
	pid_t pid, group;
	int input, output, errors;
};

enum launch_step { LAUNCH_PIPES, LAUNCH_FORK, LAUNCH_LIMITS, LAUNCH_CHDIR, LAUNCH_EXEC };

/* Keeps what programs are to get back as we found it, and raises the limit on
 * open files as far as allowed. Once, early. False with errno. */
bool launch_open(void);

/* This process is a worker. Returns how many descriptors it may have. */
long launch_enter(void);

/*
 * Starts a program in a process group of its own, with descriptors
 * 0 to 2 only, signals at their defaults, and the limits of rlimits.h; returns
 * when it has been executed. False with errno if that failed, and the step that
 * did.
 */
bool launch(const struct launch_plan *plan, struct launched *out, enum launch_step *failed);

/* By what name the file is called where it runs. */
enum { LAUNCH_NAME_SIZE = NAME_MAX + 3 };
const char *launch_name(const struct launch_plan *plan, char out[LAUNCH_NAME_SIZE]);

/*
 * Starts a program that helps us to start others, like one of them, but with
 * count descriptors from 0 up, and without the limit on processor time. It leads a
 * process group of this session. Returns the process, or -1 with errno.
 */
pid_t launch_helper(char *const *arguments, char *const *environment, const int *descriptors,
		    int count);

#endif
