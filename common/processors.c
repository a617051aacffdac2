#include <config.h>

#include "processors.h"

#include <sched.h>
#include <unistd.h>

long processors_available(void)
{
	long count;
#ifdef HAVE_SCHED_GETAFFINITY
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		return CPU_COUNT(&set);
#endif
	count = sysconf(_SC_NPROCESSORS_ONLN);
	return count < 1 ? 1 : count;
}
