#include <config.h>

#include "sizing.h"

#include <string.h>

bool sizing_mode_find(enum sizing_mode *out, const char *name)
{
	static const char *const names[] = {
		[SIZING_STATIC] = "static",
		[SIZING_DYNAMIC] = "dynamic",
		[SIZING_ONDEMAND] = "ondemand",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*out = (enum sizing_mode)i;
		return true;
	}
	return false;
}

static long clamp(long n, long least, long most)
{
	return n > most ? most : n < least ? least : n;
}

enum sizing_fault sizing_contradiction(const struct sizing_plan *p)
{
	if (p->mode != SIZING_DYNAMIC)
		return SIZING_GOOD;
	if (p->min_spare > p->most || p->max_spare > p->most)
		return SIZING_MOST;
	if (p->max_spare < p->min_spare)
		return SIZING_SPARE;
	return p->first != 0 && (p->first < p->min_spare || p->first > p->max_spare)
	       ? SIZING_FIRST : SIZING_GOOD;
}

long sizing_first(const struct sizing_plan *p)
{
	switch (p->mode) {
	case SIZING_ONDEMAND:
		return 0;
	case SIZING_DYNAMIC:
		return p->first ? p->first : clamp(p->count, p->min_spare, p->most);
	default:
		return p->count;
	}
}

static long dynamic(const struct sizing_plan *p, const struct sizing_view *c)
{
	long needed = c->busy + c->waiting;

	return clamp(c->here, needed + p->min_spare, needed + p->max_spare);
}

static long on_demand(const struct sizing_view *c)
{
	long needed = c->busy + c->waiting;
	long rested = c->here - c->tired;

	if (needed == 0 && rested <= 0 && !c->quiet)
		return 1;
	return needed > rested ? needed : rested;
}

long sizing_wanted(const struct sizing_plan *p, const struct sizing_view *c)
{
	long room = p->most - c->leaving;
	long held = c->here < p->most ? c->here : p->most;
	long wanted;

	if (p->mode == SIZING_STATIC)
		return p->count;
	wanted = p->mode == SIZING_DYNAMIC ? dynamic(p, c) : on_demand(c);
	wanted = clamp(wanted, c->here - 1, c->here > 0 ? 2 * c->here : 1);
	return clamp(wanted, 0, room > held ? room : held);
}
