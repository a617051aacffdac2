/*
 * requests.h: a process is overdue when all looks in the time that a request may take have found
 * it at the same, and never otherwise.
 */
#include <config.h>

#include "requests.h"
#include "tap.h"

#include <string.h>

enum { LIMIT = 1000, GRACE = 250, EVERY = 50 };

static struct requests r;
static int64_t now;

static void begin(void)
{
	requests_close(&r);
	requests_open(&r, LIMIT, GRACE);
	now = 5000;
}

/* One look at one process, some time after the last one. */
static enum request_verdict look_at(struct request_sighting seen)
{
	now += EVERY;
	requests_begin(&r, 1);
	return requests_saw(&r, &seen, now);
}

/* Looks, all of them the same, until there is a verdict: how long it took since the first one, or
 * -1: there is none. */
static int64_t time_to_verdict(struct request_sighting seen, enum request_verdict verdict)
{
	int64_t first = now + EVERY;

	for (int i = 0; i < 10 * LIMIT / EVERY; i++)
		if (look_at(seen) == verdict)
			return now - first;
	return -1;
}

static const struct request_sighting busy = {
	.process = 7, .connections = 70, .watched = true, .switches = -1,
};

/* Whether such a look, in the middle of others, begins the time anew. */
static bool begins_anew(struct request_sighting seen)
{
	begin();
	for (int i = 0; i < LIMIT / EVERY / 2; i++)
		look_at(busy);
	if (look_at(seen) != REQUEST_FINE)
		return false;
	return time_to_verdict(busy, REQUEST_OVERDUE) >= LIMIT - EVERY;
}

static struct request_sighting with(struct request_sighting seen, const char *what)
{
	seen.waits = strcmp(what, "waits") == 0;
	seen.exchanged = strcmp(what, "exchanged") == 0;
	if (strcmp(what, "others") == 0)
		seen.connections = 71;
	return seen;
}

static void watched_ones(void)
{
	begin();
	ok(time_to_verdict(busy, REQUEST_OVERDUE) == LIMIT,
	   "busy with the same all the time: overdue when the time is over, and not before");
	ok(look_at(busy) == REQUEST_FINE, "which is told once");
	ok(begins_anew(with(busy, "waits")), "who waits in between begins anew");
	ok(begins_anew(with(busy, "exchanged")), "who exchanges something with a client, too");
	ok(begins_anew(with(busy, "others")), "who has other connections, too");
	begin();
	ok(time_to_verdict(with(busy, "waits"), REQUEST_OVERDUE) == -1,
	   "who waits all the time is never overdue");
	ok(time_to_verdict(with(busy, "exchanged"), REQUEST_OVERDUE) == -1,
	   "nor who exchanges something all the time");
}

static void unwatched_ones(void)
{
	struct request_sighting seen = busy;
	enum request_verdict worst = REQUEST_FINE;

	seen.watched = false;
	begin();
	ok(time_to_verdict(seen, REQUEST_OVERDUE) == -1, "of whom nothing is known is never overdue");
	seen.switches = 12;
	begin();
	ok(time_to_verdict(seen, REQUEST_OVERDUE) == LIMIT, "who sleeps all the time is overdue");
	begin();
	for (int i = 0; i < 10 * LIMIT / EVERY; i++) {
		enum request_verdict verdict = look_at(seen);

		seen.switches++;
		worst = verdict > worst ? verdict : worst;
	}
	ok(worst == REQUEST_FINE, "who sleeps again and again is not: it may be a request each time");
	seen.watched = true;
	begin();
	look_at(seen);
	seen.watched = false;
	seen.switches++;
	look_at(seen);
	seen.watched = true;
	seen.switches = -1;
	look_at(seen);
	ok(time_to_verdict(seen, REQUEST_OVERDUE) == LIMIT - EVERY,
	   "who was not watched at the last look begins anew, though nothing is told of now");
}

static void deaf_ones(void)
{
	struct request_sighting seen = busy;

	begin();
	time_to_verdict(busy, REQUEST_OVERDUE);
	ok(time_to_verdict(busy, REQUEST_DEAF) == GRACE - EVERY, "who was asked and goes on is killed");
	ok(time_to_verdict(busy, REQUEST_DEAF) == -1, "which is told once");
	ok(time_to_verdict(busy, REQUEST_OVERDUE) == -1, "and nothing more of it");
	begin();
	time_to_verdict(busy, REQUEST_OVERDUE);
	look_at(with(busy, "waits"));
	ok(time_to_verdict(busy, REQUEST_DEAF) > LIMIT, "who was asked, and waits again, is not");
	seen.watched = false;
	seen.switches = 3;
	begin();
	time_to_verdict(seen, REQUEST_OVERDUE);
	seen.switches = 4;
	ok(time_to_verdict(seen, REQUEST_DEAF) == GRACE - EVERY,
	   "who was woken by the signal alone is");
}

static void many(void)
{
	enum { COUNT = 3000 };
	struct request_sighting seen = busy;
	size_t overdue = 0;

	begin();
	for (int look = 0; look <= LIMIT / EVERY; look++) {
		requests_begin(&r, COUNT);
		for (int i = 0; i < COUNT; i++) {
			/* In another order each time. */
			seen.process = 10 + (i + look) % COUNT;
			seen.connections = (uint64_t)seen.process;
			seen.exchanged = seen.process % 3 == 0;
			overdue += requests_saw(&r, &seen, now) == REQUEST_OVERDUE;
		}
		now += EVERY;
	}
	ok(overdue == COUNT - COUNT / 3, "each of many is known by its number");
	begin();
	requests_begin(&r, (size_t)REQUESTS_MOST + 10);
	for (int i = 0; i < REQUESTS_MOST + 10; i++) {
		seen.process = 10 + i;
		requests_saw(&r, &seen, now);
	}
	ok(r.count == REQUESTS_MOST, "more than there is room for are left out");
	requests_begin(&r, 1);
	ok(requests_saw(&r, &busy, now) == REQUEST_FINE && r.count == 1, "who is gone is forgotten");
	requests_begin(&r, 0);
	ok(requests_saw(&r, &busy, now) == REQUEST_FINE && r.count == 0, "so is who was not announced");
}

static void next_look(void)
{
	begin();
	ok(requests_next(&r, now) == INT64_MAX, "nobody is known: nothing is due");
	look_at(busy);
	ok(requests_next(&r, now) == LIMIT, "one at work: when it will be overdue");
	ok(requests_next(&r, now + LIMIT - 30) == 30, "which comes nearer");
	ok(requests_next(&r, now + 2 * LIMIT) == 1, "or is now");
	time_to_verdict(busy, REQUEST_OVERDUE);
	ok(requests_next(&r, now) == GRACE, "one that was asked: when it will be killed");
	time_to_verdict(busy, REQUEST_DEAF);
	ok(requests_next(&r, now) == INT64_MAX, "one that was killed: never");
}

int main(void)
{
	watched_ones();
	unwatched_ones();
	deaf_ones();
	many();
	next_look();
	requests_close(&r);
	return tap_done();
}
