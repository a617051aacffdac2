#include <config.h>

#include "loop.h"
#include "loop-signals.h"
#include "loop-wait.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LANES = 16 };

/*
 * Deadlines in the order in which they pass. Most have one of a few delays that
 * the settings name, and those set with the same delay pass in the order in
 * which they were set: so there is a lane for each delay, where a new deadline
 * goes to the end. The last lane takes whatever is left over, sorted.
 */
struct lane {
	int64_t delay;
	struct deadline *first, *last;
};

struct caught_signal {
	int number;
	void (*caught)(int);
};

static struct lane lanes[LANES];
static struct caught_signal signals[SIGNALS_MOST];
static size_t signal_count;
static struct watch alarm_watch = { .fd = -1 };
static int64_t now;
static bool running;
static void (*after_turn)(void);

static void read_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t loop_now(void)
{
	return now;
}

bool loop_is_time(int64_t *last, int64_t interval)
{
	if (*last && now - *last < interval)
		return false;
	*last = now;
	return true;
}

/* Signals. */

static void on_alarm(struct watch *watch, unsigned events)
{
	int numbers[SIGNALS_MOST];
	size_t come = signals_take(numbers);

	(void)watch, (void)events;
	for (size_t i = 0; i < come; i++)
		for (size_t k = 0; k < signal_count; k++)
			if (signals[k].number == numbers[i])
				signals[k].caught(numbers[i]);
}

bool loop_catch(int number, void (*caught)(int))
{
	assert(signal_count < SIGNALS_MOST);
	signals[signal_count++] = (struct caught_signal){ .number = number, .caught = caught };
	return signals_catch(number);
}

void loop_hold_signals(void)
{
	signals_hold();
}

void loop_release_signals(void)
{
	signals_release();
}

void loop_leave_signals(void)
{
	signals_leave();
}

/* Deadlines. */

static struct lane *lane_for(int64_t delay)
{
	size_t i;

	for (i = 0; i < LANES - 1; i++)
		if (lanes[i].delay == delay || !lanes[i].first)
			break;
	lanes[i].delay = delay;
	return &lanes[i];
}

void deadline_set(struct deadline *d, int64_t delay, void (*passed)(struct deadline *))
{
	struct lane *lane;
	struct deadline *before;

	assert(delay >= 1);
	deadline_clear(d);
	lane = lane_for(delay);
	*d = (struct deadline){ .lane = lane, .at = now + delay, .passed = passed };
	for (before = lane->last; before && before->at > d->at; before = before->prev)
		;
	d->prev = before;
	d->next = before ? before->next : lane->first;
	*(before ? &before->next : &lane->first) = d;
	*(d->next ? &d->next->prev : &lane->last) = d;
}

void deadline_clear(struct deadline *d)
{
	struct lane *lane = d->lane;

	if (!lane)
		return;
	*(d->prev ? &d->prev->next : &lane->first) = d->next;
	*(d->next ? &d->next->prev : &lane->last) = d->prev;
	d->lane = NULL;
}

static void pass_deadlines(void)
{
	for (struct lane *lane = lanes; lane < lanes + LANES; lane++) {
		while (lane->first && lane->first->at <= now) {
			struct deadline *d = lane->first;

			deadline_clear(d);
			d->passed(d);
		}
	}
}

static int until_next_deadline(void)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < LANES; i++)
		if (lanes[i].first && lanes[i].first->at < next)
			next = lanes[i].first->at;
	if (next == INT64_MAX)
		return -1;
	next -= now;
	return next < 0 ? 0 : next > INT_MAX ? INT_MAX : (int)next;
}

/* Descriptors. */

bool loop_watch(struct watch *watch, int fd, unsigned events,
		void (*ready)(struct watch *, unsigned))
{
	*watch = (struct watch){ .fd = fd, .wants = events, .ready = ready };
	if (wait_add(watch))
		return true;
	watch->fd = -1;
	return false;
}

void loop_want(struct watch *watch, unsigned events)
{
	if (watch->fd < 0 || watch->wants == events)
		return;
	watch->wants = events;
	wait_change(watch);
}

void loop_close(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	/* Explicitly, since a child on its way to exec may still hold a copy, and
	 * epoll would go on telling about it. */
	wait_remove(watch);
	close(watch->fd);
	watch->fd = -1;
	watch->wants = 0;
}

/* The loop. */

bool loop_open(void)
{
	int alarms;

	memset(lanes, 0, sizeof lanes);
	signal_count = 0;
	after_turn = NULL;
	read_clock();
	alarms = signals_open();
	return alarms >= 0 && wait_open() &&
	       loop_watch(&alarm_watch, alarms, LOOP_READ, on_alarm);
}

void loop_run(void)
{
	running = true;
	while (running) {
		read_clock();
		pass_deadlines();
		if (after_turn)
			after_turn();
		if (running)
			wait_once(until_next_deadline(), read_clock);
	}
}

void loop_after_turn(void (*done)(void))
{
	after_turn = done;
}

void loop_stop(void)
{
	running = false;
}
