#include <config.h>

#include "demand.h"

#include "census.h"
#include "counts.h"
#include "loop.h"
#include "report.h"
#include "requests.h"
#include "retire.h"
#include "serving.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { /* milliseconds */
	QUEUE_FORMS = 5, /* connections waiting so long are a queue */
	LOOK_EVERY = 50, /* at most, while connections come */
	/* Looks at requests within --request-timeout */
	REQUEST_LOOKS = 20,
	REQUEST_PAUSE_LEAST = 20,
	REQUEST_PAUSE_MOST = 2000
};

/* Milliseconds, with room for a time to be added. */
#define NEVER (INT64_MAX / 4)

/* Nanoseconds of work that look like a request. */
enum { WORK_LEAST = 300000 };

static const struct settings *settings;
static const struct demand_events *events;
static int listening;
static struct watch queue = { .fd = -1 };
static struct deadline look_soon, idle_end, request_look;
static struct requests requests, slow;
static bool shown, watches_requests;
static int64_t last_arrival, last_look;
static long waiting;
static bool never_asked = true; /* no connection has ever come */

bool demand_waits_at(int listener)
{
	struct pollfd fd = { .fd = listener, .events = POLLIN };

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
}

bool demand_waits(void)
{
	return demand_waits_at(listening);
}

int64_t demand_pause(int64_t least)
{
	int64_t pause = census_pause();

	return pause > least ? pause : least;
}

void demand_describe(struct sizing_view *out, const struct worker *without)
{
	int64_t now = loop_now();

	*out = (struct sizing_view){
		.waiting = waiting,
		.quiet = never_asked || now - last_arrival >= settings->idle_timeout,
	};
	for (const struct worker *w = worker_first; w; w = w->next) {
		bool here = worker_is_here(w) && w != without;

		out->here += here;
		out->leaving += !worker_is_here(w);
		out->busy += here && w->busy;
		out->tired += here && !w->busy && now - w->idle_since >= settings->idle_timeout;
	}
}

long demand_count_busy(void)
{
	long busy = 0;

	for (const struct worker *w = worker_first; w; w = w->next)
		busy += w->busy && worker_is_here(w);
	return busy;
}

long demand_count_waiting(void)
{
	long number;

	return shown && census_count_waiting(&number) ? number : demand_waits();
}

/* For --status. */
static void take_count(struct worker *w, const struct census_entry *entry)
{
	const bool comes = entry->sum != 0 && entry->sum != w->sum;

	if (comes && !w->adopted) {
		w->connections++;
		counts.connections++;
	}
	if (w->busy_since && (comes || !w->busy)) {
		w->busy_for = loop_now() - w->busy_since;
		w->busy_since = 0;
	}
	if (w->busy && !w->busy_since)
		w->busy_since = loop_now();
	w->adopted = false;
	w->memory = entry->memory;
	w->cpu = entry->cpu;
	if (entry->memory > 0 && (uint64_t)entry->memory > counts.memory_most)
		counts.memory_most = (uint64_t)entry->memory;
}

static void take_note(struct worker *w, const struct census_entry *entry)
{
	bool has_worked = w->work > 0 && entry->work - w->work > WORK_LEAST;

	w->hidden = entry->hidden;
	w->busy = entry->connections > 0 || entry->hidden;
	take_count(w, entry);
	if (w->sum != 0 && entry->sum != 0 && entry->sum != w->sum)
		w->accepts_on = true;
	w->sum = entry->sum;
	if (w->busy || has_worked)
		w->idle_since = loop_now();
	/* A connection accepted at once may come unseen. */
	if (has_worked)
		last_arrival = loop_now();
	w->work = entry->work;
	if (worker_is_here(w) && settings->max_memory > 0 && entry->memory > settings->max_memory)
		events->too_large(w, entry->memory);
}

/* True for workers here, and for retiring ones if requests are watched: some still serve. */
static bool is_looked_at(const struct worker *w)
{
	return worker_is_here(w) || (watches_requests && w->phase == WORKER_RETIRING);
}

/* The status shows all that live. */
static bool is_of_interest(const struct worker *w)
{
	return is_looked_at(w) || (settings->status && !w->child.ended);
}

/* Fills in the worker of each entry. False if the census failed. */
static bool look(struct census_entry *entries, struct worker **workers)
{
	size_t count = 0;

	for (struct worker *w = worker_first; w; w = w->next) {
		if (!is_of_interest(w))
			continue;
		workers[count] = w;
		entries[count++].leader = w->child.pid;
	}
	last_look = loop_now();
	if (!census_take(entries, count, &waiting))
		return false;
	for (size_t i = 0; i < count; i++)
		take_note(workers[i], &entries[i]);
	counts_look(loop_now(), demand_count_busy(), waiting);
	return true;
}

static void look_and(void (*act)(struct worker *const *workers))
{
	size_t room = (size_t)worker_count() + 1;
	struct census_entry *entries = calloc(room, sizeof *entries);
	struct worker **workers = calloc(room, sizeof *workers);

	if (entries && workers && look(entries, workers) && act)
		act(workers);
	free(entries);
	free(workers);
}

void demand_look(void)
{
	look_and(NULL);
}

/* Duration of requests. */

/* True if one is a descendant of top. */
static bool is_below(const struct serving *one, const struct serving *top)
{
	return top && one->entry == top->entry && one->depth > top->depth;
}

static void judge_requests(struct worker *const *workers)
{
	size_t count;
	const struct serving *one = serving_look(&count), *end = one + count, *told = NULL;

	requests_begin(&requests, count);
	requests_begin(&slow, count);
	for (; one < end; one++) {
		struct worker *w = workers[one->entry];
		enum request_verdict verdict;

		/* The process may serve hidden connections, too. */
		if (w->hidden)
			continue;
		if (requests_saw(&slow, &one->seen, loop_now()) == REQUEST_OVERDUE)
			events->slow(one->seen.process);
		verdict = requests_saw(&requests, &one->seen, loop_now());
		/* The event before may have ended the whole worker. */
		if (verdict == REQUEST_FINE || is_below(one, told) || !is_looked_at(w))
			continue;
		told = one;
		events->overdue(w, one->seen.process, verdict == REQUEST_DEAF);
	}
	requests_tell_ended(&slow, loop_now(), events->slow_ended);
}

static int64_t limit_or_never(int64_t limit)
{
	return limit > 0 ? limit : NEVER;
}

static int64_t lesser(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t request_pause(void)
{
	int64_t pause = lesser(requests.limit, slow.limit) / REQUEST_LOOKS;
	int64_t next = lesser(requests_next(&requests, loop_now()), requests_next(&slow, loop_now()));
	int64_t least = census_pause() + serving_pause();

	if (pause < REQUEST_PAUSE_LEAST)
		pause = REQUEST_PAUSE_LEAST;
	if (pause > REQUEST_PAUSE_MOST)
		pause = REQUEST_PAUSE_MOST;
	if (pause > next)
		pause = next;
	return pause > least ? pause : least;
}

static void on_request_look(struct deadline *d)
{
	look_and(judge_requests);
	deadline_set(d, request_pause(), on_request_look);
	events->seen();
}

void demand_look_if_due(void)
{
	if (loop_now() - last_look >= demand_pause(QUEUE_FORMS))
		demand_look();
}

static void on_demand_look(struct deadline *d)
{
	demand_look();
	if (demand_waits())
		deadline_set(d, demand_pause(LOOK_EVERY), on_demand_look);
	else
		loop_want(&queue, LOOP_READ);
	events->seen();
}

/* Not every connection is worth a look: most are accepted at once. */
static void on_arrival(struct watch *watch, unsigned what)
{
	int64_t since = loop_now() - last_look, every = demand_pause(LOOK_EVERY);

	(void)what;
	last_arrival = loop_now();
	never_asked = false;
	loop_want(watch, 0);
	deadline_set(&look_soon, since > every ? QUEUE_FORMS : every - since + 1, on_demand_look);
}

static bool is_any_busy(void)
{
	const struct worker *w = worker_first;

	while (w && !(worker_is_here(w) && w->busy))
		w = w->next;
	return w;
}

static void on_idle_end(struct deadline *d)
{
	int64_t left;

	demand_look();
	if (is_any_busy() || demand_waits())
		last_arrival = loop_now();
	left = settings->exit_on_idle - (loop_now() - last_arrival);
	if (left > 0)
		deadline_set(d, left, on_idle_end);
	else
		events->idle();
}

bool demand_open(const struct settings *wanted, const struct identity *identity, int listener,
		 const struct demand_events *told)
{
	settings = wanted;
	events = told;
	listening = listener;
	last_arrival = loop_now();
	shown = census_open(listener, identity);
	if (!shown)
		return false;
	watches_requests = (settings->request_timeout > 0 || settings->slow_log > 0) &&
			   serving_open(listener, identity);
	requests_open(&requests, limit_or_never(settings->request_timeout), retire_grace(settings));
	requests_open(&slow, limit_or_never(settings->slow_log), NEVER);
	return true;
}

bool demand_watches_requests(void)
{
	return watches_requests;
}

static void watch_queue(void)
{
	if (!loop_watch(&queue, listening, LOOP_READ, on_arrival))
		report("cannot watch the socket: %s", strerror(errno));
}

void demand_turn_to(int listener)
{
	bool watched = queue.fd >= 0;

	if (watched)
		loop_close(&queue);
	else
		close(listening);
	listening = listener;
	census_renew(listener);
	serving_renew(listener);
	if (watched)
		watch_queue();
}

void demand_forget_former(void)
{
	census_forget_former();
	serving_forget_former();
}

bool demand_watch(bool sizes)
{
	if (sizes || settings->max_memory > 0 || settings->exit_on_idle > 0 || settings->status)
		watch_queue();
	if (settings->exit_on_idle > 0)
		deadline_set(&idle_end, settings->exit_on_idle, on_idle_end);
	if (watches_requests)
		deadline_set(&request_look, request_pause(), on_request_look);
	return queue.fd >= 0;
}

void demand_unwatch(void)
{
	deadline_clear(&look_soon);
	deadline_clear(&idle_end);
	loop_want(&queue, 0);
}

void demand_resume(void)
{
	never_asked = false;
}
