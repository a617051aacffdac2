#include <config.h>

#include "children.h"

#include "calls.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { /* milliseconds */
	PAUSE_LEAST = 100,
	PAUSE_MOST = 10000,
	YOUNG = 1000,
	LOOK_AGAIN = 200,
	HASTE_MOST = 1000
};

static struct child *first;

static void link_child(struct child *child)
{
	child->prev = NULL;
	child->next = first;
	if (first)
		first->prev = child;
	first = child;
}

static void unlink_child(struct child *child)
{
	*(child->prev ? &child->prev->next : &first) = child->next;
	if (child->next)
		child->next->prev = child->prev;
}

static void be_gone(struct child *child)
{
	unlink_child(child);
	deadline_clear(&child->kill);
	deadline_clear(&child->look_again);
	child->owner->gone(child);
}

/* Those that a dead child has left behind may have another parent now, so that
 * no signal tells of their end. */
static void on_look_again(struct deadline *d)
{
	struct child *child = LOOP_OWNER(d, struct child, look_again);

	if (kill(-child->pid, 0) < 0)
		be_gone(child);
	else
		deadline_set(&child->look_again, LOOK_AGAIN, on_look_again);
}

bool child_left_others(const struct child *child)
{
	return child->ended && kill(-child->pid, 0) == 0;
}

static void look_at_remains(void)
{
	struct child *next;

	for (struct child *child = first; child; child = next) {
		next = child->next;
		if (child->ended && kill(-child->pid, 0) < 0)
			be_gone(child);
	}
}

static struct child *child_by_pid(pid_t pid)
{
	struct child *child = first;

	while (child && (child->pid != pid || child->ended))
		child = child->next;
	return child;
}

/* Whoever is not known was left to us: by a child, or as process 1. */
void children_reap(void)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *child = child_by_pid(pid);

		if (!child)
			continue;
		child->ended = true;
		child->owner->ended(child, status);
		if (!child->leads)
			be_gone(child);
		else
			deadline_set(&child->look_again, LOOK_AGAIN, on_look_again);
	}
	look_at_remains();
}

static void on_child(int signal)
{
	(void)signal;
	children_reap();
}

bool children_open(void)
{
	return loop_catch(SIGCHLD, on_child);
}

static int live(struct child *child)
{
	if (child->leads)
		setsid();
	return child->owner->work(child);
}

bool child_fork(struct child *child, const struct child_owner *owner, bool leads)
{
	int error;

	*child = (struct child){ .owner = owner, .leads = leads, .started = loop_now() };
	/* No handler of ours may run in the child before it has its own. */
	loop_hold_signals();
	child->pid = fork();
	error = errno;
	if (child->pid == 0) {
		loop_leave_signals();
		loop_release_signals();
		exit(live(child));
	}
	loop_release_signals();
	if (child->pid > 0) {
		link_child(child);
		return true;
	}
	child->pid = 0;
	errno = error;
	return false;
}

void child_adopt(struct child *child, const struct child_owner *owner, pid_t pid, int64_t started)
{
	*child = (struct child){
		.owner = owner, .leads = true, .pid = pid, .started = started,
		.ended = kill(pid, 0) < 0 && errno == ESRCH,
	};
	link_child(child);
	if (child->ended)
		deadline_set(&child->look_again, LOOK_AGAIN, on_look_again);
}

void child_signal(struct child *child, int signal)
{
	if (child->pid > 0)
		kill(child->ended ? -child->pid : child->pid, signal);
}

void child_signal_group(struct child *child, int signal)
{
	/* A child that has just been forked may not have become a leader yet. */
	if (child->pid > 0 && (!child->leads || kill(-child->pid, signal) < 0) && !child->ended)
		kill(child->pid, signal);
}

void child_kill_after(struct child *child, int64_t timeout, void (*passed)(struct deadline *))
{
	deadline_set(&child->kill, timeout, passed);
}

struct child *child_of_kill(struct deadline *deadline)
{
	return LOOP_OWNER(deadline, struct child, kill);
}

int64_t child_pause(int64_t last, int64_t lived)
{
	if (lived >= YOUNG)
		return 0;
	if (last == 0)
		return PAUSE_LEAST;
	return 2 * last < PAUSE_MOST ? 2 * last : PAUSE_MOST;
}

void child_describe_end(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

/* A fixed number of workers that end with their parent. */

struct worker {
	struct child child;
	int64_t pause;
	struct deadline start_again;
};

static const struct children_plan *plan;
static struct worker *workers;
static bool stopping;
static int lifeline[2]; /* the parent holds the writing end, and never writes */
static struct deadline kill_all;

static void start_worker(struct worker *worker);

static void on_start_again(struct deadline *d)
{
	start_worker(LOOP_OWNER(d, struct worker, start_again));
}

static void start_later(struct worker *worker, int64_t lived)
{
	worker->pause = child_pause(worker->pause, lived);
	if (worker->pause > 0)
		deadline_set(&worker->start_again, worker->pause, on_start_again);
	else
		start_worker(worker);
}

static int work(struct child *child)
{
	close(lifeline[1]);
	return plan->work(plan->context, LOOP_OWNER(child, struct worker, child) - workers,
			  lifeline[0]);
}

static void on_worker_ended(struct child *child, int status)
{
	char end[80];

	if (stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	child_describe_end(status, end, sizeof end);
	report("worker %ld %s%s", (long)child->pid, end, stopping ? "" : "; starting another");
}

static void on_worker_gone(struct child *child)
{
	if (!stopping)
		start_later(LOOP_OWNER(child, struct worker, child), loop_now() - child->started);
	else if (!first)
		loop_stop();
}

static const struct child_owner worker_owner = {
	.work = work, .ended = on_worker_ended, .gone = on_worker_gone,
};

static void start_worker(struct worker *worker)
{
	if (child_fork(&worker->child, &worker_owner, false))
		return;
	report("cannot start a worker: fork: %s (trying again)", strerror(errno));
	start_later(worker, 0);
}

static void signal_workers(int signal)
{
	for (struct child *child = first; child; child = child->next)
		child_signal(child, signal);
}

static void on_kill_all(struct deadline *d)
{
	(void)d;
	report("workers did not stop in time; killing them");
	signal_workers(SIGKILL);
}

static void on_stop(int signal)
{
	(void)signal;
	if (stopping) {
		signal_workers(CHILDREN_HASTE);
		deadline_set(&kill_all, HASTE_MOST, on_kill_all);
		return;
	}
	stopping = true;
	for (long i = 0; i < plan->count; i++)
		deadline_clear(&workers[i].start_again);
	if (!first) {
		loop_stop();
		return;
	}
	close(lifeline[1]);
	if (plan->stopping)
		plan->stopping(plan->context);
	deadline_set(&kill_all, plan->stop_timeout, on_kill_all);
}

int children_keep(const struct children_plan *wanted)
{
	plan = wanted;
	workers = calloc((size_t)plan->count, sizeof *workers);
	if (!workers || call_pipe(lifeline, O_CLOEXEC) < 0 || !loop_open() || !children_open() ||
	    !loop_catch(SIGTERM, on_stop) || !loop_catch(SIGINT, on_stop) ||
	    !loop_catch(SIGUSR1, on_stop)) {
		report("cannot watch over workers: %s", strerror(errno));
		return -1;
	}
	for (long i = 0; i < plan->count; i++)
		start_worker(&workers[i]);
	loop_run();
	free(workers);
	return 0;
}
