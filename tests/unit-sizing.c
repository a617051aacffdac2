/* How many processes a pool should have. */
#include <config.h>

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

/* What is wrong with so many at the start, of spare ones, and at all. */
static enum sizing_fault fault(long first, long min_spare, long max_spare, long most)
{
	return sizing_contradiction(&(struct sizing_plan){
		.mode = SIZING_DYNAMIC, .count = 1, .first = first, .min_spare = min_spare,
		.max_spare = max_spare, .most = most });
}

static void start(void)
{
	struct sizing_plan plan = {
		.mode = SIZING_DYNAMIC, .count = 9, .min_spare = 2, .max_spare = 4, .most = 6,
	};

	ok(sizing_first(&plan) == 6, "without a number for the start: the count, no more than the most");
	plan.first = 3;
	ok(sizing_first(&plan) == 3, "with one: that, whatever the count");
	plan.mode = SIZING_STATIC;
	ok(sizing_first(&plan) == 9, "but only where it is dynamic");
	ok(fault(0, 1, 3, 10) == SIZING_GOOD && fault(2, 2, 4, 4) == SIZING_GOOD &&
	   fault(4, 2, 4, 4) == SIZING_GOOD && fault(1, 1, 1, 1) == SIZING_GOOD,
	   "bounds may be equal");
	ok(fault(1, 2, 4, 9) == SIZING_FIRST && fault(5, 2, 4, 9) == SIZING_FIRST,
	   "at the start there are as many spare ones as later");
	ok(fault(0, 5, 4, 9) == SIZING_SPARE, "the most spare ones are not fewer than the least");
	ok(fault(0, 1, 10, 9) == SIZING_MOST && fault(0, 10, 10, 9) == SIZING_MOST,
	   "nor more than all");
	ok(fault(0, 10, 4, 9) == SIZING_MOST, "nor is the least");
	ok(sizing_contradiction(&(struct sizing_plan){ .mode = SIZING_ONDEMAND, .min_spare = 5,
			.max_spare = 4, .most = 2 }) == SIZING_GOOD,
	   "on demand there are no spare ones");
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
	start();
	on_demand();
	return tap_done();
}
