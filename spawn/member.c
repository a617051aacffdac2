#include <config.h>

#include "member.h"

#include "calls.h"
#include "journal.h"
#include "notify.h"
#include "program.h"
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
	GROWN_AFTER = 100,
	RETRY_LEAST = 4,
	RETRY_MOST = 250,
	/* How long one that ends gracefully by itself is found busy before it is
	 * left to that: one that it serves at all times is never found idle. */
	PATIENCE = 1000
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
	return m->phase <= MEMBER_RUNNING;
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
}

static void on_output(struct watch *watch, unsigned events)
{
	(void)events;
	read_output(MEMBER_OF(watch, output));
}

void member_flush(struct member *m)
{
	read_output(m);
	lines_end(&m->lines, tell_line, m);
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

static void on_grown(struct deadline *d)
{
	struct member *m = MEMBER_OF(d, grown);

	if (m->phase == MEMBER_STARTING)
		m->phase = MEMBER_RUNNING;
	plan->grown(m);
}

/* The end of this pipe came without a word: the program runs. */
static void on_birth(struct watch *watch, unsigned events)
{
	struct member *m = MEMBER_OF(watch, birth);
	char word;

	(void)events;
	m->failed = read(watch->fd, &word, 1) == 1;
	loop_close(watch);
	if (!m->failed)
		deadline_set(&m->grown, GROWN_AFTER, on_grown);
}

/* What a process has left behind is of no use to anybody, and is asked to end
 * even if that process was asked before. */
static void retire_remains(struct member *m)
{
	if (m->phase == MEMBER_ASKED && child_left_others(&m->child))
		m->phase = MEMBER_RUNNING;
	if (m->phase <= MEMBER_RUNNING)
		member_retire(m);
}

static void on_ended(struct child *child, int status)
{
	struct member *m = MEMBER_OF(child, child);
	char word;

	if (m->birth.fd >= 0)
		m->failed = read(m->birth.fd, &word, 1) == 1;
	loop_close(&m->birth);
	deadline_clear(&m->grown);
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
	m->lines.all = true;
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

struct member *member_adopt(pid_t pid, int64_t started, int output, bool retiring)
{
	struct member *m = new_member();
	int64_t left = plan->settings->max_lifetime - (loop_now() - started);

	if (!m)
		return NULL;
	child_adopt(&m->child, &owner, pid, started);
	link_member(m);
	if (output >= 0 && fcntl(output, F_SETFL, O_NONBLOCK) == 0)
		loop_watch(&m->output, output, LOOP_READ, on_output);
	m->phase = MEMBER_RUNNING;
	if (plan->settings->max_lifetime > 0)
		deadline_set(&m->expiry, left > 1 ? left : 1, on_expiry);
	if (retiring)
		member_retire(m);
	return m;
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
static bool signal_if_idle(struct member *m, int signal, struct census_entry *seen)
{
	long waiting;
	bool idle;

	*seen = (struct census_entry){ .leader = m->child.pid };
	if (!census_take(seen, 1, &waiting) || seen->connections > 0 || seen->hidden)
		return false;
	child_signal_group(&m->child, SIGSTOP);
	idle = is_idle_while_stopped(seen);
	if (idle)
		child_signal(&m->child, signal);
	child_signal_group(&m->child, SIGCONT);
	return idle;
}

static void ask(struct member *m);

static bool is_hidden(const struct member *m)
{
	struct census_entry seen = { .leader = m->child.pid };
	long waiting;

	return census_take(&seen, 1, &waiting) && seen.hidden;
}

/* It has not ended in time after it was asked to, or nobody can see when to ask. */
static void on_overdue(struct deadline *d)
{
	struct member *m = MEMBER_OF(child_of_kill(d), child);
	struct census_entry seen;

	if (m->forced) {
		report("process %ld did not stop in time; killing it", (long)m->child.pid);
		child_signal_group(&m->child, SIGKILL);
	} else if (m->phase == MEMBER_ASKED && plan->watched &&
		   signal_if_idle(m, SIGKILL, &seen)) {
		report("process %ld did not stop in time, and is idle; killing it",
		       (long)m->child.pid);
		child_signal_group(&m->child, SIGKILL);
	} else if (m->phase == MEMBER_RETIRING && is_hidden(m)) {
		ask(m);
	} else {
		child_kill_after(&m->child, plan->settings->stop_timeout, on_overdue);
	}
}

static void be_asked(struct member *m)
{
	m->phase = MEMBER_ASKED;
	deadline_clear(&m->retry);
	if (!m->forced)
		child_kill_after(&m->child, plan->settings->stop_timeout, on_overdue);
}

static void ask(struct member *m)
{
	child_signal(&m->child, plan->settings->stop_signal);
	be_asked(m);
}

bool member_retire_if_idle(struct member *m)
{
	struct census_entry seen;

	if (!plan->watched || !signal_if_idle(m, plan->settings->stop_signal, &seen))
		return false;
	be_asked(m);
	return true;
}

/* Whether it is better to leave it to the process when to end. */
static bool is_trusted(const struct member *m, bool together)
{
	if (m->child.ended || !census_handles(m->child.pid, plan->settings->stop_signal))
		return false;
	return together || loop_now() - m->retiring_since >= PATIENCE;
}

static void try_to_retire(struct member *m);

static void on_retry(struct deadline *d)
{
	try_to_retire(MEMBER_OF(d, retry));
}

static void try_to_retire(struct member *m)
{
	struct census_entry seen;

	if (!plan->watched || m->birth.fd >= 0) {
		ask(m);
		return;
	}
	if (signal_if_idle(m, plan->settings->stop_signal, &seen)) {
		be_asked(m);
	} else if (is_trusted(m, seen.together)) {
		ask(m);
	} else {
		if (seen.hidden && !m->child.kill.lane)
			child_kill_after(&m->child, plan->settings->stop_timeout, on_overdue);
		m->retry_delay = m->retry_delay < RETRY_MOST ? 2 * m->retry_delay : RETRY_MOST;
		deadline_set(&m->retry, m->retry_delay, on_retry);
	}
}

void member_retire(struct member *m)
{
	if (m->phase >= MEMBER_RETIRING)
		return;
	m->phase = MEMBER_RETIRING;
	m->retiring_since = loop_now();
	m->retry_delay = RETRY_LEAST;
	deadline_clear(&m->expiry);
	try_to_retire(m);
}

void member_stop(struct member *m)
{
	m->forced = true;
	child_kill_after(&m->child, plan->settings->stop_timeout, on_overdue);
	member_retire(m);
}

void member_kill(struct member *m)
{
	child_signal_group(&m->child, SIGKILL);
}
