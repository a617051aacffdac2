#include <config.h>

#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Linux 5.9; the number is the same on every architecture. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum {
	STACK_SIZE = 64 * 1024,
	GROUP_STACK_SIZE = 8 * 1024,
	RANGE_UNSHARE = 2 /* CLOSE_RANGE_UNSHARE */
};

struct start {
	void (*become)(void *);
	void *context;
};

static bool can_exec_here;

static int exec_enter(void *argument)
{
	struct start *start = argument;

	start->become(start->context);
	_exit(127);
}

/*
 * fork(2) copies the page tables, and each of fork, vfork and posix_spawn copies
 * the table of descriptors, which takes most of a millisecond when there are
 * thousands. This child borrows both, and the stack of the calling thread, which
 * the system stops meanwhile, and so costs the same whatever the process holds.
 */
pid_t exec_fast_start(void (*become)(void *), void *context, atomic_int *child)
{
	_Alignas(16) char stack[STACK_SIZE];
	struct start start = { become, context };

	return clone(exec_enter, stack + STACK_SIZE,
		     CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PARENT_SETTID | SIGCHLD, &start,
		     (pid_t *)child);
}

static int exec_lead(void *unused)
{
	(void)unused;
	_exit(0);
}

/* The leader ends at once, and keeps the number as a zombie. Without a signal for its
 * end it is no child that others reap. Nobody waits for it: it has a stack of its own, and
 * does nothing that could be seen in the memory that it borrows. */
pid_t exec_fast_group(void)
{
	static _Thread_local _Alignas(16) char stack[GROUP_STACK_SIZE];
	pid_t group = clone(exec_lead, stack + GROUP_STACK_SIZE,
			    CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM, NULL);

	if (group > 0 && setpgid(group, group) < 0) {
		int saved = errno;

		exec_fast_close_group(group);
		errno = saved;
		return -1;
	}
	return group;
}

void exec_fast_close_group(pid_t group)
{
	while (waitpid(group, NULL, __WCLONE) < 0 && errno == EINTR)
		;
}

static bool exec_unshare(int first)
{
	/* Of the table only what is below first is copied. */
	return syscall(SYS_close_range, first, ~0U, RANGE_UNSHARE) == 0 ||
	       unshare(CLONE_FILES) == 0;
}

void exec_fast_own_descriptors(int first)
{
	if (!exec_unshare(first))
		_exit(127);
}

void exec_fast_close_from(int first)
{
	syscall(SYS_close_range, first, ~0U, 0);
}

void exec_follow_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before that. */
	if (getppid() != parent)
		_exit(127);
}

void exec_hide(void)
{
	char starter[32];
	struct stat st;

	snprintf(starter, sizeof starter, "/proc/%ld", (long)getppid());
	if (stat(starter, &st) < 0 || st.st_uid != geteuid())
		prctl(PR_SET_DUMPABLE, 0);
}

int exec_fast_here(const char *name, char *const *arguments, char *const *environment)
{
	if (!can_exec_here) {
		errno = ENOSYS;
		return -1;
	}
	return (int)syscall(SYS_execveat, AT_FDCWD, name, arguments, environment,
			    AT_SYMLINK_NOFOLLOW);
}

/* What a child tells of itself, in memory that it shares. */
struct probe {
	volatile int error;
	volatile bool done;
};

static void probe_descriptors(void *context)
{
	struct probe *probe = context;

	probe->error = exec_unshare(3) ? 0 : errno;
	probe->done = true;
}

static void probe_exec_here(void *context)
{
	struct probe *probe = context;

	/* Nothing has an empty name. */
	syscall(SYS_execveat, -1, "", NULL, NULL, AT_SYMLINK_NOFOLLOW);
	probe->error = errno;
	probe->done = true;
}

/* What a filter of system calls does to a child: an error number, or the end. */
static int exec_probe(void (*become)(void *))
{
	struct probe probe = { .done = false };
	atomic_int child = 0;
	pid_t pid = exec_fast_start(become, &probe, &child);

	if (pid < 0)
		return errno;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return probe.done ? probe.error : EPERM;
}

_Bool exec_fast_is_possible(const char **why)
{
	int error = exec_probe(probe_descriptors);
	pid_t group = error ? -1 : exec_fast_group();

	if (error || group < 0) {
		*why = error ? "clone, close_range and unshare" : "clone";
		errno = error ? error : errno;
		return false;
	}
	exec_fast_close_group(group);
	error = exec_probe(probe_exec_here);
	can_exec_here = error != ENOSYS && error != EPERM && error != EACCES;
	return true;
}
