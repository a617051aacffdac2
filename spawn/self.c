#include <config.h>

#include "self.h"

#include "calls.h"
#include "descriptors.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

/* Signals that we may handle, restored for the program, which may count on an ignored
 * one. SIGCHLD gets a handler at once: if ignored, no exit status would reach us. */
static const int ours[] = {
	SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ,
};

enum { OURS = sizeof ours / sizeof *ours };

static struct sigaction found[OURS];
static sigset_t found_mask;
static int parent_waits = -1; /* write end of a pipe */

/* SIGCHLD without a handler would not end pselect(2). */
static void on_death(int signal)
{
	(void)signal;
}

bool self_enter(void)
{
	struct sigaction noticed = { .sa_handler = on_death }, ignore = { .sa_handler = SIG_IGN };
	sigset_t death;

	if (!descriptors_fill_standard()) {
		report("cannot open /dev/null in place of a closed descriptor: %s",
		       strerror(errno));
		return false;
	}
	sigemptyset(&death);
	sigaddset(&death, SIGCHLD);
	sigprocmask(SIG_BLOCK, &death, &found_mask);
	sigemptyset(&noticed.sa_mask);
	for (int i = 0; i < OURS; i++)
		sigaction(ours[i], NULL, &found[i]);
	sigaction(SIGCHLD, &noticed, NULL);
	/* Beyond RLIMIT_FSIZE a write to the log or pid file fails then, with EFBIG. */
	sigemptyset(&ignore.sa_mask);
	sigaction(SIGXFSZ, &ignore, NULL);
	return true;
}

void self_leave(void)
{
	for (int i = 0; i < OURS; i++)
		sigaction(ours[i], &found[i], NULL);
	sigprocmask(SIG_SETMASK, &found_mask, NULL);
}

int64_t self_processor_time(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

void self_watch_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t others;

	sigemptyset(&ignore.sa_mask);
	sigaction(SIGPIPE, &ignore, NULL);
	/* The loop itself sees to ours. */
	sigfillset(&others);
	for (int i = 0; i < OURS; i++)
		sigdelset(&others, ours[i]);
	sigprocmask(SIG_UNBLOCK, &others, NULL);
}

pid_t self_background(int *status)
{
	int ends[2];
	pid_t pid;

	if (call_pipe(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		report("cannot go to the background: %s", strerror(errno));
		return -1;
	}
	if (pid == 0) {
		close(ends[0]);
		parent_waits = ends[1];
		setsid();
		return 0;
	}
	close(ends[1]);
	if (read(ends[0], status, sizeof *status) != sizeof *status)
		*status = EXIT_FAILURE;
	close(ends[0]);
	return pid;
}

void self_release_parent(int status)
{
	int null;

	if (parent_waits < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null >= 0)
		close(null);
	if (write(parent_waits, &status, sizeof status) < 0) {
	}
	close(parent_waits);
	parent_waits = -1;
}

void self_execute_anew(char **argv)
{
	struct sigaction now[OURS];
	sigset_t all, before;
	int error;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	for (int i = 0; i < OURS; i++)
		sigaction(ours[i], &found[i], &now[i]);
	execvp(argv[0], argv);
	error = errno;
	for (int i = 0; i < OURS; i++)
		sigaction(ours[i], &now[i], NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
}

void self_executed_anew(void)
{
	sigemptyset(&found_mask);
}

bool self_change_root(const char *directory)
{
	if (chroot(directory) == 0 && chdir("/") == 0)
		return true;
	report("cannot enter the chroot '%s': %s", directory, strerror(errno));
	return false;
}

bool self_apart(bool (*work)(void *), void *argument)
{
	pid_t pid = fork();
	int status;

	if (pid < 0) {
		report("fork failed: %s", strerror(errno));
		return false;
	}
	if (pid == 0)
		_exit(work(argument) ? EXIT_SUCCESS : EXIT_FAILURE);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == EXIT_SUCCESS;
}

struct timespec self_deadline(long milliseconds)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += milliseconds / 1000;
	at.tv_nsec += milliseconds % 1000 * 1000000;
	if (at.tv_nsec >= NS_PER_S) {
		at.tv_nsec -= NS_PER_S;
		at.tv_sec++;
	}
	return at;
}

bool self_await_death(const struct timespec *deadline)
{
	struct timespec left;
	sigset_t mask = found_mask;

	clock_gettime(CLOCK_MONOTONIC, &left);
	left.tv_sec = deadline->tv_sec - left.tv_sec;
	left.tv_nsec = deadline->tv_nsec - left.tv_nsec;
	if (left.tv_nsec < 0) {
		left.tv_nsec += NS_PER_S;
		left.tv_sec--;
	}
	if (left.tv_sec < 0)
		return false;
	/* SIGCHLD is blocked except in this call, so none can come unnoticed between
	 * the caller's look at the children and the wait. */
	sigdelset(&mask, SIGCHLD);
	return pselect(0, NULL, NULL, NULL, &left, &mask) < 0;
}
