#include <config.h>

#include "diag.h"

#include <errno.h>

bool diag_open(const struct sockets_own *own)
{
	(void)own;
	errno = ENOSYS;
	return false;
}

bool diag_renew(void)
{
	return false;
}

void diag_forget_former(void)
{
}

bool diag_count_waiting(long *waiting)
{
	*waiting = 0;
	return false;
}

long diag_queue_limit(void)
{
	return 0;
}

bool diag_name_waiting(struct overload_names *out)
{
	out->count = 0;
	return false;
}

bool diag_mark(struct sockets_item *items, size_t count)
{
	(void)items, (void)count;
	return false;
}
