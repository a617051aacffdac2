#include <config.h>

#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 5.9; the number is the same on every architecture. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum {
	STACK_SIZE = 64 * 1024,
	RANGE_UNSHARE = 2 /* CLOSE_RANGE_UNSHARE */
};

struct start {
	void (*become)(void *);
	void *context;
};

static int enter(void *argument)
{
	struct start *start = argument;

	start->become(start->context);
	_exit(127);
}

/*
 * Waits until the child has memory of its own, or has exited: the system then
 * clears the word, and wakes us. See EXEC_LATE.
 */
static void await_exec(pid_t child, const pid_t *borrowed)
{
	const long late[2] = { 0, EXEC_LATE * 1000000L }; /* seconds, nanoseconds */

	while (__atomic_load_n(borrowed, __ATOMIC_ACQUIRE))
		if (syscall(SYS_futex, borrowed, FUTEX_WAIT, 1, late, NULL, 0) < 0 &&
		    errno == ETIMEDOUT)
			kill(child, SIGCONT);
}

/*
 * fork(2) copies the page tables, and each of fork, vfork and posix_spawn copies
 * the table of descriptors, which takes most of a millisecond when there are
 * thousands. This child borrows both while we wait for it, and so costs the same
 * whatever we hold.
 */
pid_t exec_start(void (*become)(void *), void *context, void *notice, size_t size)
{
	static _Alignas(16) char stack[STACK_SIZE];
	static pid_t borrowed;
	struct start start = { become, context };
	pid_t child;

	(void)notice, (void)size; /* written to where we read it */
	borrowed = 1;
	child = clone(enter, stack + STACK_SIZE,
		      CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID | SIGCHLD, &start, NULL, NULL,
		      &borrowed);
	if (child > 0)
		await_exec(child, &borrowed);
	return child;
}

void exec_own_descriptors(int first)
{
	/* Of the table only what is below first is copied. */
	if (syscall(SYS_close_range, first, ~0U, RANGE_UNSHARE) < 0 && unshare(CLONE_FILES) < 0)
		_exit(127);
}

void exec_follow_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before that. */
	if (getppid() != parent)
		_exit(127);
}

int exec_here(const char *name, char *const *arguments, char *const *environment)
{
	return (int)syscall(SYS_execveat, AT_FDCWD, name, arguments, environment,
			    AT_SYMLINK_NOFOLLOW);
}
