/* How many processes a pool should have. */
#include "sizing.h"
#include "tap.h"

static long wanted(const struct sizing_plan *plan, long here, long busy, long waiting)
{
	const struct sizing_view census = { .here = here, .busy = busy, .waiting = waiting };

	return sizing_wanted(plan, &census);
}

static void names(void)
{
	enum sizing_mode mode;

	ok(sizing_mode_find(&mode, "static") && mode == SIZING_STATIC, "static is a mode");
	ok(sizing_mode_find(&mode, "dynamic") && mode == SIZING_DYNAMIC, "dynamic is a mode");
	ok(sizing_mode_find(&mode, "ondemand") && mode == SIZING_ONDEMAND, "ondemand is a mode");
	ok(!sizing_mode_find(&mode, "fixed"), "fixed is none");
}

static void fixed(void)
{
	const struct sizing_plan plan = { .mode = SIZING_STATIC, .count = 4, .most = 4 };

	ok(sizing_first(&plan) == 4, "static: all are there from the start");
	ok(wanted(&plan, 4, 0, 0) == 4, "static: none is too many");
	ok(wanted(&plan, 1, 1, 50) == 4, "static: a queue does not matter");
}

static void dynamic(void)
{
	const struct sizing_plan plan = {
		.mode = SIZING_DYNAMIC, .count = 1, .min_spare = 2, .max_spare = 4, .most = 10,
	};
	const struct sizing_view leaving = { .here = 6, .leaving = 3, .busy = 6, .waiting = 9 };
	const struct sizing_view full = { .here = 10, .leaving = 3, .busy = 10 };

	ok(sizing_first(&plan) == 2, "dynamic: the spare ones are there from the start");
	ok(wanted(&plan, 3, 0, 0) == 3, "dynamic: between the bounds nothing changes");
	ok(wanted(&plan, 3, 2, 0) == 4, "dynamic: busy ones are not spare");
	ok(wanted(&plan, 4, 4, 3) == 8, "dynamic: at most twice as many at once");
	ok(wanted(&plan, 8, 8, 50) == 10, "dynamic: never more than the most");
	ok(wanted(&plan, 10, 10, 50) == 10, "dynamic: the most stay the most");
	ok(wanted(&plan, 9, 0, 0) == 8, "dynamic: fewer by one at a time");
	ok(wanted(&plan, 4, 0, 0) == 4, "dynamic: spare ones stay");
	ok(wanted(&plan, 0, 0, 0) == 1, "dynamic: all dead, one begins");
	ok(sizing_wanted(&plan, &leaving) == 7, "dynamic: those that leave still count");
	ok(sizing_wanted(&plan, &full) == 10, "dynamic: nobody is ended for those that leave");
}

static void on_demand(void)
{
	const struct sizing_plan plan = { .mode = SIZING_ONDEMAND, .most = 5 };
	const struct sizing_view tired = { .here = 3, .busy = 1, .tired = 2 };
	const struct sizing_view last = { .here = 1, .tired = 1, .quiet = true };
	const struct sizing_view short_work = { .here = 1, .tired = 1 };
	const struct sizing_view nothing = { .quiet = true };

	ok(sizing_first(&plan) == 0, "on demand: none at the start");
	ok(sizing_wanted(&plan, &nothing) == 0, "on demand: none without need");
	ok(wanted(&plan, 0, 0, 1) == 1, "on demand: one for the first connection");
	ok(wanted(&plan, 0, 0, 9) == 1, "on demand: one for the first connections");
	ok(wanted(&plan, 2, 2, 9) == 4, "on demand: at most twice as many at once");
	ok(wanted(&plan, 4, 4, 9) == 5, "on demand: never more than the most");
	ok(wanted(&plan, 3, 1, 0) == 3, "on demand: idle ones stay for a while");
	ok(sizing_wanted(&plan, &tired) == 2, "on demand: then they go, one at a time");
	ok(sizing_wanted(&plan, &last) == 0, "on demand: the last one goes too");
	ok(sizing_wanted(&plan, &short_work) == 1,
	   "on demand: it stays where connections come that are too short to be seen");
}

int main(void)
{
	names();
	fixed();
	dynamic();
	on_demand();
	return tap_done();
}
