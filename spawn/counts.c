#include <config.h>

#include "counts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MS_PER_STEP = COUNTS_STEP * 1000 };

struct counts counts;

/* Looks, by the number of their step, in a ring. */
static struct step {
	int64_t number;
	long busy, waiting;
} steps[COUNTS_STEPS];

static void raise_to(uint64_t *most, long value)
{
	if (value > 0 && (uint64_t)value > *most)
		*most = (uint64_t)value;
}

void counts_look(int64_t now, long busy, long waiting)
{
	const int64_t number = now / MS_PER_STEP;
	struct step *step = &steps[number % COUNTS_STEPS];

	raise_to(&counts.busy_most, busy);
	raise_to(&counts.queue_most, waiting);
	if (step->number != number)
		*step = (struct step){ .number = number };
	if (busy > step->busy)
		step->busy = busy;
	if (waiting > step->waiting)
		step->waiting = waiting;
}

void counts_series(int64_t now, double busy[COUNTS_STEPS], double waiting[COUNTS_STEPS])
{
	for (int i = 0; i < COUNTS_STEPS; i++) {
		const int64_t number = now / MS_PER_STEP - (COUNTS_STEPS - 1) + i;
		const struct step *step = &steps[(number + COUNTS_STEPS) % COUNTS_STEPS];
		const bool seen = step->number == number;

		busy[i] = seen ? (double)step->busy : 0;
		waiting[i] = seen ? (double)step->waiting : 0;
	}
}

/* In the order of the text: a later version adds its own at the end. */
static size_t list_all(uint64_t *all[])
{
	uint64_t *const one[] = {
		&counts.connections, &counts.queue_most, &counts.busy_most, &counts.memory_most,
		&counts.limit_reached, &counts.overdue, &counts.starts, &counts.restarts,
		&counts.crashes, &counts.reloads,
		&counts.refused[REFUSED_MANY], &counts.refused[REFUSED_LATE],
		&counts.refused[REFUSED_LAST],
		&counts.ends[END_EXIT], &counts.ends[END_FAILURE], &counts.ends[END_SIGNAL],
		&counts.ends[END_ASKED], &counts.ends[END_KILLED],
		&counts.slow,
	};

	memcpy(all, one, sizeof one);
	return sizeof one / sizeof *one;
}

enum { LIST_MOST = 32, NUMBER_TEXT = 21 };

void counts_write(char text[COUNTS_TEXT])
{
	uint64_t *all[LIST_MOST];
	const size_t number = list_all(all);
	size_t used = (size_t)snprintf(text, COUNTS_TEXT, "%" PRId64, counts.start);

	_Static_assert(COUNTS_TEXT > sizeof counts / sizeof(uint64_t) * NUMBER_TEXT, "room for all");
	for (size_t i = 0; i < number; i++)
		used += (size_t)snprintf(text + used, COUNTS_TEXT - used, " %" PRIu64, *all[i]);
}

/* Reads " NUMBER", or at the begin "NUMBER". Moves *text on. */
static bool read_count(const char **text, bool first, uint64_t *out)
{
	const char *digits = *text + !first;
	char *end;

	if ((!first && **text != ' ') || *digits < '0' || *digits > '9')
		return false;
	errno = 0;
	*out = strtoull(digits, &end, 10);
	*text = end;
	return errno == 0;
}

bool counts_read(const char *text)
{
	const struct counts before = counts;
	uint64_t *all[LIST_MOST], start, more;
	const size_t number = list_all(all);
	bool good = read_count(&text, true, &start) && start <= INT64_MAX;

	if (good)
		counts = (struct counts){ .start = (int64_t)start };
	for (size_t i = 0; good && *text; i++)
		good = read_count(&text, false, i < number ? all[i] : &more);
	if (!good)
		counts = before;
	return good;
}
