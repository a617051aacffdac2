#include <config.h>

#include "process.h"

#include "descriptors.h"
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

/* How SIGCHLD was found: ignored perhaps, which a program may count on, but
 * then no child's exit status would ever reach us. */
static struct sigaction found_action;
static sigset_t found_mask;

/* A signal without a handler would not end a wait. */
static void on_death(int signal)
{
	(void)signal;
}

bool process_enter(void)
{
	struct sigaction noticed = { .sa_handler = on_death };
	sigset_t death;

	if (!descriptors_fill_standard()) {
		report("cannot open /dev/null in place of a closed descriptor: %s",
		       strerror(errno));
		return false;
	}
	descriptors_seal(STDERR_FILENO + 1);
	sigemptyset(&death);
	sigaddset(&death, SIGCHLD);
	sigprocmask(SIG_BLOCK, &death, &found_mask);
	sigemptyset(&noticed.sa_mask);
	sigaction(SIGCHLD, &noticed, &found_action);
	return true;
}

void process_leave(void)
{
	sigaction(SIGCHLD, &found_action, NULL);
	sigprocmask(SIG_SETMASK, &found_mask, NULL);
}

bool process_change_root(const char *directory)
{
	if (chroot(directory) == 0 && chdir("/") == 0)
		return true;
	report("cannot enter the chroot '%s': %s", directory, strerror(errno));
	return false;
}

bool process_apart(bool (*work)(void *), void *argument)
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

struct timespec process_deadline(long milliseconds)
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

bool process_await_death(const struct timespec *deadline)
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
	/* SIGCHLD is blocked but for this call, so none can come unnoticed
	 * between the caller's look at its children and the wait. */
	sigdelset(&mask, SIGCHLD);
	return pselect(0, NULL, NULL, NULL, &left, &mask) < 0;
}
