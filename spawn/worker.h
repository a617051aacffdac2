/*
 * One supervised process of the pool: its start, its output, its end.
 */
#ifndef WORKER_H
#define WORKER_H

#include "children.h"
#include "handover.h"
#include "identity.h"
#include "lines.h"
#include "loop.h"
#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

enum worker_phase {
	WORKER_STARTING, /* not known to serve yet */
	WORKER_READY,
	WORKER_RETIRING, /* it will be asked to end when it serves nobody */
	WORKER_ASKED     /* it was asked to end */
};

enum { WORKER_LAST_LINES = 3 };

struct worker {
	struct child child;
	enum worker_phase phase;
	struct worker *next, *prev;
	struct watch output;
	struct lines lines;
	char last[WORKER_LAST_LINES][160]; /* what it wrote last, in a ring */
	unsigned written;
	struct watch birth; /* ends when the process has become the program */
	struct deadline look_ready, expiry, left_out;
	bool failed;   /* it could not become the program */
	bool outdated; /* to be replaced by a new one */
	bool former;   /* it listens on the socket that there was before */
	int64_t born;  /* when it became the program */

	/* For demand.h, as of its last look. */
	bool busy;   /* with a connection, or hidden */
	bool hidden; /* not all of it could be seen */
	int64_t idle_since;
	int64_t work; /* processor time */
	int64_t large_after; /* so long after its start it had too much memory; -1: not yet */
	unsigned long sum; /* of what tells connections apart */
	bool accepts_on;   /* one connection after the other, without being seen to be idle */

	/* For retire.h. */
	int64_t retiring_since;
	int64_t end_at; /* then it must end, whether it serves or not; 0: never */
};

/* What all workers have in common. */
struct worker_plan {
	const struct settings *settings;
	const struct identity *identity;
	int listener;
	int former; /* the one before it, while anybody may listen on that; else -1 */
	bool up; /* what fails is for the journal, not for who started us */
	/* It was seen to wait for connections, or has run for --start-time. */
	void (*ready)(struct worker *worker);
	/* It has lived long enough (--max-lifetime). */
	void (*expired)(struct worker *worker);
	/* It has ended, with this wait status; what it has started may be left. */
	void (*ended)(struct worker *worker, int status);
	/* Nothing of it is left; the struct is freed after that. */
	void (*gone)(struct worker *worker);
};

void worker_open(const struct worker_plan *plan);

/* All workers, in the order in which they were started. */
extern struct worker *worker_first;
long worker_count(void);

/* Starts one more, or one that listens on the former socket. NULL, with errno. */
struct worker *worker_start(bool former);

/* Takes up one that was started before this process executed itself anew. NULL, with errno. */
struct worker *worker_adopt(const struct handover_worker *from);

/* Says how it is, for that. */
void worker_describe(const struct worker *worker, struct handover_worker *out);

/* Writes out what it has written so far, half a line too. */
void worker_flush(struct worker *worker);

/* Whether it is one of those that the pool counts on. */
bool worker_is_here(const struct worker *worker);

/* It is not counted on any more: whether it is ready, or how old it is, does not matter. */
void worker_let_go(struct worker *worker);

/* Sends a signal to it, or, if it has ended, to all of its session that is left. */
void worker_signal(struct worker *worker, int signal);

/* Ends all of its session. */
void worker_kill(struct worker *worker);

/* The worker whose child_kill_after() has passed. */
#define WORKER_OF_KILL(deadline) LOOP_OWNER(child_of_kill(deadline), struct worker, child)

/* The last lines that it wrote, the oldest first; NULL beyond the end. */
const char *worker_last_line(const struct worker *worker, unsigned number);

#endif
