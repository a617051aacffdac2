#include <config.h>

#include "trial.h"

#include "calls.h"
#include "report.h"
#include "rlimits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Wait status >> 8 of the stop after an exec: ptrace(2). */
enum { EXECUTED = SIGTRAP | PTRACE_EVENT_EXEC << 8 };

/* If the tracer dies, the program must not run: getppid() sees to an end before PTRACE_O_EXITKILL
 * was set, and the option to a later one. */
static void execute_traced(const char *path, char **words, pid_t tracer, int errors)
{
	int error;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(EXIT_FAILURE);
	raise(SIGSTOP);
	if (getppid() != tracer)
		_exit(EXIT_FAILURE);
	if (rlimits_apply(false))
		execv(path, words);
	error = errno;
	_exit(write(errors, &error, sizeof error) < 0);
}

static bool let_execute(pid_t pid, int *status)
{
	return waitpid(pid, status, 0) == pid && WIFSTOPPED(*status) &&
	       ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC) == 0 &&
	       ptrace(PTRACE_CONT, pid, NULL, NULL) == 0 && waitpid(pid, status, 0) == pid;
}

bool trial_execute(struct trial *out, const char *path, char **words)
{
	int ends[2], status = 0, error;
	pid_t self = getpid();
	bool known;
	pid_t pid;

	*out = (struct trial){ .error = 0 };
	if (call_pipe(ends, O_CLOEXEC) < 0) {
		report("cannot try %s: %s; only its mode and first line are looked at", path,
		       strerror(errno));
		return false;
	}
	pid = fork();
	error = errno;
	if (pid == 0)
		execute_traced(path, words, self, ends[1]);
	close(ends[1]);
	known = pid > 0 && let_execute(pid, &status);
	if (pid > 0 && WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (known && WIFEXITED(status))
		known = read(ends[0], &out->error, sizeof out->error) == sizeof out->error;
	else if (known && WIFSIGNALED(status))
		out->signal = WTERMSIG(status);
	else if (known && status >> 8 != EXECUTED)
		out->signal = WSTOPSIG(status);
	close(ends[0]);
	if (!known)
		report("cannot try %s: %s; only its mode and first line are looked at", path,
		       pid < 0 ? strerror(error) : "ptrace is refused");
	return known;
}
