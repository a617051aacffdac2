#include <config.h>

#include "cgi.h"

#include "places.h"
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 256, GROUP_PAUSE = 20 /* milliseconds */ };

static struct cgi *by_pid[SLOTS];
static struct cgi_policy policy;
static size_t count;

static struct cgi **slot_of(pid_t pid)
{
	return &by_pid[(unsigned long)pid % SLOTS];
}

/* What a program says when nobody listens any more. */
static void drain(struct watch *watch)
{
	char bytes[4096];
	ssize_t n = read(watch->fd, bytes, sizeof bytes);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		loop_close(watch);
}

static void on_input(struct watch *watch, unsigned events)
{
	struct cgi *cgi = LOOP_OWNER(watch, struct cgi, input);

	(void)events;
	cgi->events->input(cgi->owner);
}

static void on_output(struct watch *watch, unsigned events)
{
	struct cgi *cgi = LOOP_OWNER(watch, struct cgi, output);

	if (cgi->owner)
		cgi->events->output(cgi->owner, events & LOOP_HANGUP);
	else
		drain(watch);
}

static void on_errors(struct watch *watch, unsigned events)
{
	struct cgi *cgi = LOOP_OWNER(watch, struct cgi, errors);

	(void)events;
	if (cgi->owner)
		cgi->events->errors(cgi->owner);
	else
		drain(watch);
}

static void close_watches(struct cgi *cgi)
{
	loop_close(&cgi->input);
	loop_close(&cgi->output);
	loop_close(&cgi->errors);
}

/* Gives our ends to watches, closing them if that fails. */
static bool watch_pipes(struct cgi *cgi, const struct launched *l)
{
	cgi->input = cgi->output = cgi->errors = WATCH_NONE;
	if ((l->input < 0 || loop_watch(&cgi->input, l->input, 0, on_input)) &&
	    loop_watch(&cgi->output, l->output, LOOP_READ, on_output) &&
	    loop_watch(&cgi->errors, l->errors, LOOP_READ, on_errors))
		return true;
	if (cgi->input.fd < 0 && l->input >= 0)
		close(l->input);
	if (cgi->output.fd < 0)
		close(l->output);
	close(l->errors);
	return false;
}

static void enter(struct cgi *cgi)
{
	cgi->next = *slot_of(cgi->pid);
	*slot_of(cgi->pid) = cgi;
	count++;
}

struct cgi *cgi_start(const struct launch_plan *plan, long place, const struct cgi_events *events,
		      void *owner, enum launch_step *failed)
{
	struct cgi *cgi = calloc(1, sizeof *cgi);
	struct launched launched;

	*failed = LAUNCH_PIPES;
	if (!cgi || !launch(plan, &launched, failed)) {
		places_give(PLACE_RUNNING, place);
		free(cgi);
		return NULL;
	}
	cgi->place = place;
	cgi->pid = launched.pid;
	cgi->group = launched.group;
	cgi->events = events;
	cgi->owner = owner;
	cgi->started = loop_now();
	enter(cgi);
	if (watch_pipes(cgi, &launched))
		return cgi;
	/* It runs already, and must be reaped. */
	cgi_stop(cgi);
	*failed = LAUNCH_PIPES;
	errno = ENOMEM;
	return NULL;
}

/* The end of a program. */

static void forget(struct cgi *cgi)
{
	struct cgi **link = slot_of(cgi->pid);

	while (*link != cgi)
		link = &(*link)->next;
	*link = cgi->next;
	count--;
	places_give(cgi->background ? PLACE_BACKGROUND : PLACE_RUNNING, cgi->place);
	deadline_clear(&cgi->kill);
	close_watches(cgi);
	free(cgi);
}

/*
 * A group outlives its leader while a member is left, and keeps the number from
 * being given to anybody else; so it may be signalled after the leader was
 * reaped, as long as something was there at that moment. If nothing was, the
 * number may be another program's by now.
 */
static bool group_is_empty(const struct cgi *cgi)
{
	return cgi->alone || (kill(-cgi->group, 0) < 0 && errno == ESRCH);
}

/* The group of a condemned program gets KILL when its time is over. Members that
 * have ended count until whoever inherited them reaps them: so they are looked
 * for again and again once the program itself is gone. */
static void on_condemned(struct deadline *d)
{
	struct cgi *cgi = LOOP_OWNER(d, struct cgi, kill);
	bool late = loop_now() >= cgi->kill_at;
	bool empty = cgi->exited && group_is_empty(cgi);

	if (late && !empty)
		kill(-cgi->group, SIGKILL);
	if (empty || (late && cgi->exited))
		forget(cgi);
	else if (!late)
		deadline_set(d, GROUP_PAUSE, on_condemned);
}

void cgi_stop(struct cgi *cgi)
{
	cgi->owner = NULL;
	close_watches(cgi);
	if (cgi->exited && group_is_empty(cgi)) {
		forget(cgi);
		return;
	}
	cgi->condemned = true;
	kill(-cgi->group, SIGTERM);
	cgi->kill_at = loop_now() + policy.kill_after;
	deadline_set(&cgi->kill, cgi->exited ? GROUP_PAUSE : policy.kill_after, on_condemned);
}

static void on_background_end(struct deadline *d)
{
	struct cgi *cgi = LOOP_OWNER(d, struct cgi, kill);

	report("process %ld is still at work %ld s after its request; ending it", (long)cgi->pid,
	       policy.background_timeout / 1000);
	cgi_stop(cgi);
}

/* Its place is another's, as long as there are places of that kind. */
static void go_to_background(struct cgi *cgi)
{
	long place = places_take(PLACE_BACKGROUND);

	if (place == PLACE_NONE)
		return;
	places_give(PLACE_RUNNING, cgi->place);
	cgi->background = true;
	cgi->place = place;
}

void cgi_release(struct cgi *cgi)
{
	cgi->owner = NULL;
	if (cgi->exited) {
		forget(cgi);
		return;
	}
	loop_close(&cgi->input);
	loop_want(&cgi->output, LOOP_READ);
	loop_want(&cgi->errors, LOOP_READ);
	go_to_background(cgi);
	if (policy.background_timeout)
		deadline_set(&cgi->kill, policy.background_timeout, on_background_end);
}

static void bury(struct cgi *cgi, int status)
{
	cgi->exited = true;
	cgi->alone = group_is_empty(cgi);
	cgi->status = status;
	if (cgi->owner)
		cgi->events->exited(cgi->owner);
	else if (!cgi->condemned || group_is_empty(cgi))
		forget(cgi);
	else
		deadline_set(&cgi->kill, GROUP_PAUSE, on_condemned);
}

static void on_child(int signal)
{
	pid_t pid;
	int status;

	(void)signal;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct cgi *cgi = *slot_of(pid);

		while (cgi && (cgi->pid != pid || cgi->exited))
			cgi = cgi->next;
		if (cgi)
			bury(cgi, status);
	}
}

size_t cgi_count(void)
{
	return count;
}

void cgi_stop_all(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct cgi *next;

		for (struct cgi *cgi = by_pid[i]; cgi; cgi = next) {
			next = cgi->next;
			if (!cgi->owner && !cgi->condemned)
				cgi_stop(cgi);
		}
	}
}

void cgi_kill_all(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		for (struct cgi *cgi = by_pid[i]; cgi; cgi = cgi->next)
			if (!cgi->alone)
				kill(-cgi->group, SIGKILL);
}

bool cgi_open(const struct cgi_policy *wanted)
{
	policy = *wanted;
	return loop_catch(SIGCHLD, on_child);
}
