/*
 * Demand on the pool: busy workers, waiting connections, time since the last connection.
 */
#ifndef DEMAND_H
#define DEMAND_H

#include "identity.h"
#include "settings.h"
#include "sizing.h"
#include "worker.h"

#include <stdbool.h>
#include <stdint.h>

struct demand_events {
	/* All workers were looked at. */
	void (*seen)(void);
	/* A worker has more memory, in bytes, than --max-memory. */
	void (*too_large)(struct worker *worker, int64_t memory);
	/* There was no connection for --exit-on-idle. */
	void (*idle)(void);
	/* A process of the worker, or the worker itself, is busy with one request for longer than
	 * --request-timeout; deaf: was reported so a while ago, and has not ended. */
	void (*overdue)(struct worker *worker, pid_t process, bool deaf);
	/* The same for --slow-log, once; and it is not busy with that request any more. */
	void (*slow)(pid_t process);
	void (*slow_ended)(pid_t process, int64_t took);
};

/* True if busy and idle processes can be told apart here. */
bool demand_open(const struct settings *settings, const struct identity *identity, int listener,
		 const struct demand_events *events);

/* True if the duration of requests is watched. */
bool demand_watches_requests(void);

/* Begins to watch the socket, if the size of the pool or the settings depend on connections:
 * true then. */
bool demand_watch(bool sizes);
/* Goes on watching requests: a worker that is to end may be busy with one. */
void demand_unwatch(void);

/* Turns to a new socket in the place of the former one, and closes the former. */
void demand_turn_to(int listener);

/* No connection accepted from the former socket is left. */
void demand_forget_former(void);

/* Takes a census of the workers and of the queue now. */
void demand_look(void);

/* Looks, unless the last look was only just, or cost too much. */
void demand_look_if_due(void);

/* Describes the pool as of the last look, without one worker, or NULL: with all. */
void demand_describe(struct sizing_view *out, const struct worker *without);

/* Busy workers here, as of the last look. */
long demand_count_busy(void);

/* Number of connections that wait now; where that is not shown, 1 for any number. */
long demand_count_waiting(void);

/* True if a connection waits now. */
bool demand_waits(void);
bool demand_waits_at(int listener);

/* Returns milliseconds between looks: least, or census_pause() if longer. */
int64_t demand_pause(int64_t least);

/* Notes that connections came in an earlier life of this process. */
void demand_resume(void);

#endif
