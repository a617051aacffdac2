#include <config.h>

#include "exec.h"

#include <errno.h>

_Bool exec_fast_is_possible(const char **why)
{
	(void)why;
	return 0;
}

pid_t exec_fast_start(void (*become)(void *), void *context, atomic_int *child)
{
	(void)become, (void)context, (void)child;
	errno = ENOSYS;
	return -1;
}

pid_t exec_fast_group(void)
{
	errno = ENOSYS;
	return -1;
}

void exec_fast_close_group(pid_t group)
{
	(void)group;
}

void exec_fast_free_group(pid_t group, _Bool empty)
{
	(void)group, (void)empty;
}

void exec_fast_drop_groups(void)
{
}

void exec_fast_own_descriptors(int first)
{
	(void)first;
}

void exec_fast_close_from(int first)
{
	(void)first;
}

int exec_fast_here(const char *name, char *const *arguments, char *const *environment)
{
	(void)name, (void)arguments, (void)environment;
	errno = ENOSYS;
	return -1;
}

void exec_follow_parent(pid_t parent)
{
	(void)parent;
}

void exec_hide(void)
{
}
