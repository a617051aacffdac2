#include <config.h>

#include "retire.h"

#include "census.h"
#include "report.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { /* milliseconds */
	RETRY_LEAST = 4,
	RETRY_MOST = 250,
	/* From the stop signal to KILL, for a worker that stays busy */
	GRACE_MOST = 1000
};

enum { STOP_TRIES = 20, STOP_PAUSE_US = 200 };

static const struct settings *settings;
static bool watched;
static struct deadline next_look; /* at all retiring workers */
static int64_t delay;             /* before the look after next_look */

void retire_open(const struct settings *wanted, bool is_watched)
{
	settings = wanted;
	watched = is_watched;
}

/* Idle workers. */

/* A worker that may be idle. */
struct suspect {
	struct worker *worker;
	bool still; /* stopped at the last look */
	bool idle;  /* for sure, until continued */
};

struct suspects {
	struct suspect *list;
	struct census_entry *entries; /* same order */
	pid_t *leaders;
	size_t count;
};

static bool take_census(struct suspects *s)
{
	long waiting;

	for (size_t i = 0; i < s->count; i++)
		s->entries[i].leader = s->leaders[i] = s->list[i].worker->child.pid;
	return census_take(s->entries, s->count, &waiting);
}

static bool seems_idle(const struct census_entry *entry)
{
	return entry->connections == 0 && !entry->hidden;
}

static void drop_busy(struct suspects *s)
{
	size_t left = 0;

	for (size_t i = 0; i < s->count; i++)
		if (seems_idle(&s->entries[i]))
			s->list[left++] = s->list[i];
	s->count = left;
}

/* A process may still accept a connection on its way to the stop, after the look at its
 * connections: only a look that began with all processes stopped proves a worker idle. True
 * if the look decides on all. */
static bool judge_all(struct suspects *s)
{
	bool all = true;

	for (size_t i = 0; i < s->count; i++) {
		struct suspect *suspect = &s->list[i];
		const struct census_entry *entry = &s->entries[i];
		bool sure = suspect->still || entry->processes == 0;

		suspect->still = entry->awake == 0;
		suspect->idle = sure && suspect->still && seems_idle(entry);
		all &= sure;
	}
	return all;
}

/* A stopped process accepts nothing, but may take a moment to stop, in a system call. */
static void watch_stopped(struct suspects *s)
{
	const struct timespec pause = { .tv_nsec = STOP_PAUSE_US * 1000L };
	int tries = 0;

	while (tries++ < STOP_TRIES && take_census(s) && !judge_all(s))
		nanosleep(&pause, NULL);
}

static void signal_all(struct suspects *s, int signal)
{
	for (size_t i = 0; i < s->count; i++) {
		child_signal_group(&s->list[i].worker->child, signal);
		s->leaders[i] = s->list[i].worker->child.pid;
	}
	census_signal_others(s->leaders, s->count, signal);
}

static void free_suspects(struct suspects *s)
{
	free(s->list);
	free(s->entries);
	free(s->leaders);
}

static bool list_suspects(struct suspects *s, struct worker *const *workers, size_t count)
{
	*s = (struct suspects){
		.list = calloc(count, sizeof *s->list),
		.entries = calloc(count, sizeof *s->entries),
		.leaders = calloc(count, sizeof *s->leaders), .count = count,
	};
	if (!s->list || !s->entries || !s->leaders)
		return false;
	for (size_t i = 0; i < count; i++)
		s->list[i].worker = workers[i];
	return true;
}

/*
 * Sends a signal to idle workers, leaves only these in the list, and returns their number.
 * SIGSTOP cuts sleeps and system calls with a time-out short, so a worker seen busy is not
 * stopped.
 */
static size_t signal_idle(struct worker **workers, size_t count, int signal)
{
	struct suspects s = { .count = 0 };
	size_t idle = 0;

	if (count == 0 || !list_suspects(&s, workers, count) || !take_census(&s)) {
		free_suspects(&s);
		return 0;
	}
	drop_busy(&s);
	if (s.count == 0) {
		free_suspects(&s);
		return 0;
	}
	signal_all(&s, SIGSTOP);
	watch_stopped(&s);
	for (size_t i = 0; i < s.count; i++) {
		if (!s.list[i].idle)
			continue;
		worker_signal(s.list[i].worker, signal);
		workers[idle++] = s.list[i].worker;
	}
	signal_all(&s, SIGCONT);
	free_suspects(&s);
	return idle;
}

/* The end. */

static void kill_late(struct worker *w, const char *how)
{
	report("process %ld did not stop in time%s; killing it", (long)w->child.pid, how);
	worker_kill(w);
}

static void on_time_over(struct deadline *d)
{
	kill_late(WORKER_OF_KILL(d), "");
}

/* Kills the worker if idle, --stop-timeout after the stop signal; a busy one may go on, as
 * end_at is not set. */
static void on_overdue(struct deadline *d)
{
	struct worker *w = WORKER_OF_KILL(d);

	if (watched && signal_idle(&w, 1, SIGKILL) == 1)
		kill_late(w, ", and is idle");
	else
		child_kill_after(&w->child, settings->stop_timeout, on_overdue);
}

static void be_asked(struct worker *w)
{
	worker_let_go(w);
	w->phase = WORKER_ASKED;
	if (!w->end_at)
		child_kill_after(&w->child, settings->stop_timeout, on_overdue);
}

static void ask(struct worker *w)
{
	worker_signal(w, settings->stop_signal);
	be_asked(w);
}

static void on_time_nearly_over(struct deadline *d)
{
	struct worker *w = WORKER_OF_KILL(d);
	int64_t left = w->end_at - loop_now();

	if (w->phase == WORKER_RETIRING)
		ask(w);
	child_kill_after(&w->child, left > 1 ? left : 1, on_time_over);
}

int64_t retire_grace(const struct settings *s)
{
	int64_t quarter = s->stop_timeout / 4;

	return quarter < GRACE_MOST ? quarter : GRACE_MOST;
}

static void bound(struct worker *w, int64_t within)
{
	int64_t at = loop_now() + within;
	int64_t first = within - retire_grace(settings);

	if (w->end_at && w->end_at <= at)
		return;
	w->end_at = at;
	child_kill_after(&w->child, first > 1 ? first : 1, on_time_nearly_over);
}

bool retire_if_idle(struct worker *w)
{
	if (!watched || signal_idle(&w, 1, settings->stop_signal) == 0)
		return false;
	be_asked(w);
	return true;
}

static bool is_to_be_asked(const struct worker *w)
{
	return !watched || (settings->stop_busy >= 0 &&
			    loop_now() - w->retiring_since >= settings->stop_busy);
}

/* Looks at all retiring workers. Without memory, the next look tries again. */
static void on_retiring_look(struct deadline *d)
{
	struct worker **list = calloc((size_t)worker_count() + 1, sizeof *list);
	size_t count = 0, idle;
	int64_t pause = census_pause();

	for (struct worker *w = worker_first; w; w = w->next) {
		if (w->phase != WORKER_RETIRING)
			continue;
		if (is_to_be_asked(w))
			ask(w);
		else if (list)
			list[count++] = w;
	}
	idle = signal_idle(list, count, settings->stop_signal);
	for (size_t i = 0; list && i < idle; i++)
		be_asked(list[i]);
	free(list);
	if (idle == count && list)
		return;
	delay = delay < RETRY_MOST ? 2 * delay : RETRY_MOST;
	if (pause > RETRY_MOST)
		pause = RETRY_MOST;
	deadline_set(d, delay > pause ? delay : pause, on_retiring_look);
}

static void begin_to_retire(struct worker *w)
{
	worker_let_go(w);
	w->phase = WORKER_RETIRING;
	w->retiring_since = loop_now();
	delay = RETRY_LEAST;
	deadline_set(&next_look, 1, on_retiring_look);
}

void retire(struct worker *w, int64_t within)
{
	if (within > 0)
		bound(w, within);
	if (worker_is_here(w))
		begin_to_retire(w);
}

void retire_busy(struct worker *w)
{
	if (w->phase == WORKER_ASKED)
		return;
	bound(w, retire_grace(settings));
	ask(w);
}

void retire_remains(struct worker *w)
{
	if (!child_left_others(&w->child))
		return;
	bound(w, settings->stop_timeout);
	if (w->phase != WORKER_RETIRING)
		begin_to_retire(w);
}

void retire_resume(struct worker *w)
{
	if (w->child.ended)
		bound(w, settings->stop_timeout);
	if (w->phase == WORKER_RETIRING)
		begin_to_retire(w);
	else if (w->phase == WORKER_ASKED)
		be_asked(w);
}
