#include <config.h>

#include "renewal.h"

enum renewal_step renewal_next(const struct renewal *r)
{
	if (r->starting || r->starts_pause)
		return RENEWAL_REST;
	if (r->outdated == 0 && !r->outdated_leaving)
		return r->reloading ? RENEWAL_DONE : RENEWAL_REST;
	if (r->outdated == 0)
		return RENEWAL_REST;
	if (r->here > r->wanted)
		return r->hunting ? RENEWAL_REST : RENEWAL_RETIRE;
	return r->here + r->leaving <= r->wanted ? RENEWAL_START : RENEWAL_REST;
}

bool renewal_is_over_patience(const struct renewal_patience *p)
{
	return !p->watched || (p->stop_busy >= 0 && p->waited >= p->stop_busy) ||
	       (p->hidden && p->waited >= p->stop_timeout);
}

int64_t renewal_bound(int64_t stop_timeout)
{
	return stop_timeout - stop_timeout / 4;
}

int64_t renewal_rest(int64_t stop_timeout)
{
	return stop_timeout / 4 + 1;
}
