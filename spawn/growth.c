#include <config.h>

#include "growth.h"

enum { PAUSE_LEAST = 1000, PAUSE_MOST = 60000 };

enum growth_step growth_next(struct growth *g, int64_t found_after, int64_t lived)
{
	if (found_after >= GROWTH_YOUNG) {
		*g = (struct growth){ .young = 0 };
		return GROWTH_REPLACE;
	}
	if (lived < g->pause)
		return GROWTH_WAIT;
	if (++g->young < GROWTH_SUSPICIOUS)
		return GROWTH_REPLACE;
	g->pause = g->pause == 0 ? PAUSE_LEAST
		   : 2 * g->pause < PAUSE_MOST ? 2 * g->pause : PAUSE_MOST;
	return g->young == GROWTH_SUSPICIOUS ? GROWTH_REPLACE_AND_TELL : GROWTH_REPLACE;
}
