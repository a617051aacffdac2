/*
 * Since when each process has been busy with one request, from what is seen of it now and then.
 * Pure: the time comes in, in milliseconds.
 *
 * What is found is a lower bound: the clock of a process begins at the first look that finds it
 * at work, and begins anew whenever it is not known for sure that it still does the same.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* More processes than that are not watched. */
enum { REQUESTS_MOST = 16384 };

/* A process that has connections, at one look. */
struct request_sighting {
	pid_t process;
	uint64_t connections; /* which: another number, others */
	bool waits;           /* for a client, or that is not known */
	/* Whatever passes over one of its connections shows from now on, at each look. */
	bool watched;
	bool exchanged;       /* since the last look, if it was watched then */
	int64_t switches;     /* how often it has gone to sleep; -1: not known */
};

enum request_verdict {
	REQUEST_FINE,
	REQUEST_OVERDUE, /* it is to be asked to end; once */
	REQUEST_DEAF     /* it was, and goes on: it is to be killed; once */
};

struct requests {
	int64_t limit, grace;
	struct request_row *rows, *before; /* of this look, and of the one before */
	size_t count, room, count_before, hint;
};

/* So long may a request take, and so long its end after that. */
void requests_open(struct requests *requests, int64_t limit, int64_t grace);
void requests_close(struct requests *requests);

/* Begins a look at so many processes: who is not seen in it is forgotten. */
void requests_begin(struct requests *requests, size_t count);

enum request_verdict requests_saw(struct requests *requests,
				  const struct request_sighting *sighting, int64_t now);

/* When the next look is due at the latest, from now; INT64_MAX: no request is known. */
int64_t requests_next(const struct requests *requests, int64_t now);

#endif
