/*
 * renewal.h: one old process after the other makes way for a new one, and only for one that
 * serves.
 */
#include <config.h>

#include "renewal.h"
#include "tap.h"

static const char *const names[] = { "rest", "start", "retire", "done" };

static void steps(void)
{
	static const struct {
		const char *when;
		struct renewal now;
		enum renewal_step step;
	} rows[] = {
		{ "nothing is old", { .here = 3, .wanted = 3 }, RENEWAL_REST },
		{ "nothing is there", { .wanted = 0 }, RENEWAL_REST },
		{ "one is old", { .here = 3, .outdated = 1, .wanted = 3 }, RENEWAL_START },
		{ "a reload begins",
		  { .reloading = true, .here = 3, .outdated = 3, .wanted = 3 }, RENEWAL_START },
		{ "the new one is on its way",
		  { .reloading = true, .starting = true, .here = 3, .outdated = 3, .wanted = 3 },
		  RENEWAL_REST },
		{ "starts are in a pause",
		  { .reloading = true, .starts_pause = true, .here = 3, .outdated = 3,
		    .wanted = 3 }, RENEWAL_REST },
		{ "starts are in a pause, and there is one too many",
		  { .reloading = true, .starts_pause = true, .here = 4, .outdated = 3,
		    .wanted = 3 }, RENEWAL_REST },
		{ "the new one serves",
		  { .reloading = true, .here = 4, .outdated = 3, .wanted = 3 }, RENEWAL_RETIRE },
		{ "the new one serves, and the next look for one that is idle has its time",
		  { .reloading = true, .hunting = true, .here = 4, .outdated = 3, .wanted = 3 },
		  RENEWAL_REST },
		{ "a look is to come, but there is none too many",
		  { .reloading = true, .hunting = true, .here = 3, .outdated = 3, .wanted = 3 },
		  RENEWAL_START },
		{ "an old one is asked, and has not gone",
		  { .reloading = true, .here = 3, .outdated = 2, .leaving = 1,
		    .outdated_leaving = true, .wanted = 3 }, RENEWAL_REST },
		{ "the old one has gone",
		  { .reloading = true, .here = 3, .outdated = 2, .wanted = 3 }, RENEWAL_START },
		{ "one leaves that is not replaced, and there is room",
		  { .reloading = true, .here = 2, .outdated = 2, .leaving = 1, .wanted = 3 },
		  RENEWAL_START },
		{ "one leaves that is not replaced, and there is no room",
		  { .reloading = true, .here = 3, .outdated = 2, .leaving = 1, .wanted = 3 },
		  RENEWAL_REST },
		{ "more are there than are needed",
		  { .reloading = true, .here = 5, .outdated = 5, .wanted = 3 }, RENEWAL_RETIRE },
		{ "none is needed",
		  { .reloading = true, .here = 1, .outdated = 1, .wanted = 0 }, RENEWAL_RETIRE },
		{ "the last old one has been asked",
		  { .reloading = true, .here = 3, .leaving = 1, .outdated_leaving = true,
		    .wanted = 3 }, RENEWAL_REST },
		{ "the last old one has been asked, and more are there than are needed",
		  { .reloading = true, .here = 4, .leaving = 1, .outdated_leaving = true,
		    .wanted = 3 }, RENEWAL_REST },
		{ "the last old one has been asked, and fewer are there than are needed",
		  { .reloading = true, .here = 1, .leaving = 1, .outdated_leaving = true,
		    .wanted = 3 }, RENEWAL_REST },
		{ "the last old one has gone",
		  { .reloading = true, .here = 3, .wanted = 3 }, RENEWAL_DONE },
		{ "the last old one has gone, but too few are there",
		  { .reloading = true, .here = 1, .wanted = 3 }, RENEWAL_DONE },
		{ "the last old one has gone, and others leave",
		  { .reloading = true, .here = 3, .leaving = 2, .wanted = 3 }, RENEWAL_DONE },
		{ "a pool without processes is reloaded",
		  { .reloading = true, .wanted = 0 }, RENEWAL_DONE },
		{ "the last old one has gone, and it was no reload",
		  { .here = 3, .wanted = 3 }, RENEWAL_REST },
		{ "one that was old leaves, and it is no reload",
		  { .here = 3, .leaving = 1, .outdated_leaving = true, .wanted = 3 },
		  RENEWAL_REST },
		{ "a new one is on its way, with nothing old left",
		  { .reloading = true, .starting = true, .here = 2, .wanted = 3 },
		  RENEWAL_REST },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum renewal_step step = renewal_next(&rows[i].now);

		ok(step == rows[i].step, "%s: %s", rows[i].when, names[rows[i].step]);
		if (step != rows[i].step)
			printf("# not: %s\n", names[step]);
	}
}

/* From any number of old ones: never two too many, never one too few, and to an end. */
static void whole_reloads(void)
{
	bool bounded = true, complete = true;

	for (long size = 0; size <= 20; size++) {
		struct renewal r = { .reloading = true, .here = size, .outdated = size,
				     .wanted = size };
		enum renewal_step step = RENEWAL_REST;

		for (int i = 0; i < 200 && step != RENEWAL_DONE; i++) {
			step = renewal_next(&r);
			if (step == RENEWAL_START) {
				r.starting = true;
			} else if (step == RENEWAL_RETIRE) {
				r.here--, r.outdated--, r.leaving++;
				r.outdated_leaving = true;
			} else if (r.starting) {
				r.starting = false;
				r.here++;
			} else if (r.leaving > 0) {
				r.leaving--;
				r.outdated_leaving = false;
			}
			bounded = bounded && r.here >= size &&
				  r.here + r.leaving + r.starting <= size + 1;
		}
		complete = complete && step == RENEWAL_DONE && r.here == size && r.outdated == 0;
	}
	ok(bounded, "there is one process too many at most, and never one too few");
	ok(complete, "a reload of any number comes to an end");
}

static void patience(void)
{
	static const struct {
		const char *when;
		struct renewal_patience now;
		bool over;
	} rows[] = {
		{ "who is idle cannot be found out", { .stop_busy = -1, .stop_timeout = 100 }, true },
		{ "one serves, for ever",
		  { .watched = true, .waited = 1000000, .stop_busy = -1, .stop_timeout = 100 },
		  false },
		{ "one serves, and may not be interrupted yet",
		  { .watched = true, .waited = 49, .stop_busy = 50, .stop_timeout = 100 }, false },
		{ "one serves, for too long",
		  { .watched = true, .waited = 50, .stop_busy = 50, .stop_timeout = 100 }, true },
		{ "one serves, and may be interrupted at once",
		  { .watched = true, .waited = 0, .stop_busy = 0, .stop_timeout = 100 }, true },
		{ "one hides, for a while",
		  { .watched = true, .hidden = true, .waited = 99, .stop_busy = -1,
		    .stop_timeout = 100 }, false },
		{ "one hides, for too long",
		  { .watched = true, .hidden = true, .waited = 100, .stop_busy = -1,
		    .stop_timeout = 100 }, true },
		{ "one hides, and would be interrupted if it served",
		  { .watched = true, .hidden = true, .waited = 50, .stop_busy = 50,
		    .stop_timeout = 100 }, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ok(renewal_is_over_patience(&rows[i].now) == rows[i].over, "%s: %s", rows[i].when,
		   rows[i].over ? "it is asked" : "it is left alone");
}

static void bounds(void)
{
	bool in_time = true, fair = true;

	for (int64_t timeout = 1; timeout < 5000; timeout++) {
		int64_t bound = renewal_bound(timeout), rest = renewal_rest(timeout);

		in_time = in_time && bound + rest >= timeout && bound + rest <= timeout + 1;
		fair = fair && rest > 0 && bound > 0 && bound >= rest - 1;
	}
	ok(in_time, "a reload is over when --stop-timeout is");
	ok(fair, "most of which is for requests, and some for who is left");
}

int main(void)
{
	steps();
	whole_reloads();
	patience();
	bounds();
	return tap_done();
}
