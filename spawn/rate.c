#include <config.h>

#include "rate.h"

#include <stdlib.h>

enum { SECOND = 1000 }; /* milliseconds */

bool rate_open(struct rate *out, long most)
{
	*out = (struct rate){
		.times = calloc((size_t)most, sizeof *out->times), .most = (size_t)most,
	};
	return out->times != NULL;
}

int64_t rate_pause(const struct rate *r, int64_t now)
{
	int64_t oldest = r->times[r->next];

	return oldest == 0 || now + 1 - oldest >= SECOND ? 0 : SECOND - (now + 1 - oldest);
}

void rate_note(struct rate *r, int64_t now)
{
	r->times[r->next] = now + 1;
	r->next = (r->next + 1) % r->most;
}
