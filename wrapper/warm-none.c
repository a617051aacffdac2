#include <config.h>

#include "warm.h"

#include "report.h"

bool warm_open(const struct option_list *rules)
{
	if (rules->count > 0)
		report("--warm is not available on this system");
	return rules->count == 0;
}

void warm_start_templates(const struct settings *settings)
{
	(void)settings;
}

bool warm_is_settled(void)
{
	return true;
}

void warm_tick(void)
{
}

pid_t warm_start(const struct launch_plan *plan, const int descriptors[3], pid_t group)
{
	(void)plan, (void)descriptors, (void)group;
	return 0;
}
