#include <config.h>

#include "pool.h"

#include "census.h"
#include "counts.h"
#include "crashes.h"
#include "demand.h"
#include "describer.h"
#include "doorman.h"
#include "growth.h"
#include "loop.h"
#include "notify.h"
#include "rate.h"
#include "renewal.h"
#include "report.h"
#include "retire.h"
#include "serving.h"
#include "sizing.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { /* milliseconds */
	TICK = 1000,      /* between looks, unless the pool rests */
	HUNT_EVERY = 20,  /* between looks for an idle outdated worker */
	DRAIN_EVERY = 20, /* between looks at a queue before its end */
	STARVES_MOST = 2000 /* of hunting without an idle worker, before divert() */
};

/* Looks in a row that must find a queue empty: a TCP handshake may be under way, and a client may
 * have looked up the former Unix socket, but not connected yet. */
enum { DRAIN_LOOKS = 2, FORMER_LOOKS = 3 };

static struct pool {
	const struct settings *settings;
	const struct pool_events *events;
	struct worker_plan workers;
	struct sizing_plan sizing;
	struct crashes crashes;
	struct rate rate; /* of starts by fill() */
	struct growth growth;
	bool watched;  /* busy workers are known */
	bool watching; /* the queue of the socket is watched */
	bool nonblocking; /* O_NONBLOCK was set on the socket at the start */
	bool up, stopping;
	bool closed; /* no client can connect any more */
	bool hasty;  /* pool_kill() was called */
	bool drains; /* waiting connections are served before the end */
	int looks;   /* in a row at an empty queue */
	bool at_limit; /* all that may run are busy */
	long missing; /* workers that ended by themselves, without another in their place yet */

	bool reloading;
	struct worker *substitute; /* starting, for an outdated worker */
	int64_t hunting_since;
	int64_t stop_end;
	int former_empty; /* looks in a row at an empty former queue */
	bool may_divert;
	struct deadline tick, start_again, next_start, recovery, reload_end, hunt, drain;
	struct deadline drain_former;
} pool;

static void settle(void);

static void on_start_due(struct deadline *d)
{
	(void)d;
	settle();
}

/* Starting. */

/* Begins a pause; a pause under way is never put off. */
static void pause_starts(void)
{
	if (pool.crashes.pause > 0 && !deadline_is_set(&pool.start_again))
		deadline_set(&pool.start_again, pool.crashes.pause, on_start_due);
}

static struct worker *start_worker(bool former)
{
	struct worker *w = worker_start(former);

	if (!w) {
		report("cannot start process %ld: %s%s", worker_count() + 1, strerror(errno),
		       pool.up ? " (trying again)" : "");
		crashes_shortage(&pool.crashes);
	}
	pause_starts();
	return w;
}

static void fill(long here, long wanted)
{
	int64_t pause = 0;

	while (here < wanted && !deadline_is_set(&pool.start_again) &&
	       (pause = rate_pause(&pool.rate, loop_now())) == 0 && start_worker(false)) {
		rate_note(&pool.rate, loop_now());
		here++;
		counts.restarts += pool.missing > 0;
		pool.missing -= pool.missing > 0;
	}
	if (here >= wanted)
		pool.missing = 0;
	if (pause > 0)
		deadline_set(&pool.next_start, pause, on_start_due);
}

/* Starts all at once, beyond --spawn-rate: no client is served before. */
static bool fill_first(long wanted)
{
	while (worker_count() < wanted && start_worker(false)) {
	}
	return worker_count() >= wanted;
}

/* Crashes. */

static void on_recovery(struct deadline *d)
{
	(void)d;
	if (crashes_over(&pool.crashes))
		report(REPORT_NOTICE "the crash loop is over");
}

static void describe_crash(const struct worker *w, int status, char *out, size_t size)
{
	const char *line;
	int used;

	child_describe_end(status, out, size);
	for (unsigned i = 0; (line = worker_last_line(w, i)); i++) {
		used = (int)strlen(out);
		snprintf(out + used, size - (size_t)used, "%s\"%s\"",
			 i ? ", " : "; the last that it wrote: ", line);
	}
}

static int status_of_failure(int ended)
{
	return WIFEXITED(ended) && WEXITSTATUS(ended) ? WEXITSTATUS(ended) : EXIT_FAILURE;
}

static const char *hint(int ended)
{
	return ended == 0 ? " (it must not put itself in the background)" : "";
}

static void enter_crash_loop(const struct worker *w, int status)
{
	const struct settings *s = pool.settings;
	char reason[640];

	describe_crash(w, status, reason, sizeof reason);
	report("crash loop: %ld crashes in %ld s; the last process %s%s", s->crash_count,
	       s->crash_time / 1000, reason, s->give_up ? "; giving up" : hint(status));
	if (s->give_up)
		pool.events->failed(status_of_failure(status));
}

static void note_crash(const struct worker *w, int status)
{
	int64_t now = loop_now();
	bool begins;

	counts.crashes++;
	begins = w->phase == WORKER_STARTING
		      ? crashes_failed_start(&pool.crashes, now)
		      : crashes_death(&pool.crashes, now, now - w->child.started);

	if (begins)
		enter_crash_loop(w, status);
	if (pool.stopping)
		return;
	pause_starts();
	deadline_set(&pool.recovery, pool.settings->crash_time + pool.crashes.pause, on_recovery);
}

/* Replacing. */

static void mark_outdated(struct worker *w, const char *reason)
{
	if (w->outdated)
		return;
	report(REPORT_NOTICE "process %ld %s; replacing it", (long)w->child.pid, reason);
	w->outdated = true;
}

static struct worker *find_outdated(void)
{
	struct worker *w = worker_first;

	while (w && !(w->outdated && worker_is_here(w)))
		w = w->next;
	return w;
}

static void end_reload(const char *how)
{
	if (!pool.reloading)
		return;
	pool.reloading = false;
	deadline_clear(&pool.reload_end);
	for (struct worker *w = worker_first; w; w = w->next)
		w->outdated = false;
	report("%s", how);
	pool.events->reloaded();
}

/* Under steady load no worker is ever idle. Then divert() makes a new socket of the same name, for
 * new connections and workers; workers of the former one retire when the queue there is empty. */

static bool former_waits(void)
{
	return pool.workers.former >= 0 && demand_waits_at(pool.workers.former);
}

/* True if a worker accepts connections of the socket, or of the former one. */
static bool is_served(bool former)
{
	const struct worker *w = worker_first;

	while (w && (w->former != former || !worker_is_here(w)))
		w = w->next;
	return w;
}

static void on_drain_former(struct deadline *d);

/* Closes the former socket when no worker is left there and the queue is empty; not during a
 * stop, when waiting connections are refused. */
static void forget_former(void)
{
	const struct worker *w = worker_first;

	while (w && !w->former)
		w = w->next;
	if (w || pool.workers.former < 0 || pool.stopping || deadline_is_set(&pool.drain_former))
		return;
	if (former_waits()) {
		pool.former_empty = 0;
		deadline_set(&pool.drain_former, 1, on_drain_former);
		return;
	}
	demand_forget_former();
	doorman_forget_former();
	close(pool.workers.former);
	pool.workers.former = -1;
}

/* Workers of the former socket may have ended: after a crash, or a number of requests. */
static void serve_former(void)
{
	struct worker *w;

	if (is_served(true) || deadline_is_set(&pool.start_again))
		return;
	w = start_worker(true);
	if (w)
		w->outdated = true;
}

static void on_drain_former(struct deadline *d)
{
	const bool waits = former_waits();

	pool.former_empty = waits ? 0 : pool.former_empty + 1;
	if (waits)
		serve_former();
	if (pool.former_empty < FORMER_LOOKS) {
		deadline_set(d, DRAIN_EVERY, on_drain_former);
		return;
	}
	for (struct worker *w = worker_first; w; w = w->next)
		if (w->former)
			retire(w, deadline_is_set(&pool.reload_end)
				  ? 0 : renewal_rest(pool.settings->stop_timeout));
	forget_former();
	settle();
}

static void divert(void)
{
	int former = fcntl(pool.workers.listener, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int renewed = former >= 0 ? pool.events->renew() : -1;

	pool.may_divert = false;
	if (former < 0)
		report("cannot replace the socket: %s", strerror(errno));
	if (renewed < 0) {
		if (former >= 0)
			close(former);
		return;
	}
	report("the old processes are busy all the time; new connections get a new socket, and "
	       "they end when nobody waits at the old one");
	pool.workers.former = former;
	pool.workers.listener = renewed;
	pool.nonblocking = false;
	demand_turn_to(renewed);
	doorman_turn_to(renewed, former);
	for (struct worker *w = worker_first; w; w = w->next)
		w->former = w->outdated = true;
	pool.former_empty = 0;
	deadline_set(&pool.drain_former, DRAIN_EVERY, on_drain_former);
}

static bool starves(void)
{
	int64_t patience = pool.settings->stop_timeout / 8;
	const struct worker *w = worker_first;

	if (!pool.reloading || !pool.may_divert || pool.workers.former >= 0 ||
	    loop_now() - pool.hunting_since < (patience < STARVES_MOST ? patience : STARVES_MOST))
		return false;
	while (w && !(w->outdated && worker_is_here(w) && w->accepts_on))
		w = w->next;
	return w;
}

static void begin_hunt(void)
{
	pool.hunting_since = loop_now();
	for (struct worker *w = worker_first; w; w = w->next)
		w->accepts_on = false;
}

/* Retires the first outdated worker that is idle; the oldest one even if busy after --stop-busy,
 * or if hidden after --stop-timeout. */
static void retire_outdated(void)
{
	const struct settings *s = pool.settings;
	struct worker *oldest;

	if (pool.watched)
		demand_look();
	oldest = find_outdated();
	if (!oldest)
		return;
	if (renewal_is_over_patience(&(struct renewal_patience){
		    .watched = pool.watched, .hidden = oldest->hidden,
		    .waited = loop_now() - pool.hunting_since,
		    .stop_busy = s->stop_busy, .stop_timeout = s->stop_timeout })) {
		retire(oldest, s->stop_timeout);
		return;
	}
	for (struct worker *w = oldest; w; w = w->next)
		if (w->outdated && worker_is_here(w) && !w->busy && retire_if_idle(w))
			return;
	if (starves()) {
		divert();
		return;
	}
	deadline_set(&pool.hunt, demand_pause(HUNT_EVERY), on_start_due);
}

static struct renewal renewal_now(const struct sizing_view *seen, long wanted)
{
	struct renewal r = {
		.reloading = pool.reloading, .starting = pool.substitute,
		.hunting = deadline_is_set(&pool.hunt), .here = seen->here,
		.leaving = seen->leaving, .wanted = wanted,
		.starts_pause = deadline_is_set(&pool.start_again),
	};

	for (const struct worker *w = worker_first; w; w = w->next) {
		r.outdated += w->outdated && worker_is_here(w);
		r.outdated_leaving |= w->outdated && !worker_is_here(w);
	}
	return r;
}

static void renew(const struct sizing_view *seen, long wanted)
{
	struct renewal r = renewal_now(seen, wanted);

	if (pool.workers.former >= 0)
		return;
	switch (renewal_next(&r)) {
	case RENEWAL_START:
		pool.substitute = start_worker(false);
		break;
	case RENEWAL_RETIRE:
		retire_outdated();
		break;
	case RENEWAL_DONE:
		counts.reloads++;
		end_reload("reloaded");
		break;
	default:
		break;
	}
}

/* A request without end must not keep the old version alive. */
static void on_reload_end(struct deadline *d)
{
	(void)d;
	for (struct worker *w = worker_first; w; w = w->next)
		if (w->outdated)
			retire(w, renewal_rest(pool.settings->stop_timeout));
	settle();
}

static void begin_reload(void)
{
	pool.reloading = pool.may_divert = true;
	begin_hunt(); /* in case more workers run than wanted */
	deadline_set(&pool.reload_end, renewal_bound(pool.settings->stop_timeout),
		     on_reload_end);
}

/* Events of workers. */

static void on_worker_ready(struct worker *w)
{
	crashes_ready(&pool.crashes);
	if (w == pool.substitute) {
		pool.substitute = NULL;
		begin_hunt();
	}
	settle();
}

static void on_expired(struct worker *w)
{
	mark_outdated(w, "is old (--max-lifetime)");
	settle();
}

static void report_worker_end(const struct worker *w, int status, int64_t lived)
{
	char end[80];

	child_describe_end(status, end, sizeof end);
	if (worker_is_here(w))
		report("process %ld %s after %lld.%02lld s", (long)w->child.pid, end,
		       (long long)lived / 1000, (long long)lived % 1000 / 10);
	else
		report(REPORT_NOTICE "process %ld %s after %lld.%02lld s, as it was asked to",
		       (long)w->child.pid, end, (long long)lived / 1000,
		       (long long)lived % 1000 / 10);
}

static void note_end(struct worker *w, int status)
{
	bool ready = w->phase == WORKER_READY;

	if (w == pool.substitute) {
		pool.substitute = NULL;
		if (!ready)
			end_reload("the reload is given up, since a new process ended before it "
				   "served; the old ones stay");
	}
	if (!pool.up && !ready) {
		report("the start has failed, since a process ended before it served%s",
		       hint(status));
		pool.events->failed(status_of_failure(status));
	} else if (status != 0 || !ready) {
		note_crash(w, status);
	}
}

static enum counts_end cause_of(const struct worker *w, int status)
{
	if (!worker_is_here(w))
		return w->child.killed ? END_KILLED : END_ASKED;
	if (WIFSIGNALED(status))
		return END_SIGNAL;
	return status == 0 ? END_EXIT : END_FAILURE;
}

static void on_worker_ended(struct worker *w, int status)
{
	counts.ends[cause_of(w, status)]++;
	pool.missing += worker_is_here(w) && pool.up;
	report_worker_end(w, status, loop_now() - w->child.started);
	if (worker_is_here(w) && !pool.stopping)
		note_end(w, status);
	else if (w->phase == WORKER_STARTING && status != 0)
		pool.drains = false;
	/* Not counted any more, even if processes of the session are left. */
	retire_remains(w);
	if (worker_is_here(w))
		w->phase = WORKER_ASKED;
}

/* Answers connections that still wait, then calls over(). */
static void be_over(void)
{
	int64_t left = pool.hasty ? 0 : pool.stop_end - loop_now();

	if (!pool.closed || !doorman_finish(left, pool.events->over))
		pool.events->over();
}

static void on_worker_gone(struct worker *w)
{
	if (w == pool.substitute)
		pool.substitute = NULL;
	forget_former();
	if (!pool.stopping)
		settle();
	else if (!worker_first && !deadline_is_set(&pool.drain))
		be_over();
}

/* Size. */

static struct sizing_view look_around(void)
{
	struct sizing_view seen;

	/* An outdated worker will leave for the substitute: do not count both. */
	demand_describe(&seen, find_outdated() ? pool.substitute : NULL);
	return seen;
}

static bool rests(const struct sizing_view *seen, long wanted)
{
	return seen->busy == 0 && seen->waiting == 0 && seen->here == wanted &&
	       (pool.sizing.mode != SIZING_ONDEMAND || seen->here == 0);
}

static void end_one(const struct sizing_view *seen, long wanted)
{
	struct worker *victim = NULL;

	if (seen->here <= wanted || deadline_is_set(&pool.drain_former))
		return;
	for (struct worker *w = worker_first; w; w = w->next)
		if (w != pool.substitute && worker_is_here(w) && !w->busy &&
		    (!victim || w->idle_since < victim->idle_since))
			victim = w;
	if (victim && !retire_if_idle(victim))
		victim->idle_since = loop_now();
}

static void on_tick(struct deadline *d)
{
	struct sizing_view seen;

	(void)d;
	demand_look();
	seen = look_around();
	end_one(&seen, sizing_wanted(&pool.sizing, &seen));
	settle();
}

static void tell_status(const struct sizing_view *seen)
{
	static char told[80];
	char text[80];
	const char *trouble = pool.crashes.loop ? " (crash loop)" : "";

	if (pool.watching)
		snprintf(text, sizeof text, "%ld processes, %ld busy%s", seen->here, seen->busy,
			 trouble);
	else
		snprintf(text, sizeof text, "%ld processes%s", seen->here, trouble);
	if (strcmp(text, told) == 0)
		return;
	strcpy(told, text);
	notify("STATUS=%s", text);
}

static bool is_up(void)
{
	long ready = 0;

	for (const struct worker *w = worker_first; w; w = w->next)
		ready += w->phase == WORKER_READY;
	return ready >= sizing_first(&pool.sizing);
}

/* During a reload there is one worker too many at most, leaving ones included. */
static long allowed(const struct sizing_view *seen, long wanted)
{
	long room = wanted + 1 - seen->leaving - (pool.substitute && find_outdated());

	return pool.reloading && room < wanted ? room : wanted;
}

/* Counts each time that more would be of use and there may be no more. */
static void note_limit(const struct sizing_view *seen)
{
	const bool at_limit = pool.sizing.mode != SIZING_STATIC && seen->here >= pool.sizing.most &&
			      seen->busy >= seen->here;

	counts.limit_reached += at_limit && !pool.at_limit;
	pool.at_limit = at_limit;
}

/* Starts, replaces and reports by the present numbers, after any change. */
static void settle(void)
{
	struct sizing_view seen = look_around();
	long wanted = sizing_wanted(&pool.sizing, &seen);

	if (pool.stopping)
		return;
	fill(seen.here, allowed(&seen, wanted));
	seen = look_around();
	renew(&seen, wanted);
	seen = look_around();
	note_limit(&seen);
	if (pool.watching && !rests(&seen, sizing_wanted(&pool.sizing, &seen)) &&
	    !deadline_is_set(&pool.tick))
		deadline_set(&pool.tick, demand_pause(TICK), on_tick);
	if (!pool.up && is_up()) {
		pool.up = pool.workers.up = true;
		pool.events->up();
	}
	if (pool.up)
		tell_status(&seen);
}

static void tell_growth(int64_t memory)
{
	report("%d processes in a row had more than --max-memory %lld within %d s of their start, the "
	       "last one %lld: raise it, if they need so much; they are replaced more and more rarely",
	       GROWTH_SUSPICIOUS, (long long)pool.settings->max_memory, GROWTH_YOUNG / 1000,
	       (long long)memory);
}

static void on_too_large(struct worker *w, int64_t memory)
{
	int64_t lived = loop_now() - w->child.started;
	enum growth_step step;

	if (w->outdated)
		return;
	if (w->large_after < 0)
		w->large_after = lived;
	step = growth_next(&pool.growth, w->large_after, lived);
	if (step == GROWTH_WAIT)
		return;
	mark_outdated(w, "is too large (--max-memory)");
	if (step == GROWTH_REPLACE_AND_TELL)
		tell_growth(memory);
}

static void on_idle(void)
{
	pool.events->idle();
}

/* A worker that is overdue itself is replaced as a whole; a process below, such as one of
 * PHP_FCGI_CHILDREN, is only signalled, for the worker to replace. */
static void on_request_overdue(struct worker *w, pid_t process, bool deaf)
{
	counts.overdue += !deaf;
	if (deaf)
		report("process %ld did not stop in time; killing it", (long)process);
	else
		report("process %ld has been busy with one request for more than %g s "
		       "(--request-timeout); ending it", (long)process,
		       (double)pool.settings->request_timeout / 1000);
	if (process == w->child.pid)
		retire_busy(w);
	else
		census_signal_branch(w->child.pid, process,
				     deaf ? SIGKILL : pool.settings->stop_signal);
}

/* Nobody has to forget a description of the pool's: its owner is the pool. */
static void on_described(void *owner, const char *lines)
{
	(void)owner;
	while (lines && *lines) {
		size_t length = strcspn(lines, "\n");

		report(REPORT_WARNING "slow: %.*s", (int)length, lines);
		lines += length + (lines[length] == '\n');
	}
}

static void on_slow(pid_t process)
{
	counts.slow++;
	report(REPORT_WARNING "slow: process %ld is busy with one request for more than %g s "
	       "(--slow-log)", (long)process, (double)pool.settings->slow_log / 1000);
	describer_ask(process, on_described, &pool);
}

static void on_slow_ended(pid_t process, int64_t took)
{
	report(REPORT_WARNING "slow: process %ld is done with it, after %.3g s", (long)process,
	       (double)took / 1000);
}

static const struct demand_events demand_events = {
	.seen = settle, .too_large = on_too_large, .idle = on_idle,
	.overdue = on_request_overdue, .slow = on_slow, .slow_ended = on_slow_ended,
};

/* The life of the pool. */

/* Without a census busy and idle look alike: run as many workers as may be needed. */
static void do_without_census(void)
{
	if (pool.sizing.mode != SIZING_STATIC) {
		report("--pm %s: this system does not show which processes are busy; %ld run all "
		       "the time", pool.settings->mode_name, pool.sizing.most);
		pool.sizing.count = pool.sizing.most;
		pool.sizing.mode = SIZING_STATIC;
	}
	if (pool.settings->max_memory > 0)
		report("--max-memory is not watched on this system");
	if (pool.settings->queue >= 0)
		report("--queue is not watched on this system");
	if (pool.settings->queue_timeout > 0)
		report("--queue-timeout is not watched on this system");
}

bool pool_open(const struct settings *settings, const struct identity *identity, int listener,
	       const struct pool_events *events)
{
	pool = (struct pool){
		.settings = settings, .events = events, .sizing = settings->pool,
		.watched = demand_open(settings, identity, listener, &demand_events),
		.workers = {
			.settings = settings, .identity = identity, .listener = listener,
			.former = -1, .ready = on_worker_ready, .expired = on_expired,
			.ended = on_worker_ended, .gone = on_worker_gone,
		},
	};
	pool.nonblocking = fcntl(listener, F_GETFL) & O_NONBLOCK;
	worker_open(&pool.workers);
	retire_open(settings, pool.watched);
	describer_open(serving_look_as);
	if (!pool.watched)
		do_without_census();
	if (settings->request_timeout > 0 && !demand_watches_requests())
		report("--request-timeout is not watched on this system");
	if (settings->slow_log > 0 && !demand_watches_requests())
		report("--slow-log is not watched on this system");
	if (crashes_open(&pool.crashes, settings->crash_count, settings->crash_time,
			 pool.sizing.most) &&
	    rate_open(&pool.rate, settings->spawn_rate))
		return true;
	report("cannot count starts and crashes: %s", strerror(errno));
	return false;
}

/* Requests that the pool could take up now, or once grown; no growth while starts pause. */
static long vacancies(void)
{
	struct sizing_view seen;
	long room;

	demand_look_if_due();
	demand_describe(&seen, NULL);
	room = deadline_is_set(&pool.start_again) ? 0 : pool.sizing.most - seen.leaving;
	if (room < seen.here)
		room = seen.here;
	return room - seen.busy;
}

static void watch_demand(void)
{
	pool.watching = demand_watch(pool.sizing.mode != SIZING_STATIC);
	if (pool.watched)
		doorman_open(pool.settings, pool.workers.listener, vacancies);
}

void pool_begin(void)
{
	if (!fill_first(sizing_first(&pool.sizing))) {
		pool.events->failed(EXIT_OWN_ERROR);
		return;
	}
	watch_demand();
	settle();
}

/* A worker that is still starting is the substitute for an outdated one. */
static void resume_replacing(void)
{
	pool.hunting_since = loop_now();
	for (struct worker *w = worker_first; w && find_outdated(); w = w->next)
		if (w->phase == WORKER_STARTING)
			pool.substitute = w;
}

void pool_resume(const struct handover *from)
{
	pool.up = pool.workers.up = true;
	for (size_t i = 0; i < from->count; i++) {
		struct worker *w = worker_adopt(&from->workers[i]);

		if (w)
			retire_resume(w);
		else
			report("process %ld is forgotten: %s", (long)from->workers[i].pid,
			       strerror(errno));
	}
	resume_replacing();
	if (from->reloading)
		begin_reload();
	demand_resume();
	children_reap();
	watch_demand();
	doorman_resume();
	if (pool.watching)
		demand_look();
	settle();
}

bool pool_can_be_described(void)
{
	return pool.workers.former < 0;
}

bool pool_describe(struct handover *out)
{
	out->reloading = pool.reloading;
	out->count = 0;
	out->waits = doorman_describe();
	out->workers = calloc((size_t)worker_count() + 1, sizeof *out->workers);
	if (!out->workers)
		return false;
	for (struct worker *w = worker_first; w; w = w->next) {
		if (!out->trial)
			worker_flush(w);
		worker_describe(w, &out->workers[out->count++]);
	}
	return true;
}

/* All share O_NONBLOCK on the socket: set by a program or script, the flag would end each new
 * worker at its first accept(2). A program that needs it sets it at every start. */
static void restore_listener(void)
{
	int listener = pool.workers.listener, flags = fcntl(listener, F_GETFL);

	if (pool.nonblocking || flags < 0 || !(flags & O_NONBLOCK))
		return;
	if (fcntl(listener, F_SETFL, flags & ~O_NONBLOCK) == 0)
		report("the socket was made non-blocking by a process of the pool; it is blocking "
		       "again");
}

void pool_reload(void)
{
	report(REPORT_NOTICE "reloading");
	begin_reload();
	/* The administrator may have mended the program: no pause after crashes. */
	crashes_ready(&pool.crashes);
	deadline_clear(&pool.start_again);
	restore_listener();
	/* Also the substitute of an earlier reload, with an older configuration perhaps. */
	for (struct worker *w = worker_first; w; w = w->next)
		w->outdated = true;
	settle();
}

static void stop_workers(void)
{
	int64_t left = pool.stop_end - loop_now();

	for (struct worker *w = worker_first; w; w = w->next)
		retire(w, left > 1 ? left : 1);
	if (!worker_first)
		be_over();
}

/* Serves waiting connections first, for half of --stop-timeout at most. A worker that ends
 * meanwhile, after a number of requests say, is replaced, unless a new one fails to start. */
static void on_drain(struct deadline *d)
{
	const int64_t left = pool.stop_end - loop_now();
	const bool waits = demand_waits(), waits_there = former_waits();

	pool.looks = waits || waits_there ? 0 : pool.looks + 1;
	if (pool.drains && pool.looks < DRAIN_LOOKS && left > pool.settings->stop_timeout / 2 &&
	    (!waits || is_served(false) || worker_start(false)) &&
	    (!waits_there || is_served(true) || worker_start(true))) {
		deadline_set(d, DRAIN_EVERY, on_drain);
	} else {
		if (pool.closed)
			doorman_close_door();
		stop_workers();
	}
}

void pool_stop(bool drains)
{
	struct deadline *const all[] = {
		&pool.tick, &pool.start_again, &pool.next_start, &pool.recovery,
		&pool.reload_end, &pool.hunt, &pool.drain_former,
	};

	pool.stopping = true;
	pool.drains = pool.closed = drains;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		deadline_clear(all[i]);
	demand_unwatch();
	pool.stop_end = loop_now() + pool.settings->stop_timeout;
	on_drain(&pool.drain);
}

void pool_look(struct pool_state *out)
{
	if (pool.watched)
		demand_look_if_due();
	*out = (struct pool_state){
		.watched = pool.watched, .crash_loop = pool.crashes.loop,
		.reloading = pool.reloading, .most = pool.sizing.most,
		.waiting = demand_count_waiting(),
	};
	out->queue_limit = pool.watched ? census_queue_limit() : 0;
}

bool pool_rests(void)
{
	return doorman_rests();
}

void pool_kill(void)
{
	pool.drains = false;
	pool.hasty = true;
	doorman_hurry();
	for (struct worker *w = worker_first; w; w = w->next)
		worker_kill(w);
}
