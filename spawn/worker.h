/*
 * A worker: start, output and end of one supervised process of the pool.
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
	WORKER_STARTING, /* not ready yet */
	WORKER_READY,
	WORKER_RETIRING, /* to be asked to end when idle */
	WORKER_ASKED     /* asked to end, or ended */
};

enum { WORKER_LAST_LINES = 3 };

struct worker {
	struct child child;
	enum worker_phase phase;
	struct worker *next, *prev;
	struct watch output;
	struct lines lines;
	char last[WORKER_LAST_LINES][160]; /* last lines of output, in a ring */
	unsigned written;
	struct watch birth; /* pipe, closed by exec */
	struct deadline look_ready, expiry, left_out;
	bool failed;   /* could not become the program */
	bool outdated; /* to be replaced by a new one */
	bool former;   /* listens on the former socket */
	int64_t born;  /* time of the exec */

	/* For demand.h, as of its last look. */
	bool busy;   /* with a connection, or hidden */
	bool hidden; /* not all could be seen */
	int64_t idle_since;
	int64_t work; /* processor time, nanoseconds */
	int64_t large_after; /* age when first above --max-memory; -1: not yet */
	unsigned long sum; /* of inodes of connections */
	bool accepts_on;   /* busy at two looks, with different connections */
	int64_t memory;    /* resident, in bytes */
	int64_t cpu;       /* processor time, nanoseconds, of each process once */
	int64_t busy_since, busy_for; /* with the present connections, or 0; the last time */
	uint64_t connections; /* seen */
	bool adopted;      /* and not looked at yet: has connections that were counted */

	/* For retire.h. */
	int64_t retiring_since;
	int64_t end_at; /* killed then, even if busy; 0: never */
};

/* Settings and events of all workers. */
struct worker_plan {
	const struct settings *settings;
	const struct identity *identity;
	int listener;
	int former; /* former listener, while workers may use it; else -1 */
	bool up; /* errors of a child go to the log, not to our stderr */
	/* Seen to wait for connections, or alive for --start-time. */
	void (*ready)(struct worker *worker);
	/* Alive for --max-lifetime. */
	void (*expired)(struct worker *worker);
	/* Ended, with this wait status; other processes of the session may be left. */
	void (*ended)(struct worker *worker, int status);
	/* No process is left (as gone() of children.h); the struct is freed after the call. */
	void (*gone)(struct worker *worker);
};

void worker_open(const struct worker_plan *plan);

/* All workers, in the order of their start. */
extern struct worker *worker_first;
long worker_count(void);

/* Starts a worker, on the listener or the former one. NULL with errno. */
struct worker *worker_start(bool former);

/* Adopts a worker that was started before this process executed itself anew. NULL with errno. */
struct worker *worker_adopt(const struct handover_worker *from);

/* Fills in out for worker_adopt(). */
void worker_describe(const struct worker *worker, struct handover_worker *out);

/* Logs the output so far, an unfinished line too. */
void worker_flush(struct worker *worker);

/* True if the pool counts on the worker: starting or ready. */
bool worker_is_here(const struct worker *worker);

/* Ends the watch on readiness and age: the pool no longer counts on the worker. */
void worker_let_go(struct worker *worker);

/* Sends a signal to the process, or, if ended, to all of the session that is left. */
void worker_signal(struct worker *worker, int signal);

/* Kills the whole session. */
void worker_kill(struct worker *worker);

/* The worker of a deadline of child_kill_after(). */
#define WORKER_OF_KILL(deadline) LOOP_OWNER(child_of_kill(deadline), struct worker, child)

/* The last lines of output, oldest first; NULL beyond the end. */
const char *worker_last_line(const struct worker *worker, unsigned number);

#endif
