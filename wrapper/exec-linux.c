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
	LEADERS_MOST = 16,
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
 * fork(2) copies page tables; fork(2), vfork(2) and posix_spawn(3) copy the table of
 * descriptors, which takes most of a millisecond for thousands of them. With CLONE_VM and
 * CLONE_FILES the child shares both, at the same cost whatever the process holds.
 * CLONE_VFORK stops the calling thread, whose stack holds the child's.
 */
pid_t exec_fast_start(void (*become)(void *), void *context, atomic_int *child)
{
	_Alignas(16) char stack[STACK_SIZE];
	struct start start = { become, context };

	return clone(exec_enter, stack + STACK_SIZE,
		     CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PARENT_SETTID | SIGCHLD, &start,
		     (pid_t *)child);
}

/*
 * Groups. A leader exits at once, and keeps its number as a zombie. Without an exit
 * signal, only waits with __WCLONE reap it. A new leader costs a tenth of a small
 * script's start, so a few serve one group after the other: a leader joins the group of
 * its number before a script does, and then leaves, so that only the script and its
 * descendants are members.
 */

/* N: a script is about to join group N. N + LEADER_HAS_LEFT: the leader has left group N. -N:
 * group N is empty. 0: free entry. */
enum { LEADER_HAS_LEFT = 1 << 30 };
static atomic_int leaders[LEADERS_MOST];
static _Thread_local pid_t serves_again; /* reused leader of the calling thread; 0: a new one */
static pid_t own_group;

static int exec_lead(void *unused)
{
	(void)unused;
	_exit(0);
}

/* Replaces from by to in leaders. False, and no change, if from is not found. */
static bool leader_change(int from, int to)
{
	for (int i = 0; i < LEADERS_MOST; i++) {
		int expected = from;

		if (atomic_compare_exchange_strong(&leaders[i], &expected, to))
			return true;
	}
	return false;
}

/* Reaps a leader. A stop signal to fcgiwrap's group may stop a new leader on its way to another
 * group, out of reach of SIGCONT to the first: continue it here. */
static void leader_reap(pid_t number)
{
	int status;
	pid_t reaped;

	do {
		status = 0;
		reaped = waitpid(number, &status, WUNTRACED | __WCLONE);
		if (reaped > 0 && WIFSTOPPED(status))
			kill(number, SIGCONT);
	} while (reaped < 0 ? errno == EINTR : WIFSTOPPED(status));
}

/* No CLONE_VFORK: the leader has a stack of its own, and changes nothing in the shared
 * memory. */
static pid_t leader_new(void)
{
	static _Thread_local _Alignas(16) char stack[GROUP_STACK_SIZE];
	pid_t number = clone(exec_lead, stack + GROUP_STACK_SIZE,
			     CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM, NULL);

	if (number > 0)
		leader_change(0, number);
	return number;
}

static pid_t leader_take(void)
{
	for (int i = 0; i < LEADERS_MOST; i++) {
		int number = atomic_load(&leaders[i]);

		if (number < 0 && atomic_compare_exchange_strong(&leaders[i], &number, -number))
			return serves_again = -number;
	}
	serves_again = 0;
	return leader_new();
}

/* Waits for the exit of a leader, after which the stack of leader_new() is free. False before
 * Linux 4.7, whose waitid(2) refuses __WCLONE. */
static bool leader_has_ended(pid_t number)
{
	siginfo_t info;

	for (;;) {
		info.si_code = 0;
		if (waitid(P_PID, (id_t)number, &info, WEXITED | WSTOPPED | WNOWAIT | __WCLONE) == 0) {
			if (info.si_code != CLD_STOPPED)
				return true;
			kill(number, SIGCONT);
		} else if (errno != EINTR) {
			return false;
		}
	}
}

pid_t exec_fast_group(void)
{
	pid_t group = leader_take();

	if (group > 0 && setpgid(group, group) < 0) {
		int saved = errno;

		leader_change(group, 0);
		leader_reap(group);
		errno = saved;
		return -1;
	}
	return group;
}

void exec_fast_close_group(pid_t group)
{
	if ((group == serves_again || leader_has_ended(group)) && setpgid(group, own_group) == 0 &&
	    leader_change(group, group + LEADER_HAS_LEFT))
		return;
	leader_change(group, 0);
	leader_reap(group);
}

void exec_fast_free_group(pid_t group, _Bool empty)
{
	if (leader_change(group + LEADER_HAS_LEFT, empty ? -group : 0) && !empty)
		leader_reap(group);
}

void exec_fast_drop_groups(void)
{
	for (int i = 0; i < LEADERS_MOST; i++) {
		int number = atomic_load(&leaders[i]);

		if ((number < 0 || number > LEADER_HAS_LEFT) &&
		    atomic_compare_exchange_strong(&leaders[i], &number, 0))
			leader_reap(number < 0 ? -number : number - LEADER_HAS_LEFT);
	}
}

static bool exec_unshare(int first)
{
	/* CLOSE_RANGE_UNSHARE copies only the descriptors below first. */
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
	/* The parent may have died before prctl(2). */
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

/* Result of a child, in shared memory. */
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

	/* No file has an empty name: ENOENT, unless refused. */
	syscall(SYS_execveat, -1, "", NULL, NULL, AT_SYMLINK_NOFOLLOW);
	probe->error = errno;
	probe->done = true;
}

/* Runs a probe in a child, since a filter of system calls may kill its caller. Returns the
 * errno, or EPERM if killed. */
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

	own_group = getpgrp();
	if (error) {
		*why = "clone, close_range and unshare";
		errno = error;
		return false;
	}
	error = exec_probe(probe_exec_here);
	can_exec_here = error != ENOSYS && error != EPERM && error != EACCES;
	return true;
}
