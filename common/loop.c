#include <config.h>

#include "loop.h"
#include "loop-wait.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compat.h"

enum { LANES = 16, SIGNALS = 8 };

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
	volatile sig_atomic_t pending;
};

static struct lane lanes[LANES];
static struct caught_signal signals[SIGNALS];
static size_t signal_count;
static int alarm_pipe[2] = { -1, -1 }; /* written by the signal handler */
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

/* Signals: the handler leaves a mark and a byte in a pipe; the loop does the rest. */

static void on_signal(int number)
{
	int saved = errno;

	for (size_t i = 0; i < signal_count; i++)
		if (signals[i].number == number)
			signals[i].pending = 1;
	if (write(alarm_pipe[1], "", 1) < 0) {
		/* The pipe is full: the loop will wake up anyway. */
	}
	errno = saved;
}

static void on_alarm(struct watch *watch, unsigned events)
{
	char drain[64];

	(void)events;
	/* Whatever is left there wakes the loop once more. */
	if (read(watch->fd, drain, sizeof drain) < 0) {
	}
	for (size_t i = 0; i < signal_count; i++) {
		if (!signals[i].pending)
			continue;
		signals[i].pending = 0;
		signals[i].caught(signals[i].number);
	}
}

bool loop_catch(int number, void (*caught)(int))
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	assert(signal_count < SIGNALS);
	signals[signal_count++] = (struct caught_signal){ .number = number, .caught = caught };
	sigemptyset(&action.sa_mask);
	return sigaction(number, &action, NULL) == 0;
}

void loop_leave_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < signal_count; i++)
		sigaction(signals[i].number, &action, NULL);
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
	memset(lanes, 0, sizeof lanes);
	signal_count = 0;
	after_turn = NULL;
	for (int i = 0; i < 2; i++)
		if (alarm_pipe[i] >= 0)
			close(alarm_pipe[i]);
	read_clock();
	return wait_open() && pipe2(alarm_pipe, O_CLOEXEC | O_NONBLOCK) == 0 &&
	       loop_watch(&alarm_watch, alarm_pipe[0], LOOP_READ, on_alarm);
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
