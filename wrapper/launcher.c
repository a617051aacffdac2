#include <config.h>

#include "launcher.h"

#include "admission.h"
#include "calls.h"
#include "exec.h"
#include "loop.h"
#include "os.h"
#include "processors.h"
#include "report.h"
#include "thread.h"
#include "warm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
	STARTERS_LEAST = 2,
	STARTERS_USUAL = 16, /* at most, unless starters hang */
	PLENTY = 1024, /* descriptors */
	STACK_SIZE = 512 * 1024,
	KEPT_MEMORY = 1024 * 1024,
	GROUPS_KEPT = 1000, /* milliseconds */
	/* Milliseconds after which waiting jobs get another starter: all may hang on a file
	 * system. */
	HANGS_AFTER = 20
};

struct job_list {
	struct launch_job *first, **last;
};

static const struct settings *settings;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct job_list todo, finished; /* under the lock */
static bool woken_already;             /* for finished jobs; under the lock */
static long queued, idle;              /* jobs in todo; idle starters; under the lock */
static unsigned long taken;            /* jobs taken so far; under the lock */
static int wake = -1;                  /* pipe to the loop, for finished jobs */
static struct watch woken;
static struct deadline watchdog, groups_kept;
static unsigned long taken_before;
static int64_t looked_at; /* last time of the watchdog */
static long starters, starters_usual;
/* A lane for each usual starter, if descriptors are plenty. */
static struct launch_lane lanes[STARTERS_USUAL];
static long lane_count;
static const struct launch_lane no_lane = { .low = { INT_MAX, INT_MAX, INT_MAX, INT_MAX } };

static void job_append(struct job_list *list, struct launch_job *job)
{
	job->next = NULL;
	*list->last = job;
	list->last = &job->next;
}

static struct launch_job *job_first(struct job_list *list)
{
	struct launch_job *job = list->first;

	if (job && !(list->first = job->next))
		list->last = &list->first;
	return job;
}

/* Starter threads. */

static void job_execute(struct launch_job *job, const struct launch_lane *lane)
{
	const struct script *script = &job->asking->script;
	const struct launch_plan plan = {
		.path = script->path,
		.called = script->called,
		.interpreter = script->interpreter,
		.home = script->home,
		.file = script->file,
		.directory = script->directory,
		.environment = job->asking->environment.variables,
	};
	char name[LAUNCH_NAME_SIZE];
	struct launch_plan warm = plan;

	/* A template's script sees the name that execve(2) would pass to an interpreter. */
	warm.called = launch_name(&plan, name);
	job->step = LAUNCH_FORK;
	job->group = exec_open_group();
	if (job->group > 0)
		job->pid = warm_start(&warm, job->ends, job->group);
	job->warm = job->pid > 0;
	if (job->group == 0 || job->pid == 0)
		job->pid = launch(&plan, job->ends, job->group, lane, &job->child, &job->step);
	job->error = errno;
	job->at = loop_clock();
	if (job->group > 0)
		exec_close_group(job->group);
	if (job->pid < 0 && job->step == LAUNCH_EXEC)
		script_explain_exec(script, job->error, job->reason, sizeof job->reason);
}

static bool job_has_place(const struct launch_job *job)
{
	return settings->max_per_script == 0 ||
	       admission_take_script(job->slot, job->asking->script.key,
				     (size_t)settings->max_per_script);
}

/* Steps before there is a process. */
static bool job_prepare(struct launch_job *job)
{
	job->step = LAUNCH_RESOLVE;
	if (!asking_resolve(job->asking, settings, job->received))
		return false;
	job->step = LAUNCH_PLACE;
	if (!job_has_place(job))
		return false;
	job->step = LAUNCH_DESCRIPTORS;
	if (job->ends[0] < 0)
		job->ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	job->error = errno;
	return job->ends[0] >= 0;
}

static void job_do(struct launch_job *job, const struct launch_lane *lane)
{
	job->pid = -1;
	if (job_prepare(job))
		job_execute(job, lane);
	for (int i = 0; i < 3; i++)
		if (job->ends[i] >= 0)
			close(job->ends[i]);
}

/* Unlocks, then wakes the loop if wanted, once for all jobs finished before its next look.
 * Under the lock the loop would wake only to wait. */
static void wake_loop(bool wanted)
{
	bool first = wanted && !woken_already;

	woken_already |= wanted;
	pthread_mutex_unlock(&lock);
	if (first && write(wake, "", 1) < 0) {
		/* The pipe is full: the loop will wake up anyway. */
	}
}

static void job_finish(struct launch_job *job)
{
	pthread_mutex_lock(&lock);
	job_append(&finished, job);
	job->finished = true;
	wake_loop(job->awaited || job->pid < 0);
}

static struct launch_job *job_await(void)
{
	struct launch_job *job;

	pthread_mutex_lock(&lock);
	while (!(job = job_first(&todo))) {
		idle++;
		pthread_cond_wait(&work, &lock);
		idle--;
	}
	queued--;
	taken++;
	job->taken = true;
	pthread_mutex_unlock(&lock);
	return job;
}

static void *starter_run(void *context)
{
	const struct launch_lane *lane = context;

	for (;;) {
		struct launch_job *job = job_await();

		job_do(job, lane);
		job_finish(job);
	}
	return NULL;
}

/* The loop's side. */

static bool starter_add(void)
{
	bool started = thread_start(starter_run, (void *)(size_t)(starters < lane_count
								  ? &lanes[starters] : &no_lane),
				    STACK_SIZE);

	starters += started;
	return started;
}

/* Numbers of groups are kept, to save time, only while starts are frequent. */
static void on_groups_kept(struct deadline *d)
{
	(void)d;
	exec_drop_groups();
}

void launcher_take_finished(void)
{
	struct launch_job *job;

	for (;;) {
		pthread_mutex_lock(&lock);
		job = job_first(&finished);
		pthread_mutex_unlock(&lock);
		if (!job)
			return;
		if (job->group > 0 && !deadline_is_set(&groups_kept))
			deadline_set(&groups_kept, GROUPS_KEPT, on_groups_kept);
		job->done(job);
	}
}

static void on_woken(struct watch *watch, unsigned events)
{
	char bytes[16];

	(void)events;
	/* Clear the flag after reading: while set, a byte is in the pipe or on its way. */
	os_read(watch->fd, bytes, sizeof bytes);
	pthread_mutex_lock(&lock);
	woken_already = false;
	pthread_mutex_unlock(&lock);
	launcher_take_finished();
}

bool launcher_await(struct launch_job *job)
{
	bool is_finished;

	pthread_mutex_lock(&lock);
	job->awaited = true;
	is_finished = job->finished;
	wake_loop(is_finished);
	return is_finished;
}

bool launcher_take(struct launch_job *job)
{
	bool is_finished;

	pthread_mutex_lock(&lock);
	job->awaited = true;
	is_finished = job->finished;
	pthread_mutex_unlock(&lock);
	if (is_finished)
		launcher_take_finished();
	return is_finished;
}

bool launcher_is_queued(const struct launch_job *job)
{
	bool is_queued;

	pthread_mutex_lock(&lock);
	is_queued = !job->taken;
	pthread_mutex_unlock(&lock);
	return is_queued;
}

/* Does jobs in the loop's thread, while not a single starter can be created. */
static void job_do_here(void)
{
	static bool told;
	sigset_t all, before;
	struct launch_job *job;

	if (!told)
		report("cannot create a thread: %s; until that is possible, a script on a slow file "
		       "system holds up others", strerror(errno));
	told = true;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while ((job = job_first(&todo))) {
		queued--;
		job_do(job, lane_count ? &lanes[0] : &no_lane);
		job_finish(job);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A late watchdog means busy processors: another starter would not help. */
static void on_watchdog(struct deadline *d)
{
	bool late = loop_now() - looked_at >= (int64_t)2 * HANGS_AFTER;
	bool stuck, waiting;

	pthread_mutex_lock(&lock);
	waiting = todo.first;
	stuck = waiting && taken == taken_before;
	taken_before = taken;
	pthread_mutex_unlock(&lock);
	looked_at = loop_now();
	/* Each job has a slot of a running script: slots bound the number of starters. */
	if (stuck && !late)
		starter_add();
	if (waiting)
		deadline_set(d, HANGS_AFTER, on_watchdog);
}

void launcher_start(struct launch_job *job)
{
	bool another, awaited;

	atomic_store(&job->child, 0);
	pthread_mutex_lock(&lock);
	job_append(&todo, job);
	queued++;
	awaited = idle > 0;
	another = idle < queued && starters < starters_usual;
	pthread_mutex_unlock(&lock);
	if (awaited)
		pthread_cond_signal(&work);
	if (another)
		starter_add();
	if (starters == 0) {
		job_do_here();
	} else if (!deadline_is_set(&watchdog)) {
		looked_at = loop_now();
		deadline_set(&watchdog, HANGS_AFTER, on_watchdog);
	}
}

void launcher_free_group(pid_t group, bool empty)
{
	exec_free_group(group, empty);
}

bool launcher_open(const struct settings *s, long descriptors)
{
	long share = 2 * processors_available() / s->workers;
	int ends[2];

	settings = s;
	starters = 0;
	starters_usual = share < STARTERS_LEAST ? STARTERS_LEAST
			 : share > STARTERS_USUAL ? STARTERS_USUAL : share;
	todo.last = &todo.first;
	finished.last = &finished.first;
#ifdef M_ARENA_MAX
	/* Starters need little memory: no heap for each. */
	mallopt(M_ARENA_MAX, 1);
	/* Keep freed memory for the next request: returning it takes time. */
	mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
#endif
	while (descriptors >= PLENTY && lane_count < starters_usual &&
	       launch_open_lane(&lanes[lane_count]))
		lane_count++;
	if (call_pipe(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	wake = ends[1];
	if (!loop_watch(&woken, ends[0], LOOP_READ, on_woken))
		return false;
	/* Create a starter now: the system may be out of threads later. A later fork, for a
	 * template, runs become() in the child, which is safe beside threads. */
	starter_add();
	return true;
}
