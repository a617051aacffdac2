#include <config.h>

#include "children.h"

#include <errno.h>
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
	LOOK_AGAIN = 200
};

/* At a killed group: zombies without a parent that reaps would seem to live for ever. */
enum { LOOKS_AT_KILLED = 10 };

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

bool child_left_others(const struct child *child)
{
	if (!child->ended)
		return false;
	return child->owner->left ? child->owner->left(child) : kill(-child->pid, 0) == 0;
}

/* Processes left by a dead child may have another parent, so no SIGCHLD reports the
 * end of the last one: look again from time to time. */
static void on_look_at_remains(struct deadline *d)
{
	struct child *child = LOOP_OWNER(d, struct child, look_again);

	if (!child_left_others(child) || (child->killed && ++child->looks > LOOKS_AT_KILLED))
		be_gone(child);
	else
		deadline_set(&child->look_again, LOOK_AGAIN, on_look_at_remains);
}

static void look_at_remains(void)
{
	struct child *next;

	for (struct child *child = first; child; child = next) {
		next = child->next;
		if (child->ended && !child_left_others(child))
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

/* Unknown pids are orphans: this process is a subreaper, or process 1. */
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
			deadline_set(&child->look_again, LOOK_AGAIN, on_look_at_remains);
	}
	look_at_remains();
}

static void on_child_signal(int signal)
{
	(void)signal;
	children_reap();
}

bool children_open(void)
{
	return loop_catch(SIGCHLD, on_child_signal);
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
	/* No handler of the parent may run in the child before loop_leave_signals(). */
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
		deadline_set(&child->look_again, LOOK_AGAIN, on_look_at_remains);
}

void child_signal(struct child *child, int signal)
{
	if (child->pid > 0)
		kill(child->ended ? -child->pid : child->pid, signal);
}

void child_signal_group(struct child *child, int signal)
{
	if (signal == SIGKILL)
		child->killed = true;
	/* A child just forked may not have called setsid() yet. */
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
