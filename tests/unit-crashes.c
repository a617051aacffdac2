/*
 * crashes.h: who fails is started more and more rarely, but always again; who dies at work is
 * replaced at once.
 */
#include <config.h>

#include "crashes.h"
#include "tap.h"

#include <stdlib.h>

static struct crashes c;

static void begin(long limit, int64_t within, long processes)
{
	free(c.times);
	if (!crashes_open(&c, limit, within, processes))
		exit(99);
}

static void loops(void)
{
	begin(3, 1000, 1);
	ok(!crashes_failed_start(&c, 0) && !crashes_failed_start(&c, 100),
	   "two of three are no crash loop");
	ok(crashes_failed_start(&c, 1000), "three within the time are one");
	ok(c.loop && !crashes_failed_start(&c, 1010), "which begins once");
	ok(crashes_over(&c) && !c.loop && !crashes_over(&c), "and is over once");
	ok(c.pause == 0, "with its pauses");
	ok(!crashes_failed_start(&c, 1020) && !crashes_failed_start(&c, 1030),
	   "what was before does not count any more");
	begin(3, 1000, 1);
	crashes_failed_start(&c, 0);
	crashes_failed_start(&c, 100);
	ok(!crashes_failed_start(&c, 1001), "three in more time are none");
	begin(1, 1000, 1);
	ok(crashes_failed_start(&c, 5), "one may be one too many");
}

static void pauses(void)
{
	int64_t longest = 0;

	begin(3, 1000, 1);
	ok(c.pause == 0, "nothing has failed: no pause");
	crashes_failed_start(&c, 0);
	ok(c.pause == 100, "after one that failed: a short one");
	crashes_failed_start(&c, 100);
	ok(c.pause == 100, "after a few: the same");
	crashes_failed_start(&c, 200);
	ok(c.pause == 1000, "after too many: longer");
	crashes_failed_start(&c, 1200);
	ok(c.pause == 2000, "and longer");
	for (int i = 0; i < 1000; i++) {
		crashes_failed_start(&c, 3000 + i);
		longest = c.pause > longest ? c.pause : longest;
	}
	ok(longest == 10000, "but never more than 10 s");
	crashes_ready(&c);
	ok(c.pause == 0, "one that is ready ends it");
	crashes_failed_start(&c, 5000);
	ok(c.pause == 100, "and the next that fails is the first again");
	begin(3, 1000, 60);
	for (int i = 0; i < 119; i++)
		crashes_failed_start(&c, i);
	ok(c.pause == 100, "a large pool may have more that fail at once");
	crashes_failed_start(&c, 120);
	ok(c.pause == 1000, "but not any number");
}

static void shortages(void)
{
	begin(1, 1000, 1);
	crashes_shortage(&c);
	crashes_shortage(&c);
	ok(c.pause == 200 && !c.loop, "a shortage makes longer pauses, but no crash loop");
	crashes_ready(&c);
	crashes_shortage(&c);
	ok(c.pause == 100, "until a start succeeds");
}

static void deaths(void)
{
	bool slow = false;

	begin(3, 10000, 5);
	for (int i = 0; i < 1000; i++)
		slow = slow || crashes_death(&c, i, 1000) || c.pause > 0;
	ok(!slow, "old ones that die at work are replaced at once, however many");
	for (int64_t now = 0; now < 60000; now += 333)
		slow = slow || crashes_death(&c, now, 10) || c.pause > 0;
	ok(!slow, "and young ones, three in a second");
	begin(3, 10000, 60);
	for (int i = 0; i < 60; i++)
		slow = slow || crashes_death(&c, i, 10) || c.pause > 0;
	ok(!slow, "and all of a pool at once");
	for (int i = 60; i < 1000; i++)
		slow = crashes_death(&c, i, 10) || slow;
	ok(slow && c.loop && c.pause == 200, "but not those that live for a moment only, for ever");
}

int main(void)
{
	loops();
	pauses();
	shortages();
	deaths();
	free(c.times);
	return tap_done();
}
