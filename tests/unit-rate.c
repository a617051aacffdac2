/*
 * rate.h: so many at once, and never more in any second.
 */
#include <config.h>

#include "rate.h"
#include "tap.h"

#include <stdlib.h>

static struct rate r;

static void begin(long most)
{
	free(r.times);
	if (!rate_open(&r, most))
		exit(99);
}

/* As many as may be, as soon as they may, until then. */
static long fill(int64_t from, int64_t until)
{
	long count = 0;

	for (int64_t now = from; now < until; now++)
		for (; rate_pause(&r, now) == 0; count++)
			rate_note(&r, now);
	return count;
}

static void bounds(void)
{
	begin(3);
	ok(rate_pause(&r, 0) == 0, "the first is at once, also at time 0");
	ok(fill(0, 1) == 3, "so many are at once");
	ok(rate_pause(&r, 0) == 1000, "then a second has to pass");
	ok(rate_pause(&r, 999) == 1, "all of it");
	ok(rate_pause(&r, 1000) == 0, "and no more");
	ok(fill(1, 10000) == 27, "and so on, never to none");
}

static void spread(void)
{
	begin(3);
	rate_note(&r, 0);
	rate_note(&r, 400);
	rate_note(&r, 900);
	ok(rate_pause(&r, 950) == 50, "the pause lasts until the oldest is a second old");
	rate_note(&r, 1000);
	ok(rate_pause(&r, 1001) == 399, "and then the next one");
	ok(fill(1001, 1900) == 1, "what was late in a second counts in the next one, too");
	ok(fill(100000, 100001) == 3, "a long rest is no credit");
}

static void single(void)
{
	begin(1);
	ok(fill(0, 5000) == 5, "one in a second is the least");
}

static void windows(void)
{
	static int64_t times[4000];
	long count = 0, most = 0;

	begin(7);
	for (int64_t now = 0; now < 20000; now += 1 + now % 13)
		if (rate_pause(&r, now) == 0) {
			rate_note(&r, now);
			times[count++] = now;
		}
	for (long i = 0; i < count; i++) {
		long in = 0;

		while (i + in < count && times[i + in] < times[i] + 1000)
			in++;
		most = in > most ? in : most;
	}
	ok(most == 7, "in no second there are more, wherever it begins");
}

int main(void)
{
	bounds();
	spread();
	single();
	windows();
	free(r.times);
	return tap_done();
}
