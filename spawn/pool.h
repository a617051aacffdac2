/*
 * How many processes a pool should have. Pure: numbers in, numbers out.
 */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pool_mode { POOL_STATIC, POOL_DYNAMIC, POOL_ONDEMAND };

struct pool_plan {
	enum pool_mode mode;
	long count;                /* static: always so many; dynamic: at the start */
	long min_spare, max_spare; /* dynamic: so many idle ones */
	long most;                 /* dynamic and on demand: never more */
};

/* What is known of the pool now. */
struct pool_census {
	long here;    /* processes, but for those that are asked to end */
	long leaving; /* those that are asked to end */
	long busy;    /* of those here, with a connection */
	long tired;   /* of those here, without one for long enough to be ended */
	long waiting; /* connections that nobody has accepted */
	bool quiet;   /* no connection came for long enough to be none at all */
};

/* False if the name is no mode. */
bool pool_mode_find(enum pool_mode *out, const char *name);

/* How many processes to have at the start. */
long pool_first(const struct pool_plan *plan);

/*
 * How many processes should be here: at most twice as many as there are now, so
 * that a burst that is soon over does not start a crowd, and, since ending some
 * is never urgent, at least all but one.
 */
long pool_wanted(const struct pool_plan *plan, const struct pool_census *census);

/* Deaths within a time, to tell a crash loop. */
struct pool_deaths {
	int64_t *times; /* of the last ones, in a ring */
	size_t limit, next;
	int64_t within; /* milliseconds */
};

/* Makes room for so many. False without memory. */
bool pool_deaths_open(struct pool_deaths *out, long limit, int64_t within);

/* Takes note of a death, at a time that is not 0; whether that was one of too many. */
bool pool_deaths_note(struct pool_deaths *deaths, int64_t now);

void pool_deaths_forget(struct pool_deaths *deaths);

#endif
