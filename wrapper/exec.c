#include <config.h>

#include "exec.h"

#include "calls.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLOSED_MOST = 4096 /* descriptors closed one by one */ };

static bool fast;
static int notice_fd = -1; /* in a child: pipe for the notice */

void exec_open(void)
{
	const char *why = NULL;

	fast = exec_fast_is_possible(&why);
	if (!fast && why)
		report(REPORT_WARNING "%s: %s; scripts are started by fork, which takes more time", why,
		       strerror(errno));
}

/* A pipe carries the notice; a successful exec closes the pipe without a byte. */
static pid_t exec_fork(void (*become)(void *), void *context, void *notice, size_t size,
		       atomic_int *child)
{
	int told[2];
	pid_t pid;

	if (call_pipe(told, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		notice_fd = told[1];
		become(context);
		if (write(told[1], notice, size) < 0) {
			/* The parent is gone. */
		}
		_exit(127);
	}
	close(told[1]);
	if (pid > 0) {
		atomic_store(child, pid);
		while (read(told[0], notice, size) < 0 && errno == EINTR)
			;
	}
	close(told[0]);
	return pid;
}

pid_t exec_start(void (*become)(void *), void *context, void *notice, size_t size,
		 atomic_int *child)
{
	return fast ? exec_fast_start(become, context, child)
		    : exec_fork(become, context, notice, size, child);
}

/* Forks the leader of a group: a process that sleeps until killed or orphaned. */
static pid_t exec_fork_group(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		exec_close_from(0);
		while (getppid() == parent)
			sleep(1);
		_exit(0);
	}
	if (pid > 0 && setpgid(pid, pid) < 0) {
		int saved = errno;

		exec_close_group(pid);
		errno = saved;
		return -1;
	}
	return pid;
}

pid_t exec_open_group(void)
{
	static atomic_bool refused;
	pid_t group;

	if (refused)
		return 0;
	group = fast ? exec_fast_group() : exec_fork_group();
	if (group > 0 || !call_is_refused(errno))
		return group;
	if (!atomic_exchange(&refused, true))
		report(REPORT_WARNING "no process groups for scripts: %s; each gets a session of its own, and "
		       "cannot begin another", strerror(errno));
	return 0;
}

/* The loop may have reaped the leader already. */
void exec_close_group(pid_t group)
{
	if (fast) {
		exec_fast_close_group(group);
		return;
	}
	kill(group, SIGKILL);
	while (waitpid(group, NULL, 0) < 0 && errno == EINTR)
		;
}

void exec_free_group(pid_t group, bool empty)
{
	if (fast)
		exec_fast_free_group(group, empty);
}

void exec_drop_groups(void)
{
	if (fast)
		exec_fast_drop_groups();
}

void exec_close_from(int first)
{
	if (fast) {
		exec_fast_close_from(first);
		return;
	}
	for (int fd = first; fd < CLOSED_MOST; fd++)
		if (fd != notice_fd)
			close(fd);
}

void exec_own_descriptors(int first)
{
	if (fast)
		exec_fast_own_descriptors(first);
}

int exec_here(const char *name, char *const *arguments, char *const *environment)
{
	return exec_fast_here(name, arguments, environment);
}
