/* The event loop: deadlines, descriptors and signals, each called when it is due and never else. */
#include <config.h>

#include "loop.h"
#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct deadline guard;
static bool guarded; /* a loop had to be stopped, since what was to happen did not */

static void on_guard(struct deadline *d)
{
	(void)d;
	guarded = true;
	loop_stop();
}

/* Runs until a callback stops the loop: false if none does. */
static bool run(void)
{
	guarded = false;
	deadline_set(&guard, 10000, on_guard);
	loop_run();
	deadline_clear(&guard);
	return !guarded;
}

/* Deadlines. ------------------------------------------------------------------------------- */

enum { TIMERS = 200 };

static struct timer {
	struct deadline deadline;
	int64_t due, passed_at; /* passed_at is -1 until then */
	int64_t delay;
	int turn; /* in which order it passed */
} timers[TIMERS];

static int turns, timers_left;

static struct timer *timer_of(struct deadline *d)
{
	return (struct timer *)(void *)((char *)d - offsetof(struct timer, deadline));
}

static void on_timer(struct deadline *d)
{
	struct timer *t = timer_of(d);

	t->passed_at = loop_now();
	t->turn = turns++;
	if (--timers_left == 0)
		loop_stop();
}

static void set_timer(struct timer *t, int64_t delay)
{
	t->delay = delay;
	t->due = loop_now() + delay;
	t->passed_at = -1;
	deadline_set(&t->deadline, delay, on_timer);
}

/* None passes early, and none that is due is left for later. */
static bool all_in_time(int count)
{
	for (int i = 0; i < count; i++) {
		if (timers[i].passed_at < timers[i].due)
			return false;
		for (int j = 0; j < count; j++)
			if (timers[i].due <= timers[j].passed_at &&
			    timers[i].passed_at > timers[j].passed_at)
				return false;
	}
	return true;
}

/* Those of the same delay pass in the order in which they were set. */
static bool same_delays_in_order(int count)
{
	for (int i = 0; i < count; i++)
		for (int j = i + 1; j < count; j++)
			if (timers[i].delay == timers[j].delay && timers[i].turn > timers[j].turn)
				return false;
	return true;
}

static void deadlines(void)
{
	static const int64_t few[] = { 30, 5, 60, 5, 1, 30 };

	turns = 0;
	timers_left = TIMERS;
	for (int i = 0; i < TIMERS; i++)
		set_timer(&timers[i], few[i % 6]);
	ok(run() && all_in_time(TIMERS), "deadlines of a few delays pass when they are due");
	ok(same_delays_in_order(TIMERS), "those of one delay in the order in which they were set");
	turns = 0;
	timers_left = TIMERS;
	for (int i = 0; i < TIMERS; i++)
		set_timer(&timers[i], 1 + i * 37 % 101);
	ok(run() && all_in_time(TIMERS), "so do deadlines of more delays than there are lanes");
	ok(same_delays_in_order(TIMERS), "and they keep their order too");
}

static void cleared_and_moved(void)
{
	int passed = 0;

	turns = 0;
	timers_left = 50;
	for (int i = 0; i < 100; i++)
		set_timer(&timers[i], 5 + i % 20);
	for (int i = 0; i < 100; i += 2)
		deadline_clear(&timers[i].deadline);
	for (int i = 1; i < 100; i += 4)
		set_timer(&timers[i], 40);
	ok(run(), "all that were not cleared pass");
	for (int i = 0; i < 100; i += 2)
		passed += timers[i].passed_at >= 0;
	ok(passed == 0, "those that were cleared do not");
	for (int i = 1; i < 100; i += 2)
		passed += timers[i].passed_at >= timers[i].due;
	ok(passed == 50, "those that were moved pass at their new time");
	deadline_clear(&timers[0].deadline);
	ok(!timers[0].deadline.lane && !timers[1].deadline.lane, "cleared or passed, none is set");
}

static struct deadline self, victim;
static int self_passed;

static void on_self(struct deadline *d)
{
	if (++self_passed == 3) {
		loop_stop();
		return;
	}
	deadline_clear(&victim);
	deadline_set(d, 1, on_self);
}

static void on_victim(struct deadline *d)
{
	(void)d;
	self_passed = 100;
	loop_stop();
}

static void deadlines_from_deadlines(void)
{
	self_passed = 0;
	deadline_set(&self, 2, on_self);
	deadline_set(&victim, 2, on_victim);
	ok(run() && self_passed == 3, "a deadline may set itself again, and clear another that is due");
}

/* Descriptors. ----------------------------------------------------------------------------- */

struct end {
	struct watch watch;
	unsigned events;
	int calls;
};

static struct end ends[4];

static struct end *end_of(struct watch *w)
{
	return (struct end *)(void *)((char *)w - offsetof(struct end, watch));
}

static void note(struct watch *w, unsigned events)
{
	end_of(w)->events = events;
	end_of(w)->calls++;
	loop_stop();
}

static void watch(struct end *e, int fd, unsigned events, void (*ready)(struct watch *, unsigned))
{
	*e = (struct end){ .calls = 0 };
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!loop_watch(&e->watch, fd, events, ready))
		abort();
}

static struct deadline pause_end;

static void on_pause_end(struct deadline *d)
{
	(void)d;
	loop_stop();
}

/* Runs the loop for a moment in which nothing should happen. */
static void run_a_moment(void)
{
	deadline_set(&pause_end, 20, on_pause_end);
	run();
	deadline_clear(&pause_end);
}

static void reading_and_writing(void)
{
	int fds[2];

	if (pipe(fds) < 0 || write(fds[1], "x", 1) != 1)
		abort();
	watch(&ends[0], fds[0], 0, note);
	watch(&ends[1], fds[1], 0, note);
	run_a_moment();
	ok(ends[0].calls == 0 && ends[1].calls == 0, "what is not wanted is not told");
	loop_want(&ends[0].watch, LOOP_READ);
	ok(run() && ends[0].events & LOOP_READ && ends[1].calls == 0, "bytes to read are told");
	loop_want(&ends[0].watch, 0);
	loop_want(&ends[1].watch, LOOP_WRITE);
	ok(run() && ends[1].events & LOOP_WRITE && ends[0].calls == 1, "room to write is told");
	loop_want(&ends[1].watch, 0);
	run_a_moment();
	ok(ends[0].calls == 1 && ends[1].calls == 1, "until it is not wanted any more");
	loop_want(&ends[0].watch, LOOP_READ);
	loop_close(&ends[1].watch);
	if (read(fds[0], &(char){ 0 }, 1) != 1)
		abort();
	ok(run() && ends[0].calls == 2 && ends[0].events & LOOP_READ, "the end of a stream is told");
	loop_close(&ends[0].watch);
	ok(ends[0].watch.fd == -1 && fcntl(fds[0], F_GETFD) < 0, "a watch closes its descriptor");
	loop_close(&ends[0].watch);
	loop_want(&ends[0].watch, LOOP_READ);
	run_a_moment();
	ok(ends[0].calls == 2, "closed twice, or wanted afterwards, nothing happens");
}

static void an_end_that_is_not_wanted(void)
{
	int fds[2];

	if (pipe(fds) < 0)
		abort();
	watch(&ends[0], fds[0], 0, note);
	close(fds[1]);
	run_a_moment();
	run_a_moment();
	ok(ends[0].calls <= 1, "an end of stream that nobody waits for keeps nobody busy");
	ends[0].calls = 0;
	loop_want(&ends[0].watch, LOOP_READ);
	ok(run() && ends[0].events & LOOP_READ, "it is told when somebody does");
	loop_close(&ends[0].watch);
}

/* Whoever is called first closes all the others. */
static void close_others(struct watch *w, unsigned events)
{
	(void)events;
	end_of(w)->calls++;
	for (int i = 0; i < 4; i++)
		if (&ends[i].watch != w)
			loop_close(&ends[i].watch);
	loop_stop();
}

static void closing_within_a_turn(void)
{
	int calls = 0;

	for (int i = 0; i < 4; i++) {
		int fds[2];

		if (pipe(fds) < 0 || write(fds[1], "x", 1) != 1)
			abort();
		close(fds[1]);
		watch(&ends[i], fds[0], LOOP_READ, close_others);
	}
	ok(run(), "four descriptors are ready at once");
	run_a_moment();
	for (int i = 0; i < 4; i++) {
		calls += ends[i].watch.fd < 0 && ends[i].calls > 0;
		loop_close(&ends[i].watch);
	}
	ok(calls == 0, "one that another has closed in the same turn is not called");
}

/* Whoever is called first closes another, and a new one gets its number. */
static int replaced, writer;

static void replace_other(struct watch *w, unsigned events)
{
	struct end *other = &ends[w == &ends[0].watch];
	int fds[2];

	(void)events;
	end_of(w)->calls++;
	loop_stop();
	if (replaced++)
		return;
	loop_close(&other->watch);
	if (pipe(fds) < 0)
		abort();
	watch(other, fds[0], LOOP_READ, note);
	writer = fds[1];
}

static void replacing_within_a_turn(void)
{
	for (int i = 0; i < 2; i++) {
		int fds[2];

		if (pipe(fds) < 0 || write(fds[1], "x", 1) != 1)
			abort();
		close(fds[1]);
		watch(&ends[i], fds[0], LOOP_READ, replace_other);
	}
	replaced = 0;
	ok(run() && ends[0].calls + ends[1].calls == 1,
	   "one that took the place of another in the same turn is not called for it");
	loop_close(&ends[0].watch);
	loop_close(&ends[1].watch);
	close(writer);
}

static void many_descriptors(void)
{
	enum { MANY = 200 };
	static struct end many[MANY];
	int writers[MANY], told = 0;

	for (int i = 0; i < MANY; i++) {
		int fds[2];

		if (pipe(fds) < 0)
			abort();
		writers[i] = fds[1];
		watch(&many[i], fds[0], LOOP_READ, note);
	}
	for (int i = 0; i < MANY; i += 3)
		loop_close(&many[i].watch);
	for (int i = MANY - 1; i >= 0; i--) {
		if (many[i].watch.fd < 0 || write(writers[i], "x", 1) != 1)
			continue;
		told += run() && many[i].calls == 1;
		loop_close(&many[i].watch);
	}
	for (int i = 0; i < MANY; i++)
		close(writers[i]);
	ok(told == MANY - (MANY + 2) / 3, "among many descriptors the right one is called");
}

/* Signals. --------------------------------------------------------------------------------- */

static int caught[2];

static void on_user(int number)
{
	caught[number == SIGUSR2]++;
	loop_stop();
}

static void signals(void)
{
	ok(loop_catch(SIGUSR1, on_user) && loop_catch(SIGUSR2, on_user), "signals can be caught");
	raise(SIGUSR1);
	ok(caught[0] == 0, "a signal is not told where it strikes");
	ok(run() && caught[0] == 1 && caught[1] == 0, "the loop tells it");
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR2);
	ok(run() && caught[0] == 2 && caught[1] == 1, "once, however often it came");
	run_a_moment();
	ok(caught[0] == 2 && caught[1] == 1, "and not again");
	kill(getpid(), SIGUSR2);
	ok(run() && caught[1] == 2, "a later one is told again");
	loop_leave_signals();
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	run_a_moment();
	ok(caught[0] == 2, "after leaving them none is told");
}

static int after_turns;

static void after_turn(void)
{
	after_turns++;
}

static void the_end_of_a_turn(void)
{
	loop_after_turn(after_turn);
	turns = 0;
	timers_left = 1;
	set_timer(&timers[0], 5);
	ok(run() && after_turns >= 1, "the end of a turn is told");
}

int main(void)
{
	if (!loop_open())
		abort();
	deadlines();
	cleared_and_moved();
	deadlines_from_deadlines();
	reading_and_writing();
	an_end_that_is_not_wanted();
	closing_within_a_turn();
	replacing_within_a_turn();
	many_descriptors();
	signals();
	the_end_of_a_turn();
	return tap_done();
}
