#include <config.h>

#include "status.h"

#include "counts.h"
#include "loop.h"
#include "pool.h"
#include "status-page.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { VALUES_MOST = 40 };

/* The workers, each in one of the first five, and in the others if so. */
struct crowd {
	long starting, idle, busy, finishing, ending;
	long outdated;
	int64_t memory;
	double cpu; /* seconds, of those that live */
};

/* What a page refers to. */
struct contents {
	struct pool_state pool;
	struct crowd crowd;
	struct status_value values[VALUES_MOST];
	size_t value_count;
	double busy[COUNTS_STEPS], waiting[COUNTS_STEPS];
	struct status_series series[2];
	struct status_process *processes;
};

static const struct settings *settings;

void status_open(const struct settings *wanted)
{
	settings = wanted;
}

static const char *last_part(const char *path, size_t length, size_t *size)
{
	const char *end = path + length, *part = end;

	while (part > path && part[-1] != '/')
		part--;
	*size = (size_t)(end - part);
	return part;
}

/* --pool-name, or the file name of the program, or of the first word of a command. */
static const char *pool_name(void)
{
	static char name[64];
	const char *part, *path = settings->program ? settings->program[0] : settings->command;
	size_t size = strlen(path);

	if (settings->pool_name)
		return settings->pool_name;
	if (!settings->program) {
		path += strspn(path, " \t");
		size = strcspn(path, " \t;|&");
	}
	part = last_part(path, size, &size);
	if (size >= sizeof name)
		size = sizeof name - 1;
	memcpy(name, part, size);
	name[size] = '\0';
	return name;
}

/* Milliseconds since 1970. */
static int64_t wall_clock(void)
{
	struct timespec now = { .tv_sec = 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Workers. */

static void look_at(struct crowd *crowd, const struct worker *w)
{
	if (worker_is_here(w) && w->busy)
		crowd->busy++;
	else if (w->phase == WORKER_STARTING)
		crowd->starting++;
	else if (w->phase == WORKER_READY)
		crowd->idle++;
	else if (w->phase == WORKER_RETIRING)
		crowd->finishing++;
	else
		crowd->ending++;
	crowd->outdated += w->outdated;
	crowd->memory += w->child.ended ? 0 : w->memory;
	crowd->cpu += w->child.ended ? 0 : (double)w->cpu / 1e9;
}

static enum status_state state_of(const struct worker *w)
{
	if (w->phase == WORKER_ASKED)
		return STATUS_ENDING;
	if (w->phase == WORKER_RETIRING)
		return STATUS_FINISHING;
	return w->busy ? STATUS_RUNNING : STATUS_IDLE;
}

static void describe(const struct worker *w, int64_t now, struct status_process *out)
{
	const int64_t busy = w->busy_since ? loop_now() - w->busy_since : w->busy_for;

	*out = (struct status_process){
		.pid = w->child.pid, .state = state_of(w),
		.start_time = now - (loop_now() - w->child.started), .requests = w->connections,
		.duration = busy * 1000, .memory = w->memory, .bytes_in = -1, .bytes_out = -1,
	};
}

/* Processor time of all processes that there were. Between the end of one and wait(2) by its parent
 * the time is in neither sum, but the result must not fall. */
static double processor_time(double living)
{
	static double most;
	struct rusage dead;
	double sum = living;

	if (getrusage(RUSAGE_CHILDREN, &dead) == 0)
		sum += (double)(dead.ru_utime.tv_sec + dead.ru_stime.tv_sec) +
		       (double)(dead.ru_utime.tv_usec + dead.ru_stime.tv_usec) / 1e6;
	if (sum > most)
		most = sum;
	return most;
}

/* Values. */

static void add(struct contents *c, enum status_kind kind, const char *label, const char *family,
		const char *labels, const char *help, double value)
{
	if (c->value_count < VALUES_MOST)
		c->values[c->value_count++] = (struct status_value){
			.label = label, .family = family, .labels = labels, .help = help,
			.kind = kind, .value = value,
		};
}

/* Each trouble once: crashes are among the ends. */
static void mark_trouble(struct contents *c)
{
	c->values[c->value_count - 1].trouble = true;
}

static void add_unit(struct contents *c, enum status_kind kind, const char *label,
		     const char *family, const char *help, const char *unit, double value)
{
	add(c, kind, label, family, NULL, help, value);
	c->values[c->value_count - 1].unit = unit;
}

/* Idle and active ones are on the page anyway. */
static void add_state(struct contents *c, const char *label, const char *labels, long number)
{
	add(c, STATUS_GAUGE, label, "changing_processes", labels,
	    "Processes that come or go, by what they do.", (double)number);
}

static void add_states(struct contents *c)
{
	const struct crowd *n = &c->crowd;

	if (!c->pool.watched)
		add(c, STATUS_GAUGE, "ready processes", "ready_processes", NULL,
		    "Processes that serve somebody or nobody.", (double)n->idle);
	add_state(c, "starting processes", "state=\"starting\"", n->starting);
	add_state(c, "finishing processes", "state=\"finishing\"", n->finishing);
	add_state(c, "ending processes", "state=\"ending\"", n->ending);
	add(c, STATUS_GAUGE, "outdated processes", "outdated_processes", NULL,
	    "Processes that are to be replaced.", (double)n->outdated);
	add(c, STATUS_GAUGE, "limit processes", "limit_processes", NULL,
	    "Processes that there may be, without substitutes.", (double)c->pool.most);
}

static void add_end(struct contents *c, const char *label, const char *labels,
		    enum counts_end end)
{
	add(c, STATUS_COUNTER, label, "deaths", labels, "Processes that have ended, by cause.",
	    (double)counts.ends[end]);
	if (end != END_EXIT && end != END_ASKED)
		mark_trouble(c);
}

static void add_life(struct contents *c)
{
	add(c, STATUS_COUNTER, "starts", "starts", NULL, "Processes started.",
	    (double)counts.starts);
	add(c, STATUS_COUNTER, "restarts", "restarts", NULL,
	    "Processes started in place of one that ended by itself.", (double)counts.restarts);
	add_end(c, "deaths exit", "cause=\"exit\"", END_EXIT);
	add_end(c, "deaths failure", "cause=\"failure\"", END_FAILURE);
	add_end(c, "deaths signal", "cause=\"signal\"", END_SIGNAL);
	add_end(c, "deaths asked", "cause=\"asked\"", END_ASKED);
	add_end(c, "deaths killed", "cause=\"killed\"", END_KILLED);
	add(c, STATUS_COUNTER, "crashes", "crashes", NULL,
	    "Starts that failed, and processes that ended badly.", (double)counts.crashes);
	add(c, STATUS_GAUGE, "crash loop", "crash_loop", NULL, "1 in a crash loop.",
	    c->pool.crash_loop);
	add(c, STATUS_COUNTER, "reloads", "reloads", NULL, "Reloads completed.",
	    (double)counts.reloads);
	add(c, STATUS_GAUGE, "reloading", "reloading", NULL, "1 during a reload.",
	    c->pool.reloading);
}

static void add_refused(struct contents *c, const char *label, const char *labels,
			enum counts_refusal reason)
{
	add(c, STATUS_COUNTER, label, "refused", labels, "Requests answered 503 in the queue.",
	    (double)counts.refused[reason]);
	mark_trouble(c);
}

static void add_values(struct contents *c)
{
	add_states(c);
	add_life(c);
	add_refused(c, "refused queue full", "reason=\"queue_full\"", REFUSED_MANY);
	add_refused(c, "refused queue timeout", "reason=\"queue_timeout\"", REFUSED_LATE);
	add_refused(c, "refused stopped", "reason=\"stopped\"", REFUSED_LAST);
	if (settings->queue >= 0)
		add(c, STATUS_GAUGE, "limit queue", "limit_queue", NULL,
		    "Connections that may wait (--queue).", (double)settings->queue);
	add_unit(c, STATUS_COUNTER, "cpu", "cpu_seconds",
		 "Processor time of all processes.", "seconds", processor_time(c->crowd.cpu));
	add_unit(c, STATUS_GAUGE, "resident memory", "resident_bytes",
		 "Memory of all processes.", "bytes", (double)c->crowd.memory);
}

static void add_series(struct contents *c)
{
	counts_series(loop_now(), c->busy, c->waiting);
	c->series[0] = (struct status_series){ .title = "busy", .unit = "processes",
					       .values = c->busy };
	c->series[1] = (struct status_series){ .title = "listen queue", .unit = "connections",
					       .values = c->waiting };
	for (int i = 0; i < 2; i++) {
		c->series[i].count = COUNTS_STEPS;
		c->series[i].step = COUNTS_STEP;
	}
}

/* False without memory. */
static bool fill(struct contents *c, struct status_page *page)
{
	const int64_t now = wall_clock();
	size_t count = 0;

	pool_look(&c->pool);
	c->processes = calloc((size_t)worker_count() + 1, sizeof *c->processes);
	if (!c->processes)
		return false;
	for (const struct worker *w = worker_first; w; w = w->next) {
		look_at(&c->crowd, w);
		describe(w, now, &c->processes[count++]);
	}
	add_values(c);
	if (c->pool.watched)
		add_series(c);
	*page = (struct status_page){
		.program = "spawn-fcgi", .version = PACKAGE_VERSION, .pool = pool_name(),
		.manager = c->pool.watched ? settings->mode_name : "static",
		.now = now, .start_time = counts.start, .accepted = counts.connections,
		.queue = (uint64_t)c->pool.waiting, .queue_max = counts.queue_most,
		.queue_limit = (uint64_t)c->pool.queue_limit,
		.idle = c->pool.watched ? (uint64_t)c->crowd.idle : 0,
		.active = (uint64_t)c->crowd.busy, .active_max = counts.busy_most,
		.total = count, .limit_reached = counts.limit_reached, .slow = settings->slow_log > 0 ? counts.slow : counts.overdue,
		.memory_peak = (int64_t)counts.memory_most,
		.values = c->values, .value_count = c->value_count,
		.series = c->series, .series_count = c->pool.watched ? 2 : 0,
		.processes = c->processes, .process_count = count,
	};
	return true;
}

static bool is_ping(const char *name)
{
	const size_t length = strlen(name);

	return length >= 5 && strcmp(name + length - 5, "/ping") == 0;
}

char *status_answer(const struct responder_request *request, size_t *size)
{
	const bool head = strcmp(request->method, "HEAD") == 0;
	struct contents contents = { .value_count = 0 };
	struct status_page page;
	char *text = NULL;

	if (is_ping(request->script_name))
		return status_page_pong(head, size);
	if (fill(&contents, &page))
		text = status_page_render(&page, request->query, request->accept, head, size);
	free(contents.processes);
	return text;
}
