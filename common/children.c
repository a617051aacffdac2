#include <config.h>

#include "children.h"

#include "compat.h"
#include "loop.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAUSE_LEAST = 100, PAUSE_MOST = 10000, YOUNG = 1000 /* milliseconds */ };

struct child {
	pid_t pid; /* 0: none */
	int64_t started;
	int64_t pause; /* before the next start; grows while children die young */
	struct deadline start_again;
};

static const struct children_plan *plan;
static struct child *children;
static long living;
static bool stopping;
static int lifeline[2]; /* the parent holds the writing end, and never writes */
static struct deadline kill_all;

static void start(struct child *child);

static struct child *child_of_deadline(struct deadline *d)
{
	return (struct child *)(void *)((char *)d - offsetof(struct child, start_again));
}

static void on_start_again(struct deadline *d)
{
	start(child_of_deadline(d));
}

static void start_later(struct child *child)
{
	child->pause = child->pause ? 2 * child->pause : PAUSE_LEAST;
	if (child->pause > PAUSE_MOST)
		child->pause = PAUSE_MOST;
	deadline_set(&child->start_again, child->pause, on_start_again);
}

static void start(struct child *child)
{
	sigset_t all, before;

	/* No handler of ours may run in the child before it has its own. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	child->pid = fork();
	if (child->pid == 0) {
		loop_leave_signals();
		sigprocmask(SIG_SETMASK, &before, NULL);
		close(lifeline[1]);
		exit(plan->work(plan->context, child - children, lifeline[0]));
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child->pid < 0) {
		child->pid = 0;
		report("cannot start a worker: fork: %s (trying again)", strerror(errno));
		start_later(child);
		return;
	}
	child->started = loop_now();
	living++;
}

static void report_death(pid_t pid, int status, const char *then)
{
	if (WIFSIGNALED(status))
		report("worker %ld was killed by signal %d (%s)%s", (long)pid, WTERMSIG(status),
		       strsignal(WTERMSIG(status)), then);
	else if (WEXITSTATUS(status) != 0 || *then)
		report("worker %ld exited with status %d%s", (long)pid, WEXITSTATUS(status), then);
}

static struct child *child_by_pid(pid_t pid)
{
	for (long i = 0; i < plan->count; i++)
		if (children[i].pid == pid)
			return &children[i];
	return NULL;
}

static void bury(struct child *child, int status)
{
	report_death(child->pid, status, stopping ? "" : "; starting another");
	child->pid = 0;
	living--;
	if (stopping) {
		if (living == 0)
			loop_stop();
	} else if (loop_now() - child->started < YOUNG) {
		start_later(child);
	} else {
		child->pause = 0;
		start(child);
	}
}

static void on_child(int signal)
{
	struct child *child;
	pid_t pid;
	int status;

	(void)signal;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((child = child_by_pid(pid)))
			bury(child, status);
}

static void signal_all(int signal)
{
	for (long i = 0; i < plan->count; i++)
		if (children[i].pid)
			kill(children[i].pid, signal);
}

static void on_kill_all(struct deadline *d)
{
	(void)d;
	report("workers did not stop in time; killing them");
	signal_all(SIGKILL);
}

static void on_stop(int signal)
{
	(void)signal;
	if (stopping) {
		signal_all(SIGKILL);
		return;
	}
	stopping = true;
	for (long i = 0; i < plan->count; i++)
		deadline_clear(&children[i].start_again);
	if (living == 0) {
		loop_stop();
		return;
	}
	close(lifeline[1]);
	deadline_set(&kill_all, plan->stop_timeout, on_kill_all);
}

int children_keep(const struct children_plan *wanted)
{
	plan = wanted;
	children = calloc((size_t)plan->count, sizeof *children);
	if (!children || pipe2(lifeline, O_CLOEXEC) < 0 || !loop_open() ||
	    !loop_catch(SIGTERM, on_stop) || !loop_catch(SIGINT, on_stop) ||
	    !loop_catch(SIGCHLD, on_child)) {
		report("cannot watch over workers: %s", strerror(errno));
		return -1;
	}
	for (long i = 0; i < plan->count; i++)
		start(&children[i]);
	loop_run();
	free(children);
	return 0;
}
