/*
 * The number of workers that a pool should have. Pure: numbers in, numbers out.
 */
#ifndef SIZING_H
#define SIZING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sizing_mode { SIZING_STATIC, SIZING_DYNAMIC, SIZING_ONDEMAND };

struct sizing_plan {
	enum sizing_mode mode;
	long count;                /* static: workers; dynamic: at the start, within bounds */
	long first;                /* dynamic: exact number at the start; 0: not given */
	long min_spare, max_spare; /* dynamic: bounds for idle workers */
	long most;                 /* dynamic and on demand: workers at most */
};

/* State of the pool now. */
struct sizing_view {
	long here;    /* workers, except retiring ones */
	long leaving; /* workers that retire or were asked to end */
	long busy;    /* workers here with a connection, or hidden */
	long tired;   /* workers here that were idle for --idle-timeout */
	long waiting; /* connections not accepted yet */
	bool quiet;   /* no connection came for --idle-timeout */
};

/* False if name is no mode. */
bool sizing_mode_find(enum sizing_mode *out, const char *name);

/* Contradictions in a plan. */
enum sizing_fault {
	SIZING_GOOD,
	SIZING_MOST,  /* min_spare or max_spare above most */
	SIZING_SPARE, /* max_spare below min_spare */
	SIZING_FIRST  /* first outside of min_spare to max_spare */
};

enum sizing_fault sizing_contradiction(const struct sizing_plan *plan);

/* Number of workers at the start. */
long sizing_first(const struct sizing_plan *plan);

/*
 * Number of workers that should be here. Unless static: at most twice as many as now, so
 * that a short burst does not start a crowd, and at least all but one, since ending
 * workers is never urgent.
 */
long sizing_wanted(const struct sizing_plan *plan, const struct sizing_view *census);

#endif
