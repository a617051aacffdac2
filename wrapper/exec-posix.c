#include <config.h>

#include "exec.h"

#include "compat.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

static void await_notice(pid_t child, int told, void *notice, size_t size)
{
	struct pollfd word = { .fd = told, .events = POLLIN };

	while (poll(&word, 1, EXEC_LATE) == 0)
		kill(child, SIGCONT);
	while (read(told, notice, size) < 0 && errno == EINTR)
		;
}

/* The notice comes through a pipe that a successful exec closes without a word. */
pid_t exec_start(void (*become)(void *), void *context, void *notice, size_t size)
{
	int told[2];
	pid_t pid;

	if (pipe2(told, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		become(context);
		if (write(told[1], notice, size) < 0) {
			/* The parent is gone; nobody is left to be told. */
		}
		_exit(127);
	}
	close(told[1]);
	if (pid > 0)
		await_notice(pid, told[0], notice, size);
	close(told[0]);
	return pid;
}

void exec_own_descriptors(int first)
{
	(void)first;
}

void exec_follow_parent(pid_t parent)
{
	(void)parent;
}

int exec_here(const char *name, char *const *arguments, char *const *environment)
{
	(void)name, (void)arguments, (void)environment;
	errno = ENOSYS;
	return -1;
}
