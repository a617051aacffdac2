#include <config.h>

#include "worker.h"

#include "calls.h"
#include "census.h"
#include "counts.h"
#include "journal.h"
#include "lifeline.h"
#include "notify.h"
#include "program.h"
#include "ready.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Milliseconds until the number of lines left out by --log-rate is logged. */
enum { LEFT_OUT_AFTER = 1000 };

enum { READ_MOST = 16 };

#define WORKER_OF(pointer, part) LOOP_OWNER(pointer, struct worker, part)

struct worker *worker_first;
static struct worker *worker_last;
static const struct worker_plan *plan;

static pid_t tied_to; /* our pid, if workers end with this process; else 0 */

/* Write ends of pipes, for the child alone, between fork and exec. */
static int child_output, child_birth;

void worker_open(const struct worker_plan *wanted)
{
	plan = wanted;
	tied_to = plan->settings->outlive ? 0 : getpid();
	if (tied_to)
		lifeline_open();
}

long worker_count(void)
{
	long count = 0;

	for (const struct worker *w = worker_first; w; w = w->next)
		count++;
	return count;
}

bool worker_is_here(const struct worker *w)
{
	return w->phase <= WORKER_READY;
}

static void link_worker(struct worker *w)
{
	w->prev = worker_last;
	*(worker_last ? &worker_last->next : &worker_first) = w;
	worker_last = w;
}

static void unlink_worker(struct worker *w)
{
	*(w->prev ? &w->prev->next : &worker_first) = w->next;
	*(w->next ? &w->next->prev : &worker_last) = w->prev;
}

/* Output. */

static void tell_line(void *context, const char *line, size_t size)
{
	struct worker *w = context;

	snprintf(w->last[w->written++ % WORKER_LAST_LINES], sizeof w->last[0], "%.*s", (int)size,
		 line);
	journal_write(w->child.pid, line, size);
}

/* The last line may give the reason of an end: logged even above --log-rate. */
static void tell_left_out(struct worker *w)
{
	if (w->lines.dropped == 0)
		return;
	w->lines.dropped--;
	lines_tell_dropped(&w->lines, tell_line, w);
	tell_line(w, w->lines.last, strlen(w->lines.last));
}

static void on_left_out(struct deadline *d)
{
	tell_left_out(WORKER_OF(d, left_out));
}

/* Reads the output there is, but with a bound, to be fair to other workers. */
static void read_output(struct worker *w)
{
	char bytes[4096];
	ssize_t n = 0;

	for (int i = 0; i < READ_MOST && w->output.fd >= 0; i++) {
		n = read(w->output.fd, bytes, sizeof bytes);
		if (n <= 0)
			break;
		lines_take(&w->lines, bytes, (size_t)n, loop_now(), tell_line, w);
	}
	if (n == 0)
		loop_close(&w->output);
	if (w->lines.dropped > 0 && !deadline_is_set(&w->left_out))
		deadline_set(&w->left_out, LEFT_OUT_AFTER, on_left_out);
}

static void on_output(struct watch *watch, unsigned events)
{
	(void)events;
	read_output(WORKER_OF(watch, output));
}

void worker_flush(struct worker *w)
{
	read_output(w);
	if (w->lines.size > 0)
		lines_take(&w->lines, "\n", 1, loop_now(), tell_line, w);
	tell_left_out(w);
	deadline_clear(&w->left_out);
}

const char *worker_last_line(const struct worker *w, unsigned number)
{
	unsigned kept = w->written < WORKER_LAST_LINES ? w->written : WORKER_LAST_LINES;

	return number < kept ? w->last[(w->written - kept + number) % WORKER_LAST_LINES] : NULL;
}

/* Start. */

static int listener_of(const struct worker *w)
{
	return w->former ? plan->former : plan->listener;
}

/* In the child. */
static int become_program(struct child *child)
{
	const struct worker *w = WORKER_OF(child, child);
	int status;

	report_to(NULL);
	if (plan->up)
		dup2(child_output, STDERR_FILENO);
	notify_leave();
	status = program_become(plan->settings, plan->identity, listener_of(w), child_output,
				tied_to);
	if (write(child_birth, "", 1) < 0) {
	}
	return status;
}

static void on_expiry(struct deadline *d)
{
	plan->expired(WORKER_OF(d, expiry));
}

static void become_ready(struct worker *w)
{
	w->phase = WORKER_READY;
	plan->ready(w);
}

/* Pauses grow, to notice readiness late by a quarter of the start at most. */
static void on_look_ready(struct deadline *d)
{
	struct worker *w = WORKER_OF(d, look_ready);
	int64_t passed = loop_now() - w->born, left = plan->settings->start_time - passed;
	int64_t pause = 1 + passed / 4;

	if (left > 0 && !ready_is_seen(w->child.pid, listener_of(w), plan->identity)) {
		deadline_set(d, pause < left ? pause : left, on_look_ready);
		return;
	}
	become_ready(w);
}

/* End of the pipe: without a byte the program runs, with a byte the start has failed. */
static void on_birth(struct watch *watch, unsigned events)
{
	struct worker *w = WORKER_OF(watch, birth);
	char word;

	(void)events;
	w->failed = read(watch->fd, &word, 1) == 1;
	loop_close(watch);
	w->born = loop_now();
	if (!w->failed && w->phase == WORKER_STARTING)
		deadline_set(&w->look_ready, 1, on_look_ready);
}

static void on_ended(struct child *child, int status)
{
	struct worker *w = WORKER_OF(child, child);
	char word;

	if (w->birth.fd >= 0)
		w->failed = read(w->birth.fd, &word, 1) == 1;
	loop_close(&w->birth);
	/* Late deadlines pass after events: the one for readiness may still be set. */
	if (w->phase == WORKER_STARTING && w->born != 0 && !w->failed &&
	    loop_now() - w->born >= plan->settings->start_time)
		become_ready(w);
	worker_let_go(w);
	worker_flush(w);
	plan->ended(w, status);
}

static void on_gone(struct child *child)
{
	struct worker *w = WORKER_OF(child, child);

	worker_flush(w);
	loop_close(&w->output);
	lines_free(&w->lines);
	unlink_worker(w);
	plan->gone(w);
	free(w);
}

static bool is_left(const struct child *child)
{
	return census_is_left(child->pid, child->started);
}

static const struct child_owner owner = {
	.work = become_program, .ended = on_ended, .left = is_left, .gone = on_gone,
};

static struct worker *new_worker(void)
{
	struct worker *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->output = w->birth = WATCH_NONE;
	w->lines.most = plan->settings->log_rate > 0 ? plan->settings->log_rate : -1;
	w->idle_since = loop_now();
	w->large_after = -1;
	return w;
}

static bool watch_pipes(struct worker *w, const int output[2], const int birth[2])
{
	for (int i = 0; i < 2; i++)
		fcntl(i ? birth[0] : output[0], F_SETFL, O_NONBLOCK);
	child_output = output[1];
	child_birth = birth[1];
	return loop_watch(&w->output, output[0], LOOP_READ, on_output) &&
	       loop_watch(&w->birth, birth[0], LOOP_READ, on_birth) &&
	       child_fork(&w->child, &owner, true);
}

static void close_pair(const int pair[2])
{
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
}

struct worker *worker_start(bool former)
{
	int output[2] = { -1, -1 }, birth[2] = { -1, -1 };
	struct worker *w = new_worker();
	int error;

	if (w)
		w->former = former;
	if (w && call_pipe(output, O_CLOEXEC) == 0 && call_pipe(birth, O_CLOEXEC) == 0 &&
	    watch_pipes(w, output, birth)) {
		close(output[1]);
		close(birth[1]);
		link_worker(w);
		counts.starts++;
		if (plan->settings->max_lifetime > 0)
			deadline_set(&w->expiry, plan->settings->max_lifetime, on_expiry);
		return w;
	}
	error = errno;
	if (w && w->output.fd >= 0) {
		loop_close(&w->output);
		output[0] = -1;
	}
	if (w && w->birth.fd >= 0) {
		loop_close(&w->birth);
		birth[0] = -1;
	}
	close_pair(output);
	close_pair(birth);
	free(w);
	errno = error;
	return NULL;
}

struct worker *worker_adopt(const struct handover_worker *from)
{
	struct worker *w = new_worker();
	int64_t left = plan->settings->max_lifetime - (loop_now() - from->started);

	if (!w)
		return NULL;
	child_adopt(&w->child, &owner, from->pid, from->started);
	link_worker(w);
	if (from->output >= 0 && (fcntl(from->output, F_SETFL, O_NONBLOCK) < 0 ||
				  !loop_watch(&w->output, from->output, LOOP_READ, on_output)))
		report("output of process %ld is not read: %s", (long)from->pid, strerror(errno));
	w->born = from->started;
	w->phase = (enum worker_phase)from->phase;
	w->outdated = from->outdated;
	w->adopted = true;
	if (worker_is_here(w) && plan->settings->max_lifetime > 0)
		deadline_set(&w->expiry, left > 1 ? left : 1, on_expiry);
	if (w->phase == WORKER_STARTING)
		deadline_set(&w->look_ready, 1, on_look_ready);
	return w;
}

void worker_describe(const struct worker *w, struct handover_worker *out)
{
	*out = (struct handover_worker){
		.pid = w->child.pid, .started = w->child.started, .output = w->output.fd,
		.phase = w->phase, .outdated = w->outdated,
	};
}

void worker_let_go(struct worker *w)
{
	deadline_clear(&w->look_ready);
	deadline_clear(&w->expiry);
}

static void signal_session(struct worker *w, int signal)
{
	child_signal_group(&w->child, signal);
	census_signal_others(&w->child.pid, 1, signal);
}

void worker_signal(struct worker *w, int signal)
{
	if (w->child.ended)
		signal_session(w, signal);
	else
		child_signal(&w->child, signal);
}

void worker_kill(struct worker *w)
{
	signal_session(w, SIGKILL);
}
