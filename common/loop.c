#include <config.h>

#include "loop.h"
#include "loop-signals.h"
#include "loop-wait.h"

#include "calls.h"
#include "report.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	LANES = 16,
	/* milliseconds */
	LATE = 100, /* a deadline found so late: the process was stopped or busy */
	FAILED_PAUSE = 10,
	REFUSED_PAUSE = 200,
	/* Events per watch, on average, for which late deadlines wait. */
	LATE_ROUNDS = 16
};

/*
 * Deadlines in the order in which they pass. Most have one of a few delays from the
 * settings, and deadlines of one delay pass in the order of deadline_set(): each delay
 * has a lane, where a new deadline goes to the end. The last lane takes all other
 * delays, sorted.
 */
struct lane {
	int64_t delay;
	struct deadline *first, *last;
};

struct caught_signal {
	int number;
	void (*caught)(int);
};

/* Methods in use. */
static const struct wait_method *const *wait_by = wait_methods;
static const struct signal_method *const *signals_by = signal_methods;
static struct lane lanes[LANES];
static struct caught_signal signals[SIGNALS_MOST];
static size_t signal_count;
static struct watch alarm_watch = { .fd = -1 };
static struct watch *refused; /* watches with a failed change, to be tried again */
static struct deadline change_again;
static size_t watch_count;
static int64_t now;
static int64_t due; /* deadlines up to here may pass */
static size_t told_meanwhile; /* events, while deadlines waited */
static bool running;
static void (*after_turn)(void);

int64_t loop_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void read_clock(void)
{
	now = loop_clock();
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
	size_t come = (*signals_by)->take(numbers);

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
	return (*signals_by)->catch(number);
}

void loop_hold_signals(void)
{
	(*signals_by)->hold();
}

void loop_release_signals(void)
{
	(*signals_by)->release();
}

void loop_return_signals(void)
{
	(*signals_by)->give_back();
}

void loop_leave_signals(void)
{
	(*signals_by)->leave();
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

static bool pass_deadlines(void)
{
	bool any = false;

	for (struct lane *lane = lanes; lane < lanes + LANES; lane++) {
		while (lane->first && lane->first->at <= due) {
			struct deadline *d = lane->first;

			deadline_clear(d);
			d->passed(d);
			any = true;
		}
	}
	return any;
}

static int64_t next_deadline(void)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < LANES; i++)
		if (lanes[i].first && lanes[i].first->at < next)
			next = lanes[i].first->at;
	return next;
}

static int timeout_until(int64_t moment)
{
	if (moment == INT64_MAX)
		return -1;
	moment -= now;
	return moment < 0 ? 0 : moment > INT_MAX ? INT_MAX : (int)moment;
}

/* Descriptors. */

bool loop_watch(struct watch *watch, int fd, unsigned events,
		void (*ready)(struct watch *, unsigned))
{
	*watch = (struct watch){ .fd = fd, .wants = events, .ready = ready };
	if ((*wait_by)->add(watch)) {
		watch_count++;
		return true;
	}
	watch->fd = -1;
	return false;
}

static void forget_refused(struct watch *watch)
{
	struct watch **link = &refused;

	while (*link && *link != watch)
		link = &(*link)->next_refused;
	if (*link)
		*link = watch->next_refused;
}

static void on_change_again(struct deadline *d)
{
	struct watch **link = &refused;

	while (*link) {
		struct watch *watch = *link;

		if ((*wait_by)->change(watch))
			*link = watch->next_refused;
		else
			link = &watch->next_refused;
	}
	if (refused)
		deadline_set(d, REFUSED_PAUSE, on_change_again);
}

bool loop_want(struct watch *watch, unsigned events)
{
	if (watch->fd < 0 || watch->wants == events)
		return true;
	forget_refused(watch);
	watch->wants = events;
	if ((*wait_by)->change(watch))
		return true;
	watch->next_refused = refused;
	refused = watch;
	if (!deadline_is_set(&change_again))
		deadline_set(&change_again, REFUSED_PAUSE, on_change_again);
	return false;
}

void loop_close(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	/* Remove explicitly: with a copy of the descriptor in a child before exec, epoll
	 * would go on reporting events. */
	(*wait_by)->remove(watch);
	forget_refused(watch);
	watch_count--;
	close(watch->fd);
	watch->fd = -1;
	watch->wants = 0;
}

/* The loop. */

/* A refused method is not tried again, nor in forked children. */

static bool open_signals(void)
{
	int fd;

	while ((fd = (*signals_by)->open()) < 0) {
		if (!call_is_refused(errno) || !signals_by[1])
			return false;
		report(REPORT_WARNING "%s is refused; %s is used instead", signals_by[0]->name,
		       signals_by[1]->name);
		signals_by++;
	}
	return loop_watch(&alarm_watch, fd, LOOP_READ, on_alarm);
}

static bool open_wait(void)
{
	while (!(*wait_by)->open()) {
		if (!call_is_refused(errno) || !wait_by[1])
			return false;
		report(REPORT_WARNING "%s is refused; %s is used instead", wait_by[0]->name, wait_by[1]->name);
		wait_by++;
	}
	return true;
}

bool loop_open(void)
{
	memset(lanes, 0, sizeof lanes);
	change_again = (struct deadline){ .lane = NULL };
	refused = NULL;
	signal_count = watch_count = told_meanwhile = 0;
	after_turn = NULL;
	read_clock();
	due = now;
	return open_wait() && open_signals();
}

static void loop_end_turn(void)
{
	if (after_turn)
		after_turn();
}

/*
 * When the process was stopped or busy, a deadline is found together with events that
 * have come meanwhile; the events are told first. So a deadline is due after a complete
 * wait that began at the deadline or later; if LATE, after a wait without any event.
 * Events without end hold up deadlines only for so many (told_meanwhile).
 */
static void find_due(int64_t began, const struct wait_result *result)
{
	int64_t next = next_deadline();
	size_t rounds = now - next >= LATE ? LATE_ROUNDS : 1;

	told_meanwhile += result->told;
	if (next > began) {
		told_meanwhile = 0;
	} else if ((result->complete && (result->told == 0 || rounds == 1)) ||
		   told_meanwhile > rounds * watch_count) {
		told_meanwhile = 0;
		due = began;
	}
}

static void loop_turn(void)
{
	struct wait_result result;
	int64_t began;

	read_clock();
	began = now;
	if (!(*wait_by)->once(timeout_until(next_deadline()), read_clock, &result) &&
	    errno != EINTR) {
		/* Out of memory, perhaps: pause before the next try. */
		poll(NULL, 0, FAILED_PAUSE);
		due = began;
	}
	read_clock();
	loop_end_turn();
	find_due(began, &result);
	if (pass_deadlines())
		loop_end_turn();
}

void loop_run(void)
{
	running = true;
	read_clock();
	loop_end_turn();
	while (running)
		loop_turn();
}

void loop_after_turn(void (*done)(void))
{
	after_turn = done;
}

void loop_stop(void)
{
	running = false;
}
