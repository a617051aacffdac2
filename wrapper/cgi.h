/*
 * A running CGI program: its process group, its three pipes, its end.
 *
 * The only place that knows how a program comes to life.
 */
#ifndef CGI_H
#define CGI_H

#include "loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What to run. Nothing is kept of it. */
struct cgi_plan {
	const char *path;
	const char *interpreter; /* NULL: the file is executed itself */
	int home; /* the directory of the file, opened; then the file is taken from
		   * there, if it is no link, and runs there. -1: by its path */
	const char *directory; /* where it runs otherwise; NULL: stay */
	char *const *environment;
	bool wants_input; /* else it reads /dev/null */
};

/* What the program's owner is told. Each may free the owner. */
struct cgi_events {
	void (*input)(void *owner);  /* input takes bytes */
	void (*output)(void *owner); /* output has bytes, or has ended */
	void (*errors)(void *owner); /* errors has bytes, or has ended */
	void (*exited)(void *owner);
};

/* Our ends of the pipes are named as the program sees them. */
struct cgi {
	pid_t pid;
	struct watch input, output, errors; /* standard input, output and error */
	bool exited;
	int status; /* as wait(2) gives it, once exited */
	int64_t started; /* loop_now() */

	const struct cgi_events *events;
	void *owner; /* NULL: nobody is interested any more */
	bool background; /* released, and not counted among those that run */
	bool condemned;
	struct deadline kill; /* if condemned; else the end of its time in the background */
	struct cgi *next; /* in its slot of the table by pid */
};

enum cgi_step { CGI_PIPES, CGI_FORK, CGI_LIMITS, CGI_CHDIR, CGI_EXEC };

struct cgi_policy {
	long kill_after;         /* from TERM to KILL; milliseconds */
	long background_most;    /* programs */
	long background_timeout; /* milliseconds; 0: none */
};

/* Prepares the reaping of children. Call after loop_open(). False with errno. */
bool cgi_open(const struct cgi_policy *policy);

/*
 * Starts a program in a session and process group of its own, with descriptors
 * 0 to 2 only, signals at their defaults, and the limits of rlimits.h. NULL if
 * that failed, with the step that did and errno.
 */
struct cgi *cgi_start(const struct cgi_plan *plan, const struct cgi_events *events, void *owner,
		      enum cgi_step *failed);

/* Lets go of a program, which runs on in the background: what it writes is read
 * and dropped, and it is reaped when it exits. */
void cgi_release(struct cgi *cgi);

/* Lets go of a program and ends it: TERM to its group, KILL some time later. */
void cgi_stop(struct cgi *cgi);

/* How many programs run, those being ended included, those in the background not. */
size_t cgi_count(void);

/* Whether no program is left, in the background or otherwise. */
bool cgi_all_gone(void);

/* Stops every program that has been let go of; sends KILL to every one. */
void cgi_stop_all(void);
void cgi_kill_all(void);

/* Raises the limit on open files as far as allowed; programs get the old one
 * back. Returns the limit. */
long cgi_raise_descriptor_limit(void);

#endif
