#include <config.h>

#include "timing.h"

#include <stdio.h>

static int add_part(char *out, int at, const char *name, int64_t from, int64_t to)
{
	return at + snprintf(out + at, (size_t)(TIMING_SIZE - at), "%s%s;dur=%lld",
			     at ? ", " : "Server-Timing: ", name,
			     (long long)(to > from ? to - from : 0));
}

const char *timing_line(const struct score *s, int64_t now, char out[TIMING_SIZE])
{
	int at = 0;

	out[0] = '\0';
	if (s->due)
		at = add_part(out, at, "queue", s->due, s->launched ? s->launched : now);
	if (s->launched)
		at = add_part(out, at, "start", s->launched, s->started ? s->started : now);
	if (s->started)
		at = add_part(out, at, "run", s->started, now);
	if (at)
		snprintf(out + at, (size_t)(TIMING_SIZE - at), "\r\n");
	return out;
}
