/*
 * Time that each process has spent on one request, learnt from repeated looks. Pure: the time
 * comes in, in milliseconds.
 *
 * The result is a lower bound: the clock of a process begins at the first look that finds the
 * process at work, and anew whenever the request may have changed.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Processes watched at most. */
enum { REQUESTS_MOST = 16384 };

/* A process with connections, at one look. */
struct request_sighting {
	pid_t process;
	uint64_t connections; /* a hash: other connections, another number */
	bool waits;           /* for a client, or may do so */
	/* Traffic on any of the connections shows from now on, at each look. */
	bool watched;
	bool exchanged;       /* traffic since the last look, if watched then */
	int64_t switches;     /* times gone to sleep; -1: not known */
};

enum request_verdict {
	REQUEST_FINE,
	REQUEST_OVERDUE, /* to be asked to end; returned once */
	REQUEST_DEAF     /* was asked, but goes on: to be killed; returned once */
};

struct requests {
	int64_t limit, grace;
	struct request_row *rows, *before; /* of this look, and of the one before */
	size_t count, room, count_before, hint;
};

/* limit: time for a request; grace: time to end after REQUEST_OVERDUE. requests_close() frees
 * the rows. */
void requests_open(struct requests *requests, int64_t limit, int64_t grace);
void requests_close(struct requests *requests);

/* Begins a look at count processes, each for requests_saw(); any other is forgotten. */
void requests_begin(struct requests *requests, size_t count);

enum request_verdict requests_saw(struct requests *requests,
				  const struct request_sighting *sighting, int64_t now);

/* After a look: tells of each process that was REQUEST_OVERDUE and is not at that request any more,
 * and for how long it was. */
void requests_tell_ended(const struct requests *requests, int64_t now,
			 void (*ended)(pid_t process, int64_t took));

/* Milliseconds until the next look is due; INT64_MAX: no request is known. */
int64_t requests_next(const struct requests *requests, int64_t now);

#endif
