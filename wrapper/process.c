#include <config.h>

#include "process.h"

#include "explain.h"
#include "os.h"
#include "report.h"
#include "scoreboard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	BUCKETS = 256,
	EARLY_MOST = 1024, /* exits kept; beyond, the oldest is dropped */
	/* milliseconds */
	GROUP_PAUSE = 20,
	GROUP_PAUSE_MOST = 1000,
	LAUNCH_LOOK = 50, /* at starts */
	DRAIN_PAUSE = 10,
	DRAIN_SIZE = 64 * 1024 /* bytes */
};

/* Exit of a child before its start was known here. */
struct early {
	pid_t pid; /* 0: taken */
	int status;
	unsigned long number; /* of the last start before the exit */
	struct os_usage usage;
};

static struct process *by_pid[BUCKETS];
static const struct settings *settings;
static size_t count;
static unsigned long starts;
static struct process *launching_first, *launching_last; /* in order of start */
static struct deadline launch_look;
static struct early early[EARLY_MOST]; /* a ring */
static size_t early_first, early_count;

static struct process **bucket_of(pid_t pid)
{
	return &by_pid[(unsigned long)pid % BUCKETS];
}

static void process_close_watches(struct process *p)
{
	loop_close(&p->input);
	loop_close(&p->output);
	loop_close(&p->errors);
}

/* Launching processes have pid 0. */
static void process_enter(struct process *p, pid_t pid)
{
	p->pid = pid;
	p->next = *bucket_of(pid);
	*bucket_of(pid) = p;
}

static void process_leave(struct process *p)
{
	struct process **link = bucket_of(p->pid);

	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
}

/*
 * A group outlives its leader while a member is left, and keeps the number from reuse: so
 * the group may be signalled after the script was reaped, unless empty then (alone). If the
 * script does not lead the group and has exited or left, the number may have been reused:
 * os_keeps_group() tells. -1 with errno: ESRCH if no member is left.
 */
static int process_signal_group(const struct process *p, int signal)
{
	if (p->group != p->pid && (p->exited || os_group_of(p->pid) != p->group) &&
	    !os_keeps_group(p->group)) {
		errno = ESRCH;
		return -1;
	}
	return os_kill(-p->group, signal);
}

static bool process_group_is_empty(const struct process *p)
{
	return p->alone || ((process_signal_group(p, 0) < 0 && errno == ESRCH) &&
			    (!p->leads || (os_kill(-p->pid, 0) < 0 && errno == ESRCH)));
}

static void process_free(struct process *p)
{
	process_leave(p);
	count--;
	slots_give(p->slot_kind, p->slot);
	if (p->job.group > 0)
		launcher_free_group(p->job.group, process_group_is_empty(p));
	deadline_clear(&p->next_look);
	deadline_clear(&p->drain);
	process_close_watches(p);
	upload_free(p->upload);
	asking_free(p->job.asking);
	free(p);
}

/* Signals. */

/* Signals the group, and a script that has moved to another group or leads one of its own. */
static void process_signal(const struct process *p, int signal)
{
	pid_t now;

	if (p->launching) {
		pid_t child = atomic_load(&p->job.child);

		/* on_child() may have reaped the child, and the pid been reused. */
		if (child > 0 && os_is_child(child))
			os_kill(child, signal);
		return;
	}
	if (p->alone)
		return;
	process_signal_group(p, signal);
	if (p->leads)
		os_kill(-p->pid, signal);
	if (p->exited)
		return;
	now = os_group_of(p->pid);
	if (now == p->pid)
		os_kill(-p->pid, signal);
	else if (now != p->group)
		os_kill(p->pid, signal);
}

/* Detached scripts. */

static void on_next_look(struct deadline *d);

/* Looks again at end_at; and now and then at the group of a script that has exited, since no
 * signal tells when the last member has ended and been reaped by another parent. */
static void process_look_later(struct process *p)
{
	int64_t delay = p->end_at ? p->end_at - loop_now() : INT64_MAX;

	if (p->exited && delay > p->look_pause) {
		delay = p->look_pause;
		if (p->state == PROCESS_BACKGROUND && 2 * p->look_pause <= GROUP_PAUSE_MOST)
			p->look_pause *= 2;
	}
	if (delay < INT64_MAX)
		deadline_set(&p->next_look, delay < 1 ? 1 : delay, on_next_look);
}

static void on_next_look(struct deadline *d)
{
	struct process *p = LOOP_OWNER(d, struct process, next_look);
	bool due = p->end_at && loop_now() >= p->end_at;

	if (p->exited && process_group_is_empty(p)) {
		process_free(p);
	} else if (due && p->state == PROCESS_BACKGROUND) {
		report("process %ld is still at work %g s after its request; ending it",
		       (long)p->pid, (double)settings->background_timeout / 1000);
		process_terminate(p);
	} else if (due) {
		process_signal(p, SIGKILL);
		if (p->exited) {
			process_free(p);
			return;
		}
		if (!p->launching && os_kill(p->pid, 0) < 0 && errno == EPERM)
			report("process %ld cannot be ended: %s (it has changed its user?)",
			       (long)p->pid, strerror(errno));
		p->end_at = 0; /* an unkillable script keeps the slot until exit */
	} else {
		process_look_later(p);
	}
}

void process_terminate(struct process *p)
{
	p->owner = NULL;
	p->state = PROCESS_TERMINATING;
	loop_want(&p->input, 0);
	loop_close(&p->output);
	loop_close(&p->errors);
	if (p->exited && process_group_is_empty(p)) {
		process_free(p);
		return;
	}
	/* If the start has finished, but is not known here yet, process_started() signals the
	 * group. */
	if (!p->launching || !launcher_await(&p->job))
		process_signal(p, SIGTERM);
	p->end_at = loop_now() + settings->kill_after;
	p->look_pause = GROUP_PAUSE;
	process_look_later(p);
}

/* Passes on the body. If that fails, terminates the script, which must not take a part of the
 * body for the whole, and returns false. */
static bool process_feed(struct process *p)
{
	if (upload_feed(p->upload, p->input.fd) != UPLOAD_OK) {
		report("process %ld cannot be given the rest of its request body: %s; ending it",
		       (long)p->pid, strerror(errno));
		process_terminate(p);
		return false;
	}
	if (upload_is_done(p->upload))
		loop_close(&p->input);
	else
		loop_want(&p->input, upload_wants_room(p->upload) ? LOOP_WRITE : 0);
	return true;
}

/* Gives the running slot back, if there is a slot for the background. */
static void process_go_to_background(struct process *p)
{
	/* The running slot is the starter's until the script has started. */
	long slot = p->launching ? SLOT_NONE : slots_take(SLOT_BACKGROUND);

	p->state = PROCESS_BACKGROUND;
	p->end_at = settings->background_timeout ? loop_now() + settings->background_timeout : 0;
	p->look_pause = GROUP_PAUSE;
	if (slot == SLOT_NONE)
		return;
	slots_give(p->slot_kind, p->slot);
	p->slot_kind = SLOT_BACKGROUND;
	p->slot = slot;
}

void process_detach(struct process *p)
{
	p->owner = NULL;
	if (p->exited && process_group_is_empty(p)) {
		process_free(p);
		return;
	}
	process_go_to_background(p);
	if (p->launching) {
		process_look_later(p); /* process_started() does the rest */
		return;
	}
	if (p->input.fd >= 0 && !process_feed(p))
		return;
	loop_want(&p->output, LOOP_READ);
	loop_want(&p->errors, LOOP_READ);
	process_look_later(p);
}

/* Pipes. */

/* Output of a detached script is read and discarded, one piece of each pipe in DRAIN_PAUSE, so
 * that endless output takes little processor time. */
static void on_drain(struct deadline *d)
{
	struct process *p = LOOP_OWNER(d, struct process, drain);

	loop_want(&p->output, LOOP_READ);
	loop_want(&p->errors, LOOP_READ);
}

static void process_drain(struct process *p, struct watch *watch)
{
	static char bytes[DRAIN_SIZE];
	ssize_t n = os_read(watch->fd, bytes, sizeof bytes);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) {
		loop_close(watch);
	} else {
		loop_want(watch, 0);
		if (!deadline_is_set(&p->drain))
			deadline_set(&p->drain, DRAIN_PAUSE, on_drain);
	}
}

static void on_input(struct watch *watch, unsigned events)
{
	struct process *p = LOOP_OWNER(watch, struct process, input);

	(void)events;
	upload_room(p->upload);
	if (p->owner)
		p->events->input(p->owner);
	else
		process_feed(p);
}

/* Output waits until the start is known here. */
static void process_take_start(struct process *p, struct watch *watch)
{
	if (!launcher_take(&p->job))
		loop_want(watch, 0);
}

static void on_output(struct watch *watch, unsigned events)
{
	struct process *p = LOOP_OWNER(watch, struct process, output);

	if (p->launching)
		process_take_start(p, watch);
	else if (p->owner)
		p->events->output(p->owner, events & LOOP_HANGUP);
	else
		process_drain(p, watch);
}

static void on_errors(struct watch *watch, unsigned events)
{
	struct process *p = LOOP_OWNER(watch, struct process, errors);

	(void)events;
	if (p->launching)
		process_take_start(p, watch);
	else if (p->owner)
		p->events->errors(p->owner);
	else
		process_drain(p, watch);
}

/* Opens a pipe, our end for a watch, the script's for the job. False with errno; the caller
 * closes the script's end. */
static bool process_open_pipe(struct process *p, struct watch *watch, int number,
			      void (*ready)(struct watch *, unsigned))
{
	int ends[2], ours = number == STDIN_FILENO, saved;

	if (!os_pipe(ends, ours))
		return false;
	p->job.ends[number] = ends[!ours];
	/* request_derive() sets the interest once the script runs. Without a body the start is
	 * not awaited, and the first output wakes the loop. */
	if (loop_watch(watch, ends[ours], p->upload ? 0 : LOOP_READ, ready))
		return true;
	saved = errno;
	os_close(ends[ours]);
	errno = saved;
	return false;
}

static bool process_open_pipes(struct process *p)
{
	return (!p->upload || process_open_pipe(p, &p->input, STDIN_FILENO, on_input)) &&
	       process_open_pipe(p, &p->output, STDOUT_FILENO, on_output) &&
	       process_open_pipe(p, &p->errors, STDERR_FILENO, on_errors);
}

/* The start. */

static void count_end(int status)
{
	scoreboard_add(WIFSIGNALED(status)    ? SCORE_KILLED
		       : WEXITSTATUS(status)  ? SCORE_EXITED
					      : SCORE_EXITED_0, 1);
}

static void process_note_exit(struct process *p, int status, const struct os_usage *usage)
{
	count_end(status);
	explain_exit(status);
	p->exited = true;
	p->leads = os_kill(-p->pid, 0) == 0;
	p->alone = process_group_is_empty(p);
	p->status = status;
	p->usage = *usage;
}

static void process_exited(struct process *p, int status, const struct os_usage *usage)
{
	process_note_exit(p, status, usage);
	if (p->owner)
		p->events->exited(p->owner);
	/* No other process is left, or KILL was sent already. */
	else if (p->alone || (p->state == PROCESS_TERMINATING && !p->end_at))
		process_free(p);
	else
		process_look_later(p);
}

/* exited: of a script reaped already, not to be signalled any more; or NULL. */
static void process_started(struct process *p, const struct early *exited)
{
	process_leave(p);
	process_enter(p, p->job.pid);
	p->started = p->job.at < loop_now() ? p->job.at : loop_now();
	scoreboard_add(p->job.warm ? SCORE_WARM : SCORE_COLD, 1);
	deadline_clear(&p->next_look);
	if (exited)
		process_note_exit(p, exited->status, &exited->usage);
	switch (p->state) {
	case PROCESS_ATTACHED:
		p->events->started(p->owner);
		if (exited)
			p->events->exited(p->owner);
		break;
	case PROCESS_BACKGROUND:
		process_detach(p);
		break;
	case PROCESS_TERMINATING:
		process_terminate(p);
		break;
	}
}

/* Takes finished starts, since a successful start need not wake the loop. Sends CONT to
 * children that have not executed a script yet: STOP for our process group may hit a child
 * that is leaving the group, where CONT for the group misses the child. */
static void on_launch_look(struct deadline *d)
{
	launcher_take_finished();
	for (struct process *p = launching_first; p; p = p->later)
		process_signal(p, SIGCONT);
	if (launching_first)
		deadline_set(d, LAUNCH_LOOK, on_launch_look);
}

static void launching_enter(struct process *p)
{
	if (!launching_first)
		deadline_set(&launch_look, LAUNCH_LOOK, on_launch_look);
	p->launching = true;
	p->number = ++starts;
	p->earlier = launching_last;
	*(launching_last ? &launching_last->later : &launching_first) = p;
	launching_last = p;
}

static void launching_leave(struct process *p)
{
	p->launching = false;
	*(p->earlier ? &p->earlier->later : &launching_first) = p->later;
	*(p->later ? &p->later->earlier : &launching_last) = p->earlier;
	if (!launching_first)
		deadline_clear(&launch_look);
}

/* Children that exit before on_job_done(), or belong to no job, such as templates. */

static void early_drop(void)
{
	early_first = (early_first + 1) % EARLY_MOST;
	early_count--;
}

/* Drops exits from before the oldest start in progress. */
static void early_drop_unasked(void)
{
	while (early_count > 0 &&
	       (!launching_first || early[early_first].number < launching_first->number))
		early_drop();
}

static void early_note(pid_t pid, int status, const struct os_usage *usage)
{
	if (early_count == EARLY_MOST)
		early_drop();
	early[(early_first + early_count++) % EARLY_MOST] = (struct early){ pid, status, starts, *usage };
}

/* True with its end if a child has exited already; the entry is dropped. False if pid is
 * still a child: the entry was of an earlier one. */
static bool process_ended_early(pid_t pid, struct early *end)
{
	for (size_t i = early_count; pid > 0 && i-- > 0;) {
		struct early *e = &early[(early_first + i) % EARLY_MOST];

		if (e->pid == pid) {
			*end = *e;
			e->pid = 0;
			return !os_is_child(pid);
		}
	}
	return false;
}

static void on_job_done(struct launch_job *job)
{
	struct process *p = LOOP_OWNER(job, struct process, job);
	struct early end;

	launching_leave(p);
	explain_start(job);
	process_ended_early(job->group, &end);
	p->group = job->group ? job->group : job->pid;
	if (job->pid < 0) {
		pid_t child = atomic_load(&job->child);

		if (!process_ended_early(child, &end) && child > 0)
			os_reap_child(child);
		if (p->owner)
			p->events->failed(p->owner);
		process_free(p);
	} else {
		process_started(p, process_ended_early(job->pid, &end) ? &end : NULL);
	}
	early_drop_unasked();
}

struct process *process_start(struct asking *asking, struct upload *upload, long slot,
			      const struct process_events *events, void *owner)
{
	struct process *p = calloc(1, sizeof *p);
	int saved;

	if (!p) {
		slots_give(SLOT_RUNNING, slot);
		return NULL;
	}
	count++;
	process_enter(p, 0);
	p->input = p->output = p->errors = WATCH_NONE;
	p->slot_kind = SLOT_RUNNING;
	p->slot = slot;
	p->upload = upload;
	p->job = (struct launch_job){ .slot = slot, .ends = { -1, -1, -1 },
				      .awaited = upload || explain_is_open(), .done = on_job_done };
	if (!process_open_pipes(p)) {
		saved = errno;
		for (int i = 0; i < 3; i++)
			if (p->job.ends[i] >= 0)
				os_close(p->job.ends[i]);
		p->upload = NULL;
		process_free(p);
		errno = saved;
		return NULL;
	}
	p->job.asking = asking;
	p->job.received = upload ? upload->received : 0;
	p->events = events;
	p->owner = owner;
	launching_enter(p);
	launcher_start(&p->job);
	return p;
}

/* The end. */

static void count_usage(const struct os_usage *usage)
{
	scoreboard_add(SCORE_CPU_USER, usage->user);
	scoreboard_add(SCORE_CPU_SYSTEM, usage->system);
	scoreboard_note_memory(usage->memory);
	explain_usage(usage);
}

static void on_child(int signal)
{
	struct os_usage usage;
	pid_t pid;
	int status;

	(void)signal;
	if (launching_first)
		launcher_take_finished();
	while ((pid = os_reap(&status, &usage)) > 0) {
		struct process *p = *bucket_of(pid);

		while (p && (p->pid != pid || p->exited))
			p = p->next;
		/* Other children, such as templates, are no scripts. */
		if (p || launching_first)
			count_usage(&usage);
		if (p)
			process_exited(p, status, &usage);
		else if (launching_first)
			early_note(pid, status, &usage);
	}
}

size_t process_count(void)
{
	return count;
}

void process_terminate_remains(void)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct process *p = by_pid[i]; p; p = p->next)
			if (!p->exited)
				return;
	process_terminate_all();
}

void process_terminate_all(void)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct process *next;

		for (struct process *p = by_pid[i]; p; p = next) {
			next = p->next;
			if (!p->owner && p->state != PROCESS_TERMINATING)
				process_terminate(p);
		}
	}
}

void process_kill_all(void)
{
	launcher_take_finished();
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct process *p = by_pid[i]; p; p = p->next)
			process_signal(p, SIGKILL);
}

bool process_open(const struct settings *s)
{
	settings = s;
	return loop_catch(SIGCHLD, on_child);
}
