/*
 * How much the pool is asked for: who is busy, how many wait, since when nobody has come.
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
	/* There was a look at all workers. */
	void (*seen)(void);
	/* One has more memory than --max-memory. */
	void (*too_large)(struct worker *worker, int64_t memory);
	/* There was no connection for --exit-on-idle. */
	void (*idle)(void);
	/* A process of this worker, which may be the worker itself, is busy with one request for
	 * longer than --request-timeout; or it was told so a while ago, and has not ended. */
	void (*overdue)(struct worker *worker, pid_t process, bool deaf);
};

/* Whether busy and idle processes can be told apart here. */
bool demand_open(const struct settings *settings, const struct identity *identity, int listener,
		 const struct demand_events *events);

/* Whether it is watched how long requests take. */
bool demand_watches_requests(void);

/* Begins to watch the socket, where the size of the pool depends on it, or the settings do:
 * true then. */
bool demand_watch(bool sizes);
/* Of requests it goes on: who is to end may be busy with one. */
void demand_unwatch(void);

/* Turns to a socket that has taken the place of the one there was, and closes that. */
void demand_turn_to(int listener);

/* Nothing that was accepted from the former one is left. */
void demand_forget_former(void);

/* Looks at all workers that are here, and at the queue, now. */
void demand_look(void);

/* Does that unless the last look was only just, or cost too much. */
void demand_look_if_due(void);

/* As of the last look; without this one worker, or NULL. */
void demand_describe(struct sizing_view *out, const struct worker *without);

/* Whether a connection waits now. */
bool demand_waits(void);
bool demand_waits_at(int listener);

/* Looks are repeated so often, or as often as they may: see census_pause(). */
int64_t demand_pause(int64_t least);

/* Whoever is taken up from an earlier life of this process has had something to do. */
void demand_resume(void);

#endif
