#include <config.h>

#include "describer.h"

#include "calls.h"
#include "loop.h"
#include "report.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_SIZE = 128 * 1024, SECOND = 1000 };

static portrait_look_as *look_as;
static bool is_running;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct description *todo, *finished; /* under the lock; the oldest first */
static size_t waiting;                      /* asked for, and not done */
static int wake = -1;                       /* pipe to the loop */
static struct watch woken = { .fd = -1 };
static int64_t second; /* in which so many were asked for */
static int in_second;

static void append(struct description **list, struct description *d)
{
	d->next = NULL;
	while (*list)
		list = &(*list)->next;
	*list = d;
}

static struct description *take_first(struct description **list)
{
	struct description *d = *list;

	if (d)
		*list = d->next;
	return d;
}

static void *run(void *context)
{
	(void)context;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct description *d = take_first(&todo);

		if (!d) {
			pthread_cond_wait(&work, &lock);
			continue;
		}
		pthread_mutex_unlock(&lock);
		d->is_drawn = portrait_draw(d->process, look_as, d->lines);
		pthread_mutex_lock(&lock);
		append(&finished, d);
		if (write(wake, "", 1) < 0) {
			/* The pipe is full: the loop will look anyway. */
		}
	}
	return NULL;
}

static void on_drawn(struct watch *watch, unsigned events)
{
	struct description *d;
	char bytes[DESCRIBER_WAITING_MOST];

	(void)events;
	if (read(watch->fd, bytes, sizeof bytes) < 0) {
		/* Nothing is there after all. */
	}
	for (;;) {
		pthread_mutex_lock(&lock);
		d = take_first(&finished);
		pthread_mutex_unlock(&lock);
		if (!d)
			return;
		waiting--;
		if (d->owner)
			d->done(d->owner, d->is_drawn ? d->lines : NULL);
		free(d);
	}
}

void describer_open(portrait_look_as *look)
{
	look_as = look;
}

static bool start(void)
{
	static bool told;
	int ends[2];

	if (is_running)
		return true;
	if (wake < 0 && call_pipe(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
		wake = ends[1];
		if (!loop_watch(&woken, ends[0], LOOP_READ, on_drawn)) {
			close(ends[0]);
			close(ends[1]);
			wake = -1;
		}
	}
	is_running = wake >= 0 && thread_start(run, NULL, STACK_SIZE);
	if (!is_running && !told)
		report("--slow-log: cannot describe what takes long: %s", strerror(errno));
	told = true;
	return is_running;
}

/* A system where everything is slow is not to be made slower. */
static bool is_too_much(void)
{
	if (loop_now() - second >= SECOND) {
		second = loop_now();
		in_second = 0;
	}
	return waiting == DESCRIBER_WAITING_MOST || in_second++ >= DESCRIBER_IN_SECOND_MOST;
}

struct description *describer_ask(pid_t process, void (*done)(void *, const char *), void *owner)
{
	struct description *d = is_too_much() || !start() ? NULL : malloc(sizeof *d);

	if (!d)
		return NULL;
	*d = (struct description){ .process = process, .done = done, .owner = owner };
	waiting++;
	pthread_mutex_lock(&lock);
	append(&todo, d);
	pthread_cond_signal(&work);
	pthread_mutex_unlock(&lock);
	return d;
}

void describer_forget(struct description *d)
{
	if (d)
		d->owner = NULL;
}
