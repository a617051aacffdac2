/*
 * How many processes a pool should have. Pure: numbers in, numbers out.
 */
#ifndef SIZING_H
#define SIZING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sizing_mode { SIZING_STATIC, SIZING_DYNAMIC, SIZING_ONDEMAND };

struct sizing_plan {
	enum sizing_mode mode;
	long count;                /* static: always so many; dynamic: at the start, in bounds */
	long first;                /* dynamic: exactly so many at the start; 0: none is said */
	long min_spare, max_spare; /* dynamic: so many idle ones */
	long most;                 /* dynamic and on demand: never more */
};

/* What is known of the pool now. */
struct sizing_view {
	long here;    /* processes, but for those that are asked to end */
	long leaving; /* those that are asked to end */
	long busy;    /* of those here, with a connection */
	long tired;   /* of those here, without one for long enough to be ended */
	long waiting; /* connections that nobody has accepted */
	bool quiet;   /* no connection came for long enough to be none at all */
};

/* False if the name is no mode. */
bool sizing_mode_find(enum sizing_mode *out, const char *name);

/* What contradicts in a plan. */
enum sizing_fault {
	SIZING_GOOD,
	SIZING_MOST,  /* more spare ones than there may be processes */
	SIZING_SPARE, /* fewer spare ones at most than at least */
	SIZING_FIRST  /* at the start there would be too few spare ones, or too many */
};

enum sizing_fault sizing_contradiction(const struct sizing_plan *plan);

/* How many processes to have at the start. */
long sizing_first(const struct sizing_plan *plan);

/*
 * How many processes should be here: at most twice as many as there are now, so
 * that a burst that is soon over does not start a crowd, and, since ending some
 * is never urgent, at least all but one.
 */
long sizing_wanted(const struct sizing_plan *plan, const struct sizing_view *census);

#endif
