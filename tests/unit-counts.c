/*
 * counts.h: looks become a course of time, and counts come back from their text.
 */
#include <config.h>

#include "counts.h"
#include "tap.h"

#include <string.h>

enum { STEP = COUNTS_STEP * 1000, LAST = COUNTS_STEPS - 1 };

static double busy[COUNTS_STEPS], waiting[COUNTS_STEPS];

static double sum(const double *values)
{
	double all = 0;

	for (int i = 0; i < COUNTS_STEPS; i++)
		all += values[i];
	return all;
}

static void course(void)
{
	const int64_t now = 1000 * STEP;

	counts_series(5, busy, waiting);
	ok(sum(busy) == 0 && sum(waiting) == 0, "without a look all is 0");
	counts_look(now, 2, 0);
	counts_look(now + 1, 5, 7);
	counts_look(now + 2, 1, 3);
	counts_series(now + STEP - 1, busy, waiting);
	ok(busy[LAST] == 5 && waiting[LAST] == 7, "of a step the most is shown");
	ok(sum(busy) == 5 && sum(waiting) == 7, "and nothing else");
	ok(counts.busy_most == 5 && counts.queue_most == 7, "the most of all is kept");
	counts_series(now + STEP, busy, waiting);
	ok(busy[LAST] == 0 && busy[LAST - 1] == 5, "as time passes it moves on");
	counts_series(now + LAST * (int64_t)STEP, busy, waiting);
	ok(busy[0] == 5 && sum(busy) == 5, "until it is the oldest");
	counts_series(now + (LAST + 1) * (int64_t)STEP, busy, waiting);
	ok(sum(busy) == 0, "and is forgotten");
	counts_look(now + (LAST + 1) * (int64_t)STEP, 3, 0);
	counts_series(now + (LAST + 1) * (int64_t)STEP, busy, waiting);
	ok(busy[LAST] == 3 && sum(busy) == 3 && sum(waiting) == 0,
	   "the place of the oldest begins anew");
	ok(counts.busy_most == 5, "which does not lower the most of all");
}

static bool is_same(const struct counts *a, const struct counts *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static void text(void)
{
	uint64_t *numbers = (uint64_t *)(void *)&counts;
	char text[COUNTS_TEXT], longer[COUNTS_TEXT + 8];
	struct counts before;

	for (size_t i = 0; i < sizeof counts / sizeof *numbers; i++)
		numbers[i] = 1000 + i;
	before = counts;
	counts_write(text);
	memset(&counts, 0, sizeof counts);
	ok(counts_read(text) && is_same(&before, &counts), "all counts come back");
	snprintf(longer, sizeof longer, "%s 1 2", text);
	ok(counts_read(longer) && is_same(&before, &counts), "those of a later version do not matter");
	ok(!counts_read("") && !counts_read("x") && !counts_read("1 x") && !counts_read("1  2") &&
	   !counts_read("1 2 ") && !counts_read("1 -2") &&
	   !counts_read("1 99999999999999999999") && is_same(&before, &counts),
	   "other text changes nothing");
	ok(counts_read("77 5") && counts.start == 77 && counts.connections == 5 &&
	   counts.queue_most == 0, "what the text does not have is 0");
	ok(counts_read("77 0 6") && counts.connections == 0 && counts.queue_most == 6,
	   "nor what it has as 0");
	for (size_t i = 0; i < sizeof counts / sizeof *numbers; i++)
		numbers[i] = UINT64_MAX;
	counts.start = INT64_MAX;
	before = counts;
	counts_write(text);
	ok(counts_read(text) && is_same(&before, &counts), "the largest, too");
}

int main(void)
{
	course();
	text();
	return tap_done();
}
