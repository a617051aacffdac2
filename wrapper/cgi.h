/*
 * A running CGI program: its process group, its three pipes, its end.
 */
#ifndef CGI_H
#define CGI_H

#include "launch.h"
#include "loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the program's owner is told. Each may free the owner. */
struct cgi_events {
	void (*input)(void *owner);  /* input takes bytes */
	/* output has bytes, or has ended; if it is whole, nothing comes behind
	 * what can be read */
	void (*output)(void *owner, bool whole);
	void (*errors)(void *owner); /* errors has bytes, or has ended */
	void (*exited)(void *owner);
};

/* Our ends of the pipes are named as the program sees them. */
struct cgi {
	pid_t pid, group;
	struct watch input, output, errors; /* standard input, output and error */
	bool exited;
	bool alone; /* nobody else was left of its group when it exited */
	int status; /* as wait(2) gives it, once exited */
	int64_t started; /* loop_now() */

	const struct cgi_events *events;
	void *owner; /* NULL: nobody is interested any more */
	bool background; /* released, and its place is one of that kind */
	long place;
	bool condemned;
	struct deadline kill; /* if condemned; else the end of its time in the background */
	int64_t kill_at;      /* if condemned: loop_now() */
	struct cgi *next; /* in its slot of the table by pid */
};

struct cgi_policy {
	long kill_after;         /* from TERM to KILL; milliseconds */
	long background_timeout; /* milliseconds; 0: none */
};

/* Prepares the reaping of children. Call after loop_open(). False with errno. */
bool cgi_open(const struct cgi_policy *policy);

/* Starts a program, which takes over a place among those that run (places.h).
 * NULL if that failed, with the step that did and errno; the place is free again. */
struct cgi *cgi_start(const struct launch_plan *plan, long place, const struct cgi_events *events,
		      void *owner, enum launch_step *failed);

/* Lets go of a program, which runs on in the background: what it writes is read
 * and dropped, and it is reaped when it exits. */
void cgi_release(struct cgi *cgi);

/* Lets go of a program and ends it: TERM to its group, KILL some time later. */
void cgi_stop(struct cgi *cgi);

/* How many programs of this worker there are, whatever they do. */
size_t cgi_count(void);

/* Stops every program that has been let go of; sends KILL to every one. */
void cgi_stop_all(void);
void cgi_kill_all(void);

#endif
