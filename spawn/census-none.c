#include <config.h>

#include "census.h"

#include <signal.h>

bool census_open(int listener, const struct identity *identity)
{
	(void)listener, (void)identity;
	return false;
}

void census_renew(int listener)
{
	(void)listener;
}

void census_forget_former(void)
{
}

bool census_take(struct census_entry *entries, size_t count, long *waiting)
{
	(void)entries, (void)count;
	*waiting = 0;
	return false;
}

bool census_count_waiting(long *waiting)
{
	*waiting = 0;
	return false;
}

bool census_name_waiting(struct overload_names *out)
{
	out->count = 0;
	return false;
}

long census_queue_limit(void)
{
	return 0;
}

const struct census_connection *census_connections(size_t *count)
{
	*count = 0;
	return NULL;
}

bool census_shows_connections(void)
{
	return false;
}

int64_t census_pause(void)
{
	return 0;
}

void census_signal_others(const pid_t *leaders, size_t count, int signal)
{
	(void)leaders, (void)count, (void)signal;
}

void census_signal_branch(pid_t leader, pid_t process, int signal)
{
	(void)leader, (void)process, (void)signal;
}

bool census_is_left(pid_t leader, int64_t started)
{
	(void)started;
	return kill(-leader, 0) == 0;
}

void census_adopt_orphans(void)
{
}
