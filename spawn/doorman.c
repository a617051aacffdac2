#include <config.h>

#include "doorman.h"

#include "accept-now.h"
#include "census.h"
#include "counts.h"
#include "handover.h"
#include "loop.h"
#include "overload.h"
#include "refusal.h"
#include "report.h"
#include "self.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { /* milliseconds */
	QUEUE_FORMS = 5,  /* connections waiting so long are a queue */
	LOOK_EVERY = 10,  /* at most, while connections wait */
	WATCH_EVERY = 20, /* at most, while connections come */
	MORE_AFTER = 2,   /* while there are more to be refused */
	TELL_EVERY = 5000,
	REST = 2000
};

enum {
	NS_PER_MS = 1000000,
	SHARE = 50,     /* looks take 1/SHARE of a processor at most */
	BUSY_SHARE = 5, /* and 1/BUSY_SHARE while many are refused */
	TAKEN_MOST = 32, /* in one turn */
	BLURRED_MOST = 50 /* looks in a row naming more connections than wait */
};

/* Refused requests not yet reported, by reason. */
struct told {
	long many, late, last;
};

static struct doorman {
	const struct settings *settings;
	int listener;
	int former; /* listener before; -1: none */
	long (*vacancies)(void);
	void (*done)(void);
	struct watch queue; /* a duplicate of listener: the pool watches that one */
	struct deadline look, tell, end, former_end;
	struct overload overload;
	struct overload_names names;
	bool by_name; /* waiting connections have names */
	bool closed;  /* the door */
	unsigned blurred;
	int64_t last_look, rest_end;
	int64_t cost; /* of a look, in nanoseconds of processor time */
	struct told refused;
	struct report_rate troubles;
} doorman = { .former = -1, .queue = { .fd = -1 } };

static void on_door_look(struct deadline *d);

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool waits_at(int listener)
{
	struct pollfd fd = { .fd = listener, .events = POLLIN };

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
}

static bool anybody_waits(void)
{
	return waits_at(doorman.listener) || waits_at(doorman.former);
}

/* Reports. */

static void tell_refused(long *number, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell_refused(long *number, const char *format, ...)
{
	char reason[128];
	va_list arguments;

	if (*number == 0)
		return;
	va_start(arguments, format);
	vsnprintf(reason, sizeof reason, format, arguments);
	va_end(arguments);
	report(REPORT_WARNING "refused with 503: %ld request%s, since %s", *number,
	       *number == 1 ? "" : "s",
	       reason);
	*number = 0;
}

static void tell_all(void)
{
	const struct settings *s = doorman.settings;
	struct told *n = &doorman.refused;

	tell_refused(&n->many, "more than %ld wait (--queue)", s->queue);
	tell_refused(&n->late, "they have waited for %g s (--queue-timeout)",
		     (double)s->queue_timeout / 1000);
	tell_refused(&n->last, "no process is left to serve them");
}

static void on_tell(struct deadline *d)
{
	const struct told *n = &doorman.refused;

	if (n->many + n->late + n->last > 0)
		deadline_set(d, TELL_EVERY, on_tell);
	tell_all();
}

/* The first time at once, then every TELL_EVERY. */
static void tell_soon(void)
{
	if (!deadline_is_set(&doorman.tell))
		on_tell(&doorman.tell);
}

/* Looking. */

static void do_without_names(const char *reason)
{
	doorman.by_name = false;
	overload_empty(&doorman.overload, loop_now());
	if (doorman.settings->queue_timeout > 0)
		report("--queue-timeout is not watched: %s", reason);
}

/* False if more connections are named than wait: another socket of the port may have a queue. */
static bool is_plausible(long before, long after)
{
	const long named = (long)doorman.names.count;

	if (named <= before || named <= after)
		doorman.blurred = 0;
	else if (++doorman.blurred == BLURRED_MOST)
		do_without_names("the system shows connections of another socket among those that "
				 "wait");
	return doorman.blurred == 0;
}

static void follow(long *waiting)
{
	const long before = *waiting;
	bool named = doorman.by_name && census_name_waiting(&doorman.names) &&
		     census_count_waiting(waiting) && is_plausible(before, *waiting);

	overload_follow(&doorman.overload, named ? &doorman.names : NULL, loop_now());
}

/* Names cost more than a number, and matter only for late or surplus connections. */
static bool see(long *waiting)
{
	const int64_t begin = self_processor_time();
	bool good = census_count_waiting(waiting);

	if (good && (doorman.settings->queue_timeout > 0 || *waiting > doorman.settings->queue))
		follow(waiting);
	else if (good)
		overload_empty(&doorman.overload, loop_now());
	doorman.cost = self_processor_time() - begin;
	return good;
}

static int64_t pause_for(int part)
{
	return doorman.cost * (part - 1) / NS_PER_MS;
}

/* Counts connections that are too late, or will be before the next look: limit / 4 ahead at
 * most. */
static long count_late(long waiting)
{
	const int64_t limit = doorman.settings->queue_timeout;
	const int64_t pause = most(LOOK_EVERY, pause_for(SHARE));
	const int64_t margin = pause < limit / 4 ? pause : limit / 4;
	long late = limit > 0 ? overload_late(&doorman.overload, loop_now(), limit - margin) : 0;

	return late < waiting ? late : waiting;
}

static long count_many(long waiting)
{
	const long queue = doorman.settings->queue;

	if (queue < 0 || overload_many(&doorman.overload, waiting, queue) == 0)
		return 0;
	return overload_many(&doorman.overload, waiting, queue + doorman.vacancies());
}

/* Refusing. */

static bool refuse_one(int listener)
{
	int fd = accept_now(listener);

	if (fd >= 0 && refusal_begin(fd))
		return true;
	if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK && errno != ECONNABORTED)
		report_often(&doorman.troubles, loop_now(), "cannot refuse who waits too long: %s "
			     "(trying again)", strerror(errno));
	return false;
}

static long refuse(int listener, long number)
{
	long done = 0;

	if (number > (long)refusal_room())
		number = (long)refusal_room();
	if (number > TAKEN_MOST)
		number = TAKEN_MOST;
	while (done < number && waits_at(listener) && refuse_one(listener))
		done++;
	return done;
}

static void note_refused(long number, long late)
{
	struct told *n = &doorman.refused;

	if (number == 0)
		return;
	if (late > number)
		late = number;
	if (doorman.closed) {
		n->last += number;
		counts.refused[REFUSED_LAST] += (uint64_t)number;
	} else {
		n->late += late;
		n->many += number - late;
		counts.refused[REFUSED_LATE] += (uint64_t)late;
		counts.refused[REFUSED_MANY] += (uint64_t)(number - late);
	}
	tell_soon();
}

static void look_again_after(int64_t pause)
{
	deadline_set(&doorman.look, most(pause, 1), on_door_look);
}

/* Refuses late and surplus connections, and looks again soon if some are left. */
static void look_at_queue(void)
{
	long waiting, late, many, refused = 0;

	if (see(&waiting) && loop_now() >= doorman.rest_end) {
		late = count_late(waiting);
		many = count_many(waiting);
		refused = refuse(doorman.listener, late > many ? late : many);
		note_refused(refused, late);
		doorman.overload.before = waiting - refused;
		if (refused > 0 && refused < (late > many ? late : many)) {
			look_again_after(most(MORE_AFTER, pause_for(BUSY_SHARE)));
			return;
		}
	}
	look_again_after(most(LOOK_EVERY, pause_for(SHARE)));
}

/* The end. */

static void finish(void)
{
	void (*done)(void) = doorman.done;

	doorman.done = NULL;
	deadline_clear(&doorman.end);
	deadline_clear(&doorman.look);
	deadline_clear(&doorman.tell);
	deadline_clear(&doorman.former_end);
	tell_all();
	refusal_end_all();
	done();
}

/* Refuses waiting connections, served by nobody else. True when doorman_finish() is done. */
static bool refuse_rest(void)
{
	note_refused(refuse(doorman.listener, TAKEN_MOST), 0);
	note_refused(refuse(doorman.former, TAKEN_MOST), 0);
	return doorman.done && refusal_count() == 0 && !anybody_waits();
}

static void on_door_look(struct deadline *d)
{
	(void)d;
	doorman.last_look = loop_now();
	if (doorman.closed) {
		look_again_after(LOOK_EVERY);
		if (refuse_rest())
			finish();
	} else if (waits_at(doorman.listener)) {
		look_at_queue();
	} else {
		overload_empty(&doorman.overload, loop_now());
		loop_want(&doorman.queue, LOOP_READ);
	}
}

/* Not every connection is worth a look: most are accepted at once. */
static void on_newcomer(struct watch *watch, unsigned events)
{
	int64_t since = loop_now() - doorman.last_look;

	(void)events;
	overload_empty(&doorman.overload, loop_now());
	loop_want(watch, 0);
	look_again_after(since >= WATCH_EVERY ? QUEUE_FORMS : most(WATCH_EVERY - since, QUEUE_FORMS));
}

/* Life of the doorman. */

static bool can_see(void)
{
	const struct settings *s = doorman.settings;
	long waiting;

	if (!census_count_waiting(&waiting)) {
		report("%s%s%s: not watched, since the system does not show who waits",
		       s->queue >= 0 ? "--queue" : "",
		       s->queue >= 0 && s->queue_timeout > 0 ? ", " : "",
		       s->queue_timeout > 0 ? "--queue-timeout" : "");
		return false;
	}
	doorman.by_name = true;
	if (!census_name_waiting(&doorman.names))
		do_without_names("the system does not show who waits");
	return doorman.by_name || s->queue >= 0;
}

/* False after reporting. */
static bool watch_newcomers(void)
{
	int same = fcntl(doorman.listener, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	overload_empty(&doorman.overload, loop_now());
	if (same >= 0 && loop_watch(&doorman.queue, same, LOOP_READ, on_newcomer))
		return true;
	report("--queue: cannot watch the socket: %s", strerror(errno));
	if (same >= 0)
		close(same);
	return false;
}

void doorman_open(const struct settings *settings, int listener, long (*vacancies)(void))
{
	doorman.settings = settings;
	doorman.listener = listener;
	doorman.vacancies = vacancies;
	if ((settings->queue >= 0 || settings->queue_timeout > 0) && can_see())
		watch_newcomers();
}

/* No connection came to the former socket since replaced: all are late by now. */
static void on_former_end(struct deadline *d)
{
	const long late = refuse(doorman.former, TAKEN_MOST);

	note_refused(late, late);
	deadline_set(d, LOOK_EVERY, on_former_end);
}

void doorman_turn_to(int listener, int former)
{
	const int64_t limit = doorman.settings->queue_timeout;

	doorman.listener = listener;
	if (doorman.queue.fd < 0)
		return;
	loop_close(&doorman.queue);
	deadline_clear(&doorman.look);
	doorman.blurred = 0;
	if (!watch_newcomers())
		return;
	doorman.former = former;
	if (limit > 0)
		deadline_set(&doorman.former_end, limit, on_former_end);
}

void doorman_forget_former(void)
{
	doorman.former = -1;
	deadline_clear(&doorman.former_end);
}

char *doorman_describe(void)
{
	return doorman.overload.count > 0 ? overload_write(&doorman.overload) : NULL;
}

void doorman_resume(void)
{
	const char *text = getenv(HANDOVER_WAITS_VARIABLE);

	if (text && doorman.queue.fd >= 0 && overload_read(&doorman.overload, text)) {
		loop_want(&doorman.queue, 0);
		look_again_after(1);
	}
	unsetenv(HANDOVER_WAITS_VARIABLE);
}

void doorman_close_door(void)
{
	if (doorman.queue.fd < 0 || doorman.closed)
		return;
	doorman.closed = true;
	look_again_after(1);
}

static void on_end(struct deadline *d)
{
	(void)d;
	finish();
}

/* Most answers can be given at once. */
bool doorman_finish(int64_t within, void (*done)(void))
{
	if (doorman.queue.fd < 0)
		return false;
	doorman.closed = true;
	refuse_rest();
	if (refusal_count() == 0 && !anybody_waits()) {
		tell_all();
		return false;
	}
	doorman.done = done;
	deadline_set(&doorman.end, most(within, 1), on_end);
	look_again_after(LOOK_EVERY);
	return true;
}

void doorman_hurry(void)
{
	if (doorman.done)
		deadline_set(&doorman.end, 1, on_end);
}

bool doorman_rests(void)
{
	doorman.rest_end = loop_now() + REST;
	return refusal_count() == 0;
}
