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
	LATE = 100, /* a deadline that is found so late: the process did not run */
	FAILED_PAUSE = 10,
	REFUSED_PAUSE = 200,
	/* How often every watch may be told while deadlines that are late wait. */
	LATE_ROUNDS = 16
};

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

/* Those that are in use, in their lists. */
static const struct wait_method *const *wait_by = wait_methods;
static const struct signal_method *const *signals_by = signal_methods;
static struct lane lanes[LANES];
static struct caught_signal signals[SIGNALS_MOST];
static size_t signal_count;
static struct watch alarm_watch = { .fd = -1 };
static struct watch *refused; /* watches whose change is still to be made */
static struct deadline change_again;
static size_t watch_count;
static int64_t now;
static int64_t due; /* deadlines pass up to here */
static size_t told_meanwhile; /* events, while deadlines waited for them */
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
	/* Explicitly, since a child on its way to exec may still hold a copy, and
	 * epoll would go on telling about it. */
	(*wait_by)->remove(watch);
	forget_refused(watch);
	watch_count--;
	close(watch->fd);
	watch->fd = -1;
	watch->wants = 0;
}

/* The loop. */

/* What is refused once is not tried again, by children neither. */

static bool open_signals(void)
{
	int fd;

	while ((fd = (*signals_by)->open()) < 0) {
		if (!call_is_refused(errno) || !signals_by[1])
			return false;
		report("%s is refused; %s is used instead", signals_by[0]->name,
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
		report("%s is refused; %s is used instead", wait_by[0]->name, wait_by[1]->name);
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
 * A deadline that comes while the process is stopped, or busy, is found together with
 * what has come meanwhile, and that counts first. So a deadline is due when a wait that
 * began at its time or later was complete; if the process did not run for long, when
 * there was nothing left to tell. But what never ends holds up no deadline for good.
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
		/* Without memory, say: not again at once. */
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
