#include <config.h>

#include "ready.h"

bool ready_is_seen(pid_t child, int listener, const struct identity *identity)
{
	(void)child, (void)listener, (void)identity;
	return false;
}
