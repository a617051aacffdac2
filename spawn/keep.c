#include <config.h>

#include "keep.h"

#include "census.h"
#include "crashes.h"
#include "handover.h"
#include "loop.h"
#include "member.h"
#include "notify.h"
#include "pool.h"
#include "report.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { /* milliseconds */
	QUEUE_FORMS = 5,  /* connections that wait so long are a queue */
	LOOK_EVERY = 50,  /* at most, while connections come */
	TICK = 1000,      /* while anything is not at rest */
	HUNT_EVERY = 20,  /* for an idle one, while old ones are replaced */
	DRAIN_EVERY = 20  /* while the queue is emptied before the end */
};

static const struct settings *settings;
static const struct keep_events *events;
static struct member_plan members;
static struct pool_plan plan;
static bool up, stopping, closed;

static struct watch queue = { .fd = -1 };
static struct deadline look_soon, tick, start_again, idle_end, drain;
static int64_t last_arrival, last_look, stop_end;
static long waiting;
static bool never_asked = true; /* no connection has ever come */

static struct member *substitute; /* for one that is outdated */
static bool reloading;
static struct deadline reload_end, hunt;
static int64_t hunting_since;

static struct crashes crashes;
static struct deadline recovery;

static void settle(void);

/* Nanoseconds of work that look like a request. */
enum { WORK_LEAST = 300000 };

/* What there is. */

static bool is_watching(void)
{
	return queue.fd >= 0;
}

static bool queue_waits(void)
{
	struct pollfd fd = { .fd = members.listener, .events = POLLIN };

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
}

static struct pool_census count(void)
{
	struct pool_census c = { .waiting = waiting };
	int64_t now = loop_now();

	for (const struct member *m = member_first; m; m = m->next) {
		bool here = member_is_here(m);

		c.here += here;
		c.leaving += !here;
		c.busy += here && m->busy;
		c.tired += here && !m->busy && now - m->idle_since >= settings->idle_timeout;
	}
	/* It is there for another one, which will leave. */
	if (substitute)
		c.here--;
	c.quiet = never_asked || now - last_arrival >= settings->idle_timeout;
	return c;
}

static void mark_outdated(struct member *m, const char *reason)
{
	if (m->outdated)
		return;
	report("process %ld %s; replacing it", (long)m->child.pid, reason);
	m->outdated = true;
}

static void take_note(struct member *m, const struct census_entry *entry)
{
	bool has_worked = m->work > 0 && entry->work - m->work > WORK_LEAST;

	m->hidden = entry->hidden;
	m->busy = entry->connections > 0 || entry->hidden;
	if (m->busy || has_worked)
		m->idle_since = loop_now();
	/* A connection that is accepted at once may come unseen. */
	if (has_worked)
		last_arrival = loop_now();
	m->work = entry->work;
	if (settings->max_memory > 0 && entry->memory > settings->max_memory)
		mark_outdated(m, "is too large (--max-memory)");
}

/* Finds out who serves and who waits. */
static void look(void)
{
	struct census_entry *entries = calloc((size_t)member_count() + 1, sizeof *entries);
	size_t here = 0;

	if (!entries)
		return;
	for (const struct member *m = member_first; m; m = m->next)
		if (member_is_here(m))
			entries[here++].leader = m->child.pid;
	if (census_take(entries, here, &waiting)) {
		here = 0;
		for (struct member *m = member_first; m; m = m->next)
			if (member_is_here(m))
				take_note(m, &entries[here++]);
	}
	free(entries);
	last_look = loop_now();
}

/* Looks are repeated so often, or as often as they may. */
static int64_t pause_of_looks(int64_t least)
{
	int64_t pause = census_pause();

	return pause > least ? pause : least;
}

static void tell_status(const struct pool_census *c)
{
	static char told[80];
	char text[80];

	const char *trouble = crashes.loop ? " (crash loop)" : "";

	if (is_watching())
		snprintf(text, sizeof text, "%ld processes, %ld busy%s", c->here, c->busy, trouble);
	else
		snprintf(text, sizeof text, "%ld processes%s", c->here, trouble);
	if (strcmp(text, told) == 0)
		return;
	strcpy(told, text);
	notify("STATUS=%s", text);
}

/* Starting. */

static void on_start_again(struct deadline *d)
{
	(void)d;
	settle();
}

static bool pauses(void)
{
	return start_again.lane != NULL;
}

/* Once in a pause, but that is never put off. */
static void pause_starts(void)
{
	if (crashes.pause > 0 && !pauses())
		deadline_set(&start_again, crashes.pause, on_start_again);
}

static struct member *start(void)
{
	struct member *m = member_start();

	if (!m) {
		report("cannot start process %ld: %s%s", member_count() + 1, strerror(errno),
		       up ? " (trying again)" : "");
		crashes_shortage(&crashes);
	}
	pause_starts();
	return m;
}

static void fill(long here, long wanted)
{
	while (here < wanted && !pauses() && start())
		here++;
}

/* Crashes. */

static void on_recovery(struct deadline *d)
{
	(void)d;
	if (crashes_over(&crashes))
		report("the crash loop is over");
}

static void describe_crash(const struct member *m, int status, char *out, size_t size)
{
	const char *line;
	int used;

	child_describe_end(status, out, size);
	for (unsigned i = 0; (line = member_last_line(m, i)); i++) {
		used = (int)strlen(out);
		snprintf(out + used, size - (size_t)used, "%s\"%s\"",
			 i ? ", " : "; the last that it wrote: ", line);
	}
}

static int status_of(int ended)
{
	return WIFEXITED(ended) && WEXITSTATUS(ended) ? WEXITSTATUS(ended) : EXIT_FAILURE;
}

static const char *hint(int ended)
{
	return ended == 0 ? " (it must not put itself in the background)" : "";
}

static void enter_crash_loop(const struct member *m, int status)
{
	char reason[640];

	describe_crash(m, status, reason, sizeof reason);
	report("crash loop: %ld crashes in %ld s; the last process %s%s", settings->crash_count,
	       settings->crash_time / 1000, reason,
	       settings->give_up ? "; giving up" : hint(status));
	if (settings->give_up)
		events->failed(status_of(status));
}

static void note_crash(const struct member *m, int status)
{
	int64_t now = loop_now();
	bool begins = m->phase == MEMBER_STARTING
		      ? crashes_failed_start(&crashes, now)
		      : crashes_death(&crashes, now, now - m->child.started);

	if (begins)
		enter_crash_loop(m, status);
	if (stopping)
		return;
	pause_starts();
	deadline_set(&recovery, settings->crash_time + crashes.pause, on_recovery);
}

/* Replacing. */

static struct member *find_outdated(void)
{
	struct member *m = member_first;

	while (m && !(m->outdated && member_is_here(m)))
		m = m->next;
	return m;
}

static bool is_any_outdated(void)
{
	const struct member *m = member_first;

	while (m && !m->outdated)
		m = m->next;
	return m;
}

static void end_reload(const char *how)
{
	if (!reloading)
		return;
	reloading = false;
	deadline_clear(&reload_end);
	for (struct member *m = member_first; m; m = m->next)
		m->outdated = false;
	report("%s", how);
	events->reloaded();
}

static void on_hunt(struct deadline *d);

/* Whichever is idle first. Who serves all the time is asked after --stop-busy, and who cannot be
 * seen when a stop would end, too. */
static void retire_outdated(void)
{
	int64_t waited = loop_now() - hunting_since;
	struct member *m;

	if (members.watched)
		look();
	m = find_outdated();
	if (!m)
		return;
	if (!members.watched || (settings->stop_busy >= 0 && waited >= settings->stop_busy) ||
	    (m->hidden && waited >= settings->stop_timeout)) {
		member_retire(m, settings->stop_timeout);
		return;
	}
	for (m = member_first; m; m = m->next)
		if (m->outdated && member_is_here(m) && !m->busy && member_retire_if_idle(m))
			return;
	deadline_set(&hunt, pause_of_looks(HUNT_EVERY), on_hunt);
}

static void on_hunt(struct deadline *d)
{
	(void)d;
	settle();
}

/* One at a time: the next when a new process serves in its place, and there is room. The first
 * new one shows whether the others would serve at all. */
static void replace(const struct pool_census *c, long wanted)
{
	struct member *old = find_outdated();

	if (substitute || pauses())
		return;
	if (!is_any_outdated())
		end_reload("reloaded");
	else if (old && c->here > wanted && !deadline_is_set(&hunt))
		retire_outdated();
	else if (old && c->here + c->leaving <= wanted)
		substitute = start();
}

/* What serves without end must not keep the old version alive. */
static void on_reload_end(struct deadline *d)
{
	(void)d;
	for (struct member *m = member_first; m; m = m->next)
		if (m->outdated)
			member_retire(m, settings->stop_timeout / 4 + 1);
	settle();
}

static void bound_reload(void)
{
	deadline_set(&reload_end, settings->stop_timeout - settings->stop_timeout / 4,
		     on_reload_end);
}

static void on_ready(struct member *m)
{
	crashes_ready(&crashes);
	if (m == substitute) {
		substitute = NULL;
		hunting_since = loop_now();
	}
	settle();
}

static void on_expired(struct member *m)
{
	mark_outdated(m, "is old (--max-lifetime)");
	settle();
}

/* Ending. */

static void end_one(const struct pool_census *c, long wanted)
{
	struct member *victim = NULL;

	if (c->here <= wanted)
		return;
	for (struct member *m = member_first; m; m = m->next)
		if (m != substitute && member_is_here(m) && !m->busy &&
		    (!victim || m->idle_since < victim->idle_since))
			victim = m;
	if (victim && !member_retire_if_idle(victim))
		victim->idle_since = loop_now();
}

static void report_end(const struct member *m, int status, int64_t lived)
{
	char end[80];

	child_describe_end(status, end, sizeof end);
	report("process %ld %s after %lld.%02lld s%s", (long)m->child.pid, end,
	       (long long)lived / 1000, (long long)lived % 1000 / 10,
	       member_is_here(m) ? "" : ", as it was asked to");
}

static void on_ended(struct member *m, int status)
{
	bool unasked = member_is_here(m), ready = m->phase == MEMBER_READY;

	report_end(m, status, loop_now() - m->child.started);
	if (!unasked || stopping)
		return;
	if (m == substitute) {
		substitute = NULL;
		if (!ready)
			end_reload("the reload is given up, since a new process ended before it "
				   "served; the old ones stay");
	}
	if (!up && !ready) {
		report("the start has failed, since a process ended before it served%s", hint(status));
		events->failed(status_of(status));
	} else if (status != 0 || !ready) {
		note_crash(m, status);
	}
}

static void on_gone(struct member *m)
{
	if (m == substitute)
		substitute = NULL;
	if (!stopping)
		settle();
	else if (!member_first)
		events->over();
}

/* Looking. */

static bool rests(const struct pool_census *c, long wanted)
{
	return c->busy == 0 && waiting == 0 && c->here == wanted &&
	       (plan.mode != POOL_ONDEMAND || c->here == 0);
}

static void on_tick(struct deadline *d)
{
	struct pool_census c;

	(void)d;
	look();
	c = count();
	end_one(&c, pool_wanted(&plan, &c));
	settle();
}

static void on_look(struct deadline *d)
{
	(void)d;
	look();
	if (queue_waits())
		deadline_set(&look_soon, pause_of_looks(LOOK_EVERY), on_look);
	else
		loop_want(&queue, LOOP_READ);
	settle();
}

/* Not every connection is worth a look: most are accepted at once. */
static void on_arrival(struct watch *watch, unsigned what)
{
	int64_t since = loop_now() - last_look, every = pause_of_looks(LOOK_EVERY);

	(void)what;
	last_arrival = loop_now();
	never_asked = false;
	loop_want(watch, 0);
	deadline_set(&look_soon, since > every ? QUEUE_FORMS : every - since + 1, on_look);
}

static void on_idle_end(struct deadline *d)
{
	int64_t left;

	look();
	if (count().busy > 0 || queue_waits())
		last_arrival = loop_now();
	left = settings->exit_on_idle - (loop_now() - last_arrival);
	if (left > 0)
		deadline_set(d, left, on_idle_end);
	else
		events->idle();
}

static bool is_up(void)
{
	long ready = 0;

	for (const struct member *m = member_first; m; m = m->next)
		ready += m->phase == MEMBER_READY;
	return ready >= pool_first(&plan);
}

/* Acts on what has changed, whatever it was. */
static void settle(void)
{
	struct pool_census c = count();
	long wanted = pool_wanted(&plan, &c);

	if (stopping)
		return;
	fill(c.here, wanted);
	c = count();
	replace(&c, wanted);
	c = count();
	if (is_watching() && !rests(&c, pool_wanted(&plan, &c)) && !tick.lane)
		deadline_set(&tick, pause_of_looks(TICK), on_tick);
	if (!up && is_up()) {
		up = members.up = true;
		events->up();
	}
	if (up)
		tell_status(&c);
}

/* The life of the pool. */

/* Where nobody can be told busy from idle, as many run as may be needed. */
static void do_without_census(void)
{
	if (plan.mode != POOL_STATIC)
		report("--pm %s: this system does not show which processes are busy; %ld run all "
		       "the time", settings->mode_name, plan.most);
	if (settings->max_memory > 0)
		report("--max-memory is not watched on this system");
	if (plan.mode != POOL_STATIC)
		plan.count = plan.most;
	plan.mode = POOL_STATIC;
}

bool keep_open(const struct settings *wanted, const struct identity *identity, int listener,
	       const struct keep_events *told)
{
	settings = wanted;
	events = told;
	plan = settings->pool;
	members = (struct member_plan){
		.settings = settings, .identity = identity, .listener = listener,
		.watched = census_open(listener, identity),
		.ready = on_ready, .expired = on_expired, .ended = on_ended, .gone = on_gone,
	};
	member_open(&members);
	if (!members.watched)
		do_without_census();
	if (!crashes_open(&crashes, settings->crash_count, settings->crash_time, plan.most)) {
		report("cannot count crashes: %s", strerror(errno));
		return false;
	}
	last_arrival = loop_now();
	return true;
}

static bool must_watch(void)
{
	return plan.mode != POOL_STATIC || settings->max_memory > 0 || settings->exit_on_idle > 0;
}

static void watch_queue(void)
{
	if (must_watch() && !loop_watch(&queue, members.listener, LOOP_READ, on_arrival))
		report("cannot watch the socket: %s", strerror(errno));
	if (settings->exit_on_idle > 0)
		deadline_set(&idle_end, settings->exit_on_idle, on_idle_end);
}

void keep_begin(void)
{
	fill(0, pool_first(&plan));
	if (member_count() < pool_first(&plan)) {
		events->failed(EXIT_OWN_ERROR);
		return;
	}
	watch_queue();
	settle();
}

void keep_resume(void)
{
	up = members.up = true;
	handover_take();
	reloading = is_any_outdated();
	if (reloading)
		bound_reload();
	never_asked = false;
	children_reap();
	watch_queue();
	if (is_watching())
		look();
	settle();
}

void keep_reload(void)
{
	report("reloading");
	reloading = true;
	bound_reload();
	/* What is called for gets another chance. */
	crashes_ready(&crashes);
	deadline_clear(&start_again);
	for (struct member *m = member_first; m; m = m->next)
		m->outdated = true;
	if (substitute) /* as new as any */
		substitute->outdated = false;
	settle();
}

static void stop_members(void)
{
	int64_t left = stop_end - loop_now();
	struct member *next;

	for (struct member *m = member_first; m; m = next) {
		next = m->next;
		member_retire(m, left > 1 ? left : 1);
	}
}

/* Whoever has connected is served, if that takes no more than half of the time. */
static void on_drain(struct deadline *d)
{
	if (closed && member_first && queue_waits() &&
	    stop_end - loop_now() > settings->stop_timeout / 2)
		deadline_set(d, DRAIN_EVERY, on_drain);
	else
		stop_members();
}

void keep_stop(bool is_closed)
{
	struct deadline *const all[] = {
		&look_soon, &tick, &start_again, &idle_end, &recovery, &reload_end, &hunt,
	};

	stopping = true;
	closed = is_closed;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		deadline_clear(all[i]);
	loop_want(&queue, 0);
	stop_end = loop_now() + settings->stop_timeout;
	if (closed && !member_first && queue_waits())
		member_start();
	if (member_first)
		on_drain(&drain);
	else
		events->over();
}

void keep_kill(void)
{
	for (struct member *m = member_first; m; m = m->next)
		member_kill(m);
}
