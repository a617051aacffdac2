#include <config.h>

#include "crashes.h"

#include <stdlib.h>
#include <string.h>

enum { /* milliseconds */
	PAUSE_LEAST = 100,
	PAUSE_IN_LOOP = 1000,
	PAUSE_MOST = 10000,
	YOUNG = 1000,
	DEATH_EVERY = 200 /* ready and young, on average */
};

enum { DEATHS_AT_ONCE = 10 };

static int64_t double_pause(int64_t pause, int64_t least)
{
	return pause < least ? least : 2 * pause < PAUSE_MOST ? 2 * pause : PAUSE_MOST;
}

bool crashes_open(struct crashes *out, long limit, int64_t within, long processes)
{
	*out = (struct crashes){
		.times = calloc((size_t)limit, sizeof *out->times),
		.limit = (size_t)limit,
		.within = within,
		.allowed = limit > 2 * processes ? limit : 2 * processes,
		.credit = (int64_t)DEATH_EVERY *
			  (processes > DEATHS_AT_ONCE ? processes : DEATHS_AT_ONCE),
	};
	return out->times != NULL;
}

static bool note(struct crashes *c, int64_t now)
{
	bool was = c->loop;
	int64_t oldest;

	c->times[c->next] = now + 1;
	c->next = (c->next + 1) % c->limit;
	oldest = c->times[c->next];
	c->loop = c->loop || (oldest != 0 && now + 1 - oldest <= c->within);
	return c->loop && !was;
}

void crashes_shortage(struct crashes *c)
{
	c->pause = double_pause(c->pause, PAUSE_LEAST);
}

bool crashes_failed_start(struct crashes *c, int64_t now)
{
	c->pause = ++c->in_a_row < c->allowed ? PAUSE_LEAST : double_pause(c->pause, PAUSE_IN_LOOP);
	return note(c, now);
}

bool crashes_death(struct crashes *c, int64_t now, int64_t lived)
{
	if (lived >= YOUNG)
		return false;
	c->paid = (c->paid > now ? c->paid : now) + DEATH_EVERY;
	if (c->paid - now <= c->credit)
		return false;
	c->paid = now + c->credit;
	c->pause = DEATH_EVERY;
	return note(c, now);
}

void crashes_ready(struct crashes *c)
{
	c->in_a_row = 0;
	c->pause = 0;
}

bool crashes_over(struct crashes *c)
{
	bool was = c->loop;

	memset(c->times, 0, c->limit * sizeof *c->times);
	crashes_ready(c);
	c->loop = false;
	return was;
}
