#include <config.h>

#include "lifeline.h"

void lifeline_open(void)
{
}

bool lifeline_tie(pid_t parent, int signal)
{
	(void)parent, (void)signal;
	return true;
}
