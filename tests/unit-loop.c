/* The event loop: deadlines, descriptors and signals, each called when it is due and never else;
 * with the system calls that it prefers, and where they are refused. */
#include <config.h>

#include "loop.h"
#include "report.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef LOOP_WRAPPED
#include <sys/epoll.h>
#include <sys/signalfd.h>
#endif

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

/* None passes early, and none passes before one that was due before it. */
static bool all_in_time(int count)
{
	for (int i = 0; i < count; i++) {
		if (timers[i].passed_at < timers[i].due)
			return false;
		for (int j = 0; j < count; j++)
			if (timers[i].due <= timers[j].due &&
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

/* It may be had by whoever is started without a standard input. */
static void descriptor_0(void)
{
	int saved = dup(STDIN_FILENO), fds[2];

	close(STDIN_FILENO);
	if (pipe(fds) < 0 || fds[0] != STDIN_FILENO || write(fds[1], "x", 1) != 1)
		abort();
	watch(&ends[0], fds[0], LOOP_READ, note);
	ok(run() && ends[0].calls == 1, "descriptor 0 is one like others");
	loop_close(&ends[0].watch);
	ok(fcntl(STDIN_FILENO, F_GETFD) < 0, "and closed like them");
	close(fds[1]);
	dup2(saved, STDIN_FILENO);
	close(saved);
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
	run_a_moment();
	loop_watch(&many[0].watch, dup(STDERR_FILENO), 0, note);
	ok(many[0].watch.slot < MANY / 2, "and the places of those that were closed are used again");
	loop_close(&many[0].watch);
}

/* Events before deadlines. ------------------------------------------------------------------ */

enum { CLIENTS = 200 };

/* A client of which there is so much to read, a byte at a time, before its time-out. */
static struct client {
	struct end end;
	struct deadline timeout;
	int writer, bytes;
} clients[CLIENTS];

static int timeouts, served;
static struct client *served_last;

static void on_timeout(struct deadline *d)
{
	(void)d;
	timeouts++;
}

static void read_byte(struct watch *w, unsigned events)
{
	struct client *c = (struct client *)(void *)end_of(w);

	(void)events;
	if (read(w->fd, &(char){ 0 }, 1) != 1)
		abort();
	if (--c->bytes > 0)
		return;
	loop_want(w, 0);
	served++;
	served_last = c;
}

static void read_and_clear(struct watch *w, unsigned events)
{
	read_byte(w, events);
	if (served_last)
		deadline_clear(&served_last->timeout);
	served_last = NULL;
}

static void clear_at_end_of_turn(void)
{
	if (served_last)
		deadline_clear(&served_last->timeout);
	served_last = NULL;
}

/* As if the process were stopped for a time that is longer than the time-outs, while all of
 * this arrives: whether all of it counts. */
static bool all_served(int count, int bytes, int milliseconds,
		       void (*ready)(struct watch *, unsigned))
{
	timeouts = served = 0;
	for (int i = 0; i < count; i++) {
		int fds[2];

		if (pipe(fds) < 0)
			abort();
		for (int n = 0; n < bytes; n++)
			if (write(fds[1], "x", 1) != 1)
				abort();
		watch(&clients[i].end, fds[0], LOOP_READ, ready);
		clients[i].writer = fds[1];
		clients[i].bytes = bytes;
		deadline_set(&clients[i].timeout, milliseconds / 2, on_timeout);
	}
	usleep((useconds_t)milliseconds * 1000);
	run_a_moment();
	for (int i = 0; i < count; i++) {
		deadline_clear(&clients[i].timeout);
		loop_close(&clients[i].end.watch);
		close(clients[i].writer);
	}
	if (timeouts > 0 || served < count)
		printf("# %d of %d served, %d time-outs\n", served, count, timeouts);
	return timeouts == 0 && served == count;
}

static void never_read(struct watch *w, unsigned events)
{
	(void)w, (void)events;
}

static bool passes_beside_endless_events(int milliseconds)
{
	bool passed;
	int fds[2];

	if (pipe(fds) < 0 || write(fds[1], "x", 1) != 1)
		abort();
	watch(&ends[0], fds[0], LOOP_READ, never_read);
	deadline_set(&pause_end, 5, on_pause_end);
	usleep((useconds_t)milliseconds * 1000);
	passed = run();
	loop_close(&ends[0].watch);
	close(fds[1]);
	return passed;
}

static void events_before_deadlines(void)
{
	ok(all_served(1, 1, 40, read_and_clear), "what has come before a deadline is told first");
	ok(all_served(CLIENTS, 1, 40, read_and_clear), "of many descriptors too");
	ok(all_served(3, 10, 200, read_and_clear), "after a long stop also what takes several turns");
	loop_after_turn(clear_at_end_of_turn);
	ok(all_served(1, 1, 40, read_byte), "and the turn ends before a deadline passes");
	loop_after_turn(NULL);
	ok(passes_beside_endless_events(0), "what is never read holds up no deadline");
	ok(passes_beside_endless_events(200), "after a long stop neither");
}

/* System calls that fail. ------------------------------------------------------------------ */

#ifdef LOOP_WRAPPED

/* The linker puts these in front of libc's (--wrap). */
static int epoll_error; /* of epoll_ctl to add, and epoll_wait */
static bool calls_refused;

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_epoll_ctl(int epoll, int change, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int change, int fd, struct epoll_event *event);
int __real_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout);
int __real_signalfd(int fd, const sigset_t *signals, int flags);
int __wrap_signalfd(int fd, const sigset_t *signals, int flags);
int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags);

static int failing(int error)
{
	errno = error;
	return -1;
}

int __wrap_epoll_create1(int flags)
{
	return calls_refused ? failing(ENOSYS) : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int epoll, int change, int fd, struct epoll_event *event)
{
	return epoll_error && change == EPOLL_CTL_ADD ? failing(epoll_error)
						       : __real_epoll_ctl(epoll, change, fd, event);
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
	return epoll_error && timeout != 0 ? failing(epoll_error)
					   : __real_epoll_wait(epoll, events, count, timeout);
}

int __wrap_signalfd(int fd, const sigset_t *signals, int flags)
{
	return calls_refused ? failing(EPERM) : __real_signalfd(fd, signals, flags);
}

int __wrap_pipe2(int fds[2], int flags)
{
	return calls_refused ? failing(EINVAL) : __real_pipe2(fds, flags);
}

static void no_room(void)
{
	int fds[2];
	bool wanted;

	if (pipe(fds) < 0)
		abort();
	watch(&ends[0], fds[0], LOOP_READ | LOOP_SHARED, note);
	if (write(fds[1], "x", 1) != 1)
		abort();
	epoll_error = ENOSPC;
	ok(loop_want(&ends[0].watch, 0), "nothing can be wanted without room");
	wanted = loop_want(&ends[0].watch, LOOP_READ | LOOP_SHARED);
	ok(!wanted && errno == ENOSPC, "what is shared cannot be wanted again");
	run_a_moment();
	ok(ends[0].calls == 0, "and is not told then");
	deadline_set(&pause_end, 300, on_pause_end);
	run(); /* past an attempt that fails, too */
	ok(!loop_watch(&ends[1].watch, fds[1], LOOP_WRITE, note) && ends[1].watch.fd == -1,
	   "nothing new is taken up");
	epoll_error = 0;
	ok(run() && ends[0].calls == 1, "it is told when there is room again");
	close(fds[1]);
	epoll_error = ENOMEM;
	loop_want(&ends[0].watch, 0);
	loop_want(&ends[0].watch, LOOP_READ | LOOP_SHARED);
	loop_close(&ends[0].watch);
	epoll_error = 0;
	/* Its memory holds something else now. */
	if (pipe(fds) < 0 || write(fds[1], "x", 1) != 1)
		abort();
	ends[0] = (struct end){ .watch = { .fd = fds[0], .wants = LOOP_READ, .ready = note } };
	deadline_set(&pause_end, 300, on_pause_end);
	ok(run() && ends[0].calls == 0, "unless it was closed meanwhile");
	ends[0].watch = WATCH_NONE;
	close(fds[0]);
	close(fds[1]);
	epoll_error = ENOMEM;
	deadline_set(&pause_end, 30, on_pause_end);
	ok(run(), "deadlines pass while waiting fails");
	epoll_error = 0;
}

#else

static void no_room(void)
{
}

#endif

/* Signals. --------------------------------------------------------------------------------- */

static int caught[2];

static void on_user(int number)
{
	caught[number == SIGUSR2]++;
	loop_stop();
}

static void signals(void)
{
	sigset_t pending;

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
	loop_hold_signals();
	raise(SIGUSR2);
	loop_release_signals();
	ok(run() && caught[1] == 3, "and one that was held back, when it is let go");
	raise(SIGUSR2);
	loop_hold_signals();
	loop_return_signals();
	ok(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2) &&
	   !sigismember(&pending, SIGUSR1), "one that was not told is pending for a new program");
	loop_release_signals();
	ok(run() && caught[1] == 4, "and told if there is none");
	loop_leave_signals();
	ok(signal(SIGUSR1, SIG_IGN) == SIG_DFL, "left, it does what it does by default");
	raise(SIGUSR1);
	run_a_moment();
	ok(caught[0] == 2, "and is not told");
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

static int next_descriptor(void)
{
	int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

static void all(void)
{
	int next;

	caught[0] = caught[1] = 0;
	if (!loop_open())
		abort();
	next = next_descriptor();
	ok(loop_open() && next_descriptor() == next, "opened anew, a loop has no more descriptors");
	deadlines();
	cleared_and_moved();
	deadlines_from_deadlines();
	reading_and_writing();
	descriptor_0();
	an_end_that_is_not_wanted();
	closing_within_a_turn();
	replacing_within_a_turn();
	many_descriptors();
	events_before_deadlines();
	signals();
	the_end_of_a_turn();
}

static char said[256];

static void keep_report(const struct report_message *message)
{
	size_t used = strlen(said);

	snprintf(said + used, sizeof said - used, "%.*s\n", (int)message->size, message->text);
}

int main(void)
{
	alarm(60);
	report_to(keep_report);
	all();
	no_room();
	ok(!said[0], "nothing is said while all calls are there");
#ifdef LOOP_WRAPPED
	printf("# calls refused\n");
	calls_refused = true;
	all();
	ok(loop_open() && strcmp(said, "epoll is refused; poll is used instead\n"
				       "signalfd is refused; pipe is used instead\n"
				       "pipe2 is refused; pipe is called instead\n") == 0,
	   "what is refused is said, and once");
#endif
	return tap_done();
}
