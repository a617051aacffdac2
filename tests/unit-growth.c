/* growth.h: who grows is replaced at once, what is large from the start more and more rarely. */
#include <config.h>

#include "growth.h"
#include "tap.h"

int main(void)
{
	struct growth g = { .young = 0 };
	int64_t longest = 0;

	ok(growth_next(&g, 100, 100) == GROWTH_REPLACE && growth_next(&g, 100, 100) == GROWTH_REPLACE,
	   "two that are too large soon are replaced at once");
	ok(growth_next(&g, 100, 100) == GROWTH_REPLACE_AND_TELL, "the third too, which is told");
	ok(growth_next(&g, 100, 100) == GROWTH_WAIT && growth_next(&g, 100, 999) == GROWTH_WAIT,
	   "the next one has to wait");
	ok(growth_next(&g, 100, 1000) == GROWTH_REPLACE, "and is replaced, which is not told again");
	ok(growth_next(&g, 100, 1999) == GROWTH_WAIT && growth_next(&g, 100, 2000) == GROWTH_REPLACE,
	   "the one after that waits longer");
	for (int i = 0; i < 50; i++) {
		growth_next(&g, 100, 1000000);
		longest = g.pause > longest ? g.pause : longest;
	}
	ok(longest == 60000, "but never longer than a minute");
	ok(growth_next(&g, GROWTH_YOUNG, GROWTH_YOUNG) == GROWTH_REPLACE,
	   "one that has grown later is replaced at once");
	ok(growth_next(&g, 100, 100) == GROWTH_REPLACE, "and all begins anew");
	return tap_done();
}
