/*
 * overload.h: who waits is followed by name, has never waited for longer than is said, and
 * counts as one of a queue only if it is there at two looks.
 */
#include <config.h>

#include "overload.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static struct overload o;
static struct overload_names names;

static void begin(int64_t now)
{
	overload_empty(&o, now);
}

/* A look at these, up to a negative one. */
static void look(int64_t now, const int *ids)
{
	names.count = 0;
	for (; *ids >= 0; ids++)
		overload_name(&names, (uint64_t)*ids);
	overload_follow(&o, &names, now);
}

#define LOOK(now, ...) look(now, (const int[]){ __VA_ARGS__, -1 })

static void times(void)
{
	begin(0);
	ok(overload_late(&o, 1000000, 1) == 0, "nobody waits: nobody is late");
	begin(1000);
	LOOK(1005, 7);
	ok(overload_late(&o, 1999, 1000) == 0, "the first one has waited since the queue was empty");
	ok(overload_late(&o, 2000, 1000) == 1, "and is late when the time has passed since then");
	LOOK(1500, 7, 8, 9);
	ok(overload_late(&o, 2000, 1000) == 1, "who comes later is late later");
	ok(overload_late(&o, 2004, 1000) == 1 && overload_late(&o, 2005, 1000) == 3,
	   "but counts from the look at which it was not there");
	LOOK(1900, 9, 10);
	ok(overload_late(&o, 2005, 1000) == 1, "who was accepted is not late");
	ok(overload_late(&o, 2499, 1000) == 1 && overload_late(&o, 2500, 1000) == 2,
	   "and what the others had waited stays");
	LOOK(2000, 10, 9);
	ok(overload_late(&o, 2005, 1000) == 1, "in whatever order they are named");
	LOOK(2100, 11, 12);
	ok(overload_late(&o, 2999, 1000) == 0, "all others are new");
	LOOK(2200, 9);
	ok(overload_late(&o, 3099, 1000) == 0 && overload_late(&o, 3100, 1000) == 1,
	   "a name that comes back is new");
	begin(2300);
	LOOK(2400, 9);
	ok(overload_late(&o, 3299, 1000) == 0, "and so is one behind an empty queue");
}

static void nameless(void)
{
	begin(100);
	LOOK(110, 1, 2);
	LOOK(200, 1, 2, 3);
	LOOK(300, 0, 2, 3);
	ok(overload_late(&o, 1100, 1000) == 2 && overload_late(&o, 1110, 1000) == 3,
	   "one that has left the queue's list of names keeps its place");
	LOOK(310, 1, 2, 0);
	ok(overload_late(&o, 1100, 1000) == 1,
	   "behind all others it may have come after the last look");
	begin(100);
	LOOK(110, 0, 0, 0);
	LOOK(120, 0, 0, 0);
	ok(overload_late(&o, 1100, 1000) == 0, "of many of these nothing is known");
}

static void lists(void)
{
	begin(0);
	LOOK(10, 1, 2);
	overload_follow(&o, NULL, 500);
	ok(overload_late(&o, 1000, 1000) == 0,
	   "after a look without names nobody is late: others may wait now");
	LOOK(600, 1, 2, 3);
	ok(overload_late(&o, 1000, 1000) == 2, "but nobody is forgotten");
	ok(overload_late(&o, 1009, 1000) == 2 && overload_late(&o, 1010, 1000) == 3,
	   "nor does it say who was not there");
	names.count = 0;
	overload_follow(&o, &names, 700);
	ok(o.count == 0 && overload_late(&o, 9000, 1) == 0, "an empty list is one");
}

static void numbers(void)
{
	begin(0);
	LOOK(10, 1, 2, 3, 4, 5);
	ok(overload_many(&o, 5, 2) == 0, "who is seen for the first time may be accepted at once");
	o.before = 5;
	LOOK(20, 1, 2, 3, 4, 5);
	ok(overload_many(&o, 5, 2) == 3, "who is seen again waits: three of five are too many");
	ok(overload_many(&o, 5, 5) == 0 && overload_many(&o, 5, 9) == 0, "five may");
	ok(overload_many(&o, 5, 0) == 5, "or none");
	LOOK(30, 4, 5, 6, 7, 8);
	ok(overload_many(&o, 5, 1) == 1, "those that have come instead of others do not count yet");
	o.before = 5;
	overload_follow(&o, NULL, 40);
	ok(overload_many(&o, 5, 1) == 4, "without names, as many count as waited before");
	o.before = 3;
	ok(overload_many(&o, 5, 1) == 2, "but no more");
	ok(overload_many(&o, 2, 1) == 1, "nor more than wait now");
	begin(50);
	ok(overload_many(&o, 5, 1) == 0, "after an empty queue, none");
}

static void many(void)
{
	long added = 0;

	names.count = 0;
	while (added < 1000000 && overload_name(&names, (uint64_t)added + 1))
		added++;
	ok(added == 65536, "65,536 names are the most");
	begin(0);
	overload_follow(&o, &names, 10);
	names.count = 30000;
	overload_follow(&o, &names, 20);
	ok(overload_late(&o, 1000, 1000) == 30000 && overload_many(&o, 30000, 100) == 29900,
	   "all of which are followed");
}

static void texts(void)
{
	static const char *const bad[] = { "", "x", "10,", "10,1", "10,1:", "10,1:2;", "10 ,1:2", "10,1:2 x",
					    "11111111111111111,1:2", "10,1:22222222222222222" };
	bool refused = true;
	char *text;

	begin(10);
	LOOK(20, 5, 3, 0);
	LOOK(30, 5, 3, 9);
	text = overload_write(&o);
	begin(500);
	ok(text && overload_read(&o, text) && o.count == 3, "what is written can be read");
	LOOK(600, 3, 5, 9, 11);
	ok(overload_late(&o, 1009, 1000) == 0 && overload_late(&o, 1010, 1000) == 2 &&
	   overload_late(&o, 1020, 1000) == 3 && overload_late(&o, 1030, 1000) == 4,
	   "and says since when all wait, and when there was nobody else");
	free(text);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		begin(700);
		refused &= !overload_read(&o, bad[i]) && o.count == 0 && o.seen == 700;
	}
	ok(refused, "what nobody writes is not read");
	names.count = 0;
	for (uint64_t i = 0; i < 5000; i++)
		overload_name(&names, UINT64_MAX - i);
	begin(INT64_MAX);
	overload_follow(&o, &names, INT64_MAX);
	text = overload_write(&o);
	ok(text && strlen(text) < 131072 && overload_read(&o, text) && o.count == 3000,
	   "a long list is cut to what the system takes");
	free(text);
}

int main(void)
{
	times();
	nameless();
	lists();
	numbers();
	many();
	texts();
	overload_free(&o);
	free(names.ids);
	return tap_done();
}
