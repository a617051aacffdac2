#include <config.h>

#include "crew.h"

#include "calls.h"
#include "self.h"
#include "program.h"
#include "ready.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Milliseconds to watch a program for an early end, unless seen to wait for connections
 * before. */
enum { WATCH_MS = 100 };

/* Exit statuses of the shell for a command not executed. */
enum { SHELL_CANNOT_EXECUTE = 126, SHELL_NOT_FOUND = 127 };

static int status_of(int ended)
{
	return WIFEXITED(ended) ? WEXITSTATUS(ended) : EXIT_FAILURE;
}

static void report_child_end(const struct settings *settings, int ended)
{
	bool of_shell = !settings->program;
	int status = WEXITSTATUS(ended);

	if (WIFSIGNALED(ended))
		report("child signaled: %d (%s)", WTERMSIG(ended), strsignal(WTERMSIG(ended)));
	else if (of_shell && status == SHELL_NOT_FOUND)
		report("child exited with: %d (the shell did not find the command: %s)", status,
		       settings->command);
	else if (of_shell && status == SHELL_CANNOT_EXECUTE)
		report("child exited with: %d (the shell may not execute the command: %s)",
		       status, settings->command);
	else
		report("child exited with: %d", status);
}

/* Opens /dev/null for stdout and stderr, before chroot(2), since the chroot may have none. Not
 * fatal: -1 after reporting. */
static int open_null(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		report("cannot open /dev/null: %s (the program keeps stdout and stderr)",
		       strerror(errno));
	return null;
}

/*
 * Starts a process and waits for exec(2), which closes the lifeline (close-on-exec)
 * without data. Returns the pid; 0 with the wait status in *ended after a failure
 * reported by the child; -1 with errno if there is no pipe or no process.
 */
static pid_t start_one(const struct settings *settings, const struct identity *identity,
		       int listener, int *ended)
{
	int lifeline[2];
	char word;
	bool failed;
	pid_t pid;

	if (call_pipe(lifeline, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int status;

		setsid();
		status = program_become(settings, identity, listener, open_null(), 0);
		if (write(lifeline[1], "", 1) < 0) {
		}
		_exit(status);
	}
	close(lifeline[1]);
	failed = pid > 0 && read(lifeline[0], &word, 1) == 1;
	close(lifeline[0]);
	if (!failed)
		return pid;
	waitpid(pid, ended, 0);
	return 0;
}

static void start_all(struct crew *crew, const struct settings *settings,
		      const struct identity *identity, int listener)
{
	for (long i = 0; i < settings->forks; i++) {
		int ended;
		pid_t pid = start_one(settings, identity, listener, &ended);

		if (pid > 0) {
			crew->pids[crew->living++] = pid;
			continue;
		}
		crew->status = EXIT_OWN_ERROR;
		if (pid < 0) {
			report("cannot start process %ld of %ld: %s", i + 1, settings->forks,
			       strerror(errno));
		} else if (status_of(ended) != EXIT_OWN_ERROR) {
			crew->status = status_of(ended);
			report_child_end(settings, ended);
		}
		return;
	}
}

/* Takes out and reports dead processes; the others keep their order. */
static void reap(struct crew *crew, const struct settings *settings)
{
	size_t living = 0, ready = 0;

	for (size_t i = 0; i < crew->living; i++) {
		pid_t pid = crew->pids[i];
		int ended;

		if (waitpid(pid, &ended, WNOHANG) != pid) {
			crew->pids[living++] = pid;
			ready += i < crew->ready;
			continue;
		}
		report_child_end(settings, ended);
		if (status_of(ended) != 0)
			crew->status = status_of(ended);
	}
	crew->living = living;
	crew->ready = ready;
}

/* Looks at processes in order, and at no ready one again: there may be thousands. */
static bool all_ready(struct crew *crew, const struct identity *identity, int listener)
{
	while (crew->ready < crew->living &&
	       ready_is_seen(crew->pids[crew->ready], listener, identity))
		crew->ready++;
	return crew->ready == crew->living;
}

static void watch_crew(struct crew *crew, const struct settings *settings,
		       const struct identity *identity, int listener)
{
	long passed = 0;

	while (passed < WATCH_MS && !all_ready(crew, identity, listener)) {
		/* Late by a quarter of the program's start time, at most. */
		long pause = 1 + passed / 4;
		struct timespec next;

		if (pause > WATCH_MS - passed)
			pause = WATCH_MS - passed;
		next = self_deadline(pause);
		do {
			reap(crew, settings);
		} while (crew->living > 0 && self_await_death(&next));
		passed += pause;
	}
	reap(crew, settings);
}

void crew_start(struct crew *out, const struct settings *settings,
		const struct identity *identity, int listener)
{
	*out = (struct crew){ .pids = calloc((size_t)settings->forks, sizeof *out->pids) };
	if (!out->pids) {
		report("cannot start %ld processes: %s", settings->forks, strerror(errno));
		out->status = EXIT_OWN_ERROR;
		return;
	}
	start_all(out, settings, identity, listener);
	watch_crew(out, settings, identity, listener);
}

void crew_announce(const struct crew *crew)
{
	for (size_t i = 0; i < crew->living; i++)
		printf("spawn-fcgi: child spawned successfully: PID: %ld\n", (long)crew->pids[i]);
	fflush(stdout);
}

void crew_close(struct crew *crew)
{
	free(crew->pids);
	*crew = (struct crew){ .pids = NULL };
}
