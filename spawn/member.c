#include <config.h>

#include "member.h"

#include "calls.h"
#include "journal.h"
#include "notify.h"
#include "program.h"
#include "ready.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { /* milliseconds */
	LEFT_OUT_AFTER = 1000, /* until it is told how many lines --log-rate has left out */
	RETRY_LEAST = 4,
	RETRY_MOST = 250,
	/* From the signal to KILL for one that serves to the last, at most */
	GRACE_MOST = 1000
};

enum { STOP_TRIES = 20, STOP_PAUSE_US = 200, READ_MOST = 16 };

/* The member that a part belongs to. */
#define MEMBER_OF(pointer, part) LOOP_OWNER(pointer, struct member, part)

struct member *member_first;
static struct member *member_last;
static const struct member_plan *plan;

/* Ends of pipes between fork and the program, for the child alone. */
static int child_output, child_birth;

void member_open(const struct member_plan *wanted)
{
	plan = wanted;
}

long member_count(void)
{
	long count = 0;

	for (const struct member *m = member_first; m; m = m->next)
		count++;
	return count;
}

bool member_is_here(const struct member *m)
{
	return m->phase <= MEMBER_READY;
}

static void link_member(struct member *m)
{
	m->prev = member_last;
	*(member_last ? &member_last->next : &member_first) = m;
	member_last = m;
}

static void unlink_member(struct member *m)
{
	*(m->prev ? &m->prev->next : &member_first) = m->next;
	*(m->next ? &m->next->prev : &member_last) = m->prev;
}

/* Its output. */

static void tell_line(void *context, const char *line, size_t size)
{
	struct member *m = context;

	snprintf(m->last[m->written++ % MEMBER_LAST_LINES], sizeof m->last[0], "%.*s", (int)size,
		 line);
	journal_write(m->child.pid, line, size);
}

/* The last line may say why the process ends: it is told, whatever the rate. */
static void tell_left_out(struct member *m)
{
	if (m->lines.dropped == 0)
		return;
	m->lines.dropped--;
	lines_tell_dropped(&m->lines, tell_line, m);
	tell_line(m, m->lines.last, strlen(m->lines.last));
}

static void on_left_out(struct deadline *d)
{
	tell_left_out(MEMBER_OF(d, left_out));
}

/* As much as is there, but others want to be heard too. */
static void read_output(struct member *m)
{
	char bytes[4096];
	ssize_t n = 0;

	for (int i = 0; i < READ_MOST && m->output.fd >= 0; i++) {
		n = read(m->output.fd, bytes, sizeof bytes);
		if (n <= 0)
			break;
		lines_take(&m->lines, bytes, (size_t)n, loop_now(), tell_line, m);
	}
	if (n == 0)
		loop_close(&m->output);
	if (m->lines.dropped > 0 && !deadline_is_set(&m->left_out))
		deadline_set(&m->left_out, LEFT_OUT_AFTER, on_left_out);
}

static void on_output(struct watch *watch, unsigned events)
{
	(void)events;
	read_output(MEMBER_OF(watch, output));
}

void member_flush(struct member *m)
{
	read_output(m);
	if (m->lines.size > 0)
		lines_take(&m->lines, "\n", 1, loop_now(), tell_line, m);
	tell_left_out(m);
	deadline_clear(&m->left_out);
}

const char *member_last_line(const struct member *m, unsigned number)
{
	unsigned kept = m->written < MEMBER_LAST_LINES ? m->written : MEMBER_LAST_LINES;

	return number < kept ? m->last[(m->written - kept + number) % MEMBER_LAST_LINES] : NULL;
}

/* Its start. */

/* In the child. */
static int become_program(struct child *child)
{
	int status;

	(void)child;
	report_to(NULL);
	if (plan->up)
		dup2(child_output, STDERR_FILENO);
	notify_leave();
	status = program_become(plan->settings, plan->identity, plan->listener, child_output);
	if (write(child_birth, "", 1) < 0) {
	}
	return status;
}

static void on_expiry(struct deadline *d)
{
	plan->expired(MEMBER_OF(d, expiry));
}

/* Comes late by a quarter of what the program took, at most. */
static void on_look_ready(struct deadline *d)
{
	struct member *m = MEMBER_OF(d, look_ready);
	int64_t passed = loop_now() - m->born, left = plan->settings->start_time - passed;
	int64_t pause = 1 + passed / 4;

	if (left > 0 && !ready_is_seen(m->child.pid, plan->listener, plan->identity)) {
		deadline_set(d, pause < left ? pause : left, on_look_ready);
		return;
	}
	m->phase = MEMBER_READY;
	plan->ready(m);
}

/* The end of this pipe came without a word: the program runs. */
static void on_birth(struct watch *watch, unsigned events)
{
	struct member *m = MEMBER_OF(watch, birth);
	char word;

	(void)events;
	m->failed = read(watch->fd, &word, 1) == 1;
	loop_close(watch);
	m->born = loop_now();
	if (!m->failed && m->phase == MEMBER_STARTING)
		deadline_set(&m->look_ready, 1, on_look_ready);
}

/* What a process has left behind is of no use to anybody, and is asked to end
 * even if that process was asked before. */
static void retire_remains(struct member *m)
{
	if (m->phase == MEMBER_ASKED && child_left_others(&m->child))
		m->phase = MEMBER_READY;
	if (m->phase <= MEMBER_READY)
		member_retire(m, plan->settings->stop_timeout);
}

static void on_ended(struct child *child, int status)
{
	struct member *m = MEMBER_OF(child, child);
	char word;

	if (m->birth.fd >= 0)
		m->failed = read(m->birth.fd, &word, 1) == 1;
	loop_close(&m->birth);
	deadline_clear(&m->look_ready);
	deadline_clear(&m->expiry);
	member_flush(m);
	plan->ended(m, status);
	retire_remains(m);
}

static void on_gone(struct child *child)
{
	struct member *m = MEMBER_OF(child, child);

	deadline_clear(&m->retry);
	member_flush(m);
	loop_close(&m->output);
	lines_free(&m->lines);
	unlink_member(m);
	plan->gone(m);
	free(m);
}

static const struct child_owner owner = {
	.work = become_program, .ended = on_ended, .gone = on_gone,
};

static struct member *new_member(void)
{
	struct member *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->output = m->birth = WATCH_NONE;
	m->lines.most = plan->settings->log_rate > 0 ? plan->settings->log_rate : -1;
	m->idle_since = loop_now();
	return m;
}

static bool watch_pipes(struct member *m, const int output[2], const int birth[2])
{
	for (int i = 0; i < 2; i++)
		fcntl(i ? birth[0] : output[0], F_SETFL, O_NONBLOCK);
	child_output = output[1];
	child_birth = birth[1];
	return loop_watch(&m->output, output[0], LOOP_READ, on_output) &&
	       loop_watch(&m->birth, birth[0], LOOP_READ, on_birth) &&
	       child_fork(&m->child, &owner, true);
}

static void close_pair(const int pair[2])
{
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
}

struct member *member_start(void)
{
	int output[2] = { -1, -1 }, birth[2] = { -1, -1 };
	struct member *m = new_member();
	int error;

	if (m && call_pipe(output, O_CLOEXEC) == 0 && call_pipe(birth, O_CLOEXEC) == 0 &&
	    watch_pipes(m, output, birth)) {
		close(output[1]);
		close(birth[1]);
		link_member(m);
		if (plan->settings->max_lifetime > 0)
			deadline_set(&m->expiry, plan->settings->max_lifetime, on_expiry);
		return m;
	}
	error = errno;
	if (m && m->output.fd >= 0) {
		loop_close(&m->output);
		output[0] = -1;
	}
	if (m && m->birth.fd >= 0) {
		loop_close(&m->birth);
		birth[0] = -1;
	}
	close_pair(output);
	close_pair(birth);
	free(m);
	errno = error;
	return NULL;
}

/* Its end. */

/*
 * Whether it serves nobody, which stays so until it goes on: a process that is
 * stopped accepts nothing. It may take a moment to stop, in a system call.
 */
static bool is_idle_while_stopped(struct census_entry *entry)
{
	const struct timespec pause = { .tv_nsec = STOP_PAUSE_US * 1000L };
	bool still = false, sure = false;
	long waiting;

	/* What it accepted on its way to the stop may have come behind the look at the
	 * connections: it takes a look that began when all was still. */
	for (int i = 0; i < STOP_TRIES && !sure; i++) {
		if (!census_take(entry, 1, &waiting))
			return false;
		sure = still || entry->processes == 0;
		still = entry->awake == 0;
		if (!still)
			nanosleep(&pause, NULL);
	}
	return sure && still && entry->connections == 0 && !entry->hidden;
}

/* A stop disturbs: sleeps and system calls with a time-out are cut short. One that is seen to
 * be busy is not stopped. */
static bool signal_if_idle(struct member *m, int signal)
{
	struct census_entry seen = { .leader = m->child.pid };
	long waiting;
	bool idle;

	if (!census_take(&seen, 1, &waiting) || seen.connections > 0 || seen.hidden)
		return false;
	child_signal_group(&m->child, SIGSTOP);
	idle = is_idle_while_stopped(&seen);
	if (idle)
		child_signal(&m->child, signal);
	child_signal_group(&m->child, SIGCONT);
	return idle;
}

static int64_t grace(void)
{
	int64_t quarter = plan->settings->stop_timeout / 4;

	return quarter < GRACE_MOST ? quarter : GRACE_MOST;
}

static void on_time_over(struct deadline *d)
{
	struct member *m = MEMBER_OF(child_of_kill(d), child);

	report("process %ld did not stop in time; killing it", (long)m->child.pid);
	child_signal_group(&m->child, SIGKILL);
}

static void ask(struct member *m);

static void on_time_nearly_over(struct deadline *d)
{
	struct member *m = MEMBER_OF(child_of_kill(d), child);
	int64_t left = m->end_at - loop_now();

	if (m->phase == MEMBER_RETIRING)
		ask(m);
	child_kill_after(&m->child, left > 1 ? left : 1, on_time_over);
}

/* It was asked to end, and nothing more has to end now. Who serves may go on. */
static void on_overdue(struct deadline *d)
{
	struct member *m = MEMBER_OF(child_of_kill(d), child);

	if (plan->watched && signal_if_idle(m, SIGKILL)) {
		report("process %ld did not stop in time, and is idle; killing it",
		       (long)m->child.pid);
		child_signal_group(&m->child, SIGKILL);
	} else {
		child_kill_after(&m->child, plan->settings->stop_timeout, on_overdue);
	}
}

static void be_asked(struct member *m)
{
	m->phase = MEMBER_ASKED;
	deadline_clear(&m->retry);
	if (!m->end_at)
		child_kill_after(&m->child, plan->settings->stop_timeout, on_overdue);
}

static void ask(struct member *m)
{
	child_signal(&m->child, plan->settings->stop_signal);
	be_asked(m);
}

bool member_retire_if_idle(struct member *m)
{
	if (!plan->watched || !signal_if_idle(m, plan->settings->stop_signal))
		return false;
	deadline_clear(&m->look_ready);
	deadline_clear(&m->expiry);
	be_asked(m);
	return true;
}

static void on_retry(struct deadline *d);

static void try_to_retire(struct member *m)
{
	int64_t stop_busy = plan->settings->stop_busy;

	if (!plan->watched || (stop_busy >= 0 && loop_now() - m->retiring_since >= stop_busy)) {
		ask(m);
	} else if (signal_if_idle(m, plan->settings->stop_signal)) {
		be_asked(m);
	} else {
		m->retry_delay = m->retry_delay < RETRY_MOST ? 2 * m->retry_delay : RETRY_MOST;
		deadline_set(&m->retry, m->retry_delay, on_retry);
	}
}

static void on_retry(struct deadline *d)
{
	try_to_retire(MEMBER_OF(d, retry));
}

static void bound(struct member *m, int64_t within)
{
	int64_t at = loop_now() + within, first = within - grace();

	if (m->end_at && m->end_at <= at)
		return;
	m->end_at = at;
	child_kill_after(&m->child, first > 1 ? first : 1, on_time_nearly_over);
}

void member_retire(struct member *m, int64_t within)
{
	if (within > 0)
		bound(m, within);
	if (m->phase >= MEMBER_RETIRING)
		return;
	m->phase = MEMBER_RETIRING;
	m->retiring_since = loop_now();
	m->retry_delay = RETRY_LEAST;
	deadline_clear(&m->look_ready);
	deadline_clear(&m->expiry);
	try_to_retire(m);
}

void member_kill(struct member *m)
{
	child_signal_group(&m->child, SIGKILL);
}

struct member *member_adopt(pid_t pid, int64_t started, int output, enum member_phase phase)
{
	struct member *m = new_member();
	int64_t left = plan->settings->max_lifetime - (loop_now() - started);

	if (!m)
		return NULL;
	child_adopt(&m->child, &owner, pid, started);
	link_member(m);
	if (output >= 0 && fcntl(output, F_SETFL, O_NONBLOCK) == 0)
		loop_watch(&m->output, output, LOOP_READ, on_output);
	m->born = started;
	m->phase = phase == MEMBER_RETIRING ? MEMBER_READY : phase;
	if (plan->settings->max_lifetime > 0)
		deadline_set(&m->expiry, left > 1 ? left : 1, on_expiry);
	if (phase == MEMBER_STARTING)
		deadline_set(&m->look_ready, 1, on_look_ready);
	else if (phase == MEMBER_RETIRING)
		member_retire(m, 0);
	else if (phase == MEMBER_ASKED)
		be_asked(m);
	return m;
}
