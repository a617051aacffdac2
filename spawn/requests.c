#include <config.h>

#include "requests.h"

#include <stdlib.h>

enum phase { AT_WORK, ASKED, KILLED };

struct request_row {
	pid_t process;
	uint64_t connections;
	bool watched;
	int64_t switches;
	int64_t since; /* begin of the phase */
	enum phase phase;
};

void requests_open(struct requests *r, int64_t limit, int64_t grace)
{
	*r = (struct requests){ .limit = limit, .grace = grace };
}

void requests_close(struct requests *r)
{
	free(r->rows);
	free(r->before);
	requests_open(r, r->limit, r->grace);
}

void requests_begin(struct requests *r, size_t count)
{
	free(r->before);
	r->before = r->rows;
	r->count_before = r->count;
	r->room = count < REQUESTS_MOST ? count : REQUESTS_MOST;
	r->rows = calloc(r->room + 1, sizeof *r->rows);
	if (!r->rows)
		r->room = 0;
	r->count = r->hint = 0;
}

/* Processes come in nearly the same order at each look. */
static const struct request_row *row_before(struct requests *r, pid_t process)
{
	for (size_t i = 0; i < r->count_before; i++) {
		size_t at = (r->hint + i) % r->count_before;

		if (r->before[at].process != process)
			continue;
		r->hint = at + 1;
		return &r->before[at];
	}
	return NULL;
}

/* True if the process is still at the same request: without a new sleep, a process has neither
 * waited for a request nor read one. A signal wakes, so after one the count proves nothing. */
static bool goes_on(const struct request_row *before, const struct request_sighting *s)
{
	if (!before || before->connections != s->connections || s->waits)
		return false;
	if (before->watched && !s->exchanged)
		return true;
	if (before->phase != AT_WORK && !before->watched)
		return true;
	return s->switches >= 0 && before->switches == s->switches;
}

static enum request_verdict judge(const struct requests *r, struct request_row *row, int64_t now)
{
	if (row->phase == AT_WORK && now - row->since >= r->limit) {
		row->phase = ASKED;
		row->since = now;
		return REQUEST_OVERDUE;
	}
	if (row->phase == ASKED && now - row->since >= r->grace) {
		row->phase = KILLED;
		return REQUEST_DEAF;
	}
	return REQUEST_FINE;
}

enum request_verdict requests_saw(struct requests *r, const struct request_sighting *s, int64_t now)
{
	const struct request_row *before = row_before(r, s->process);
	struct request_row *row;

	if (r->count == r->room)
		return REQUEST_FINE;
	row = &r->rows[r->count++];
	*row = (struct request_row){ .since = now };
	if (goes_on(before, s))
		*row = *before;
	row->process = s->process;
	row->connections = s->connections;
	row->watched = s->watched;
	row->switches = s->switches;
	return judge(r, row, now);
}

static bool is_still_asked(const struct requests *r, const struct request_row *before)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->rows[i].process == before->process)
			return r->rows[i].phase != AT_WORK && r->rows[i].since == before->since;
	return false;
}

void requests_tell_ended(const struct requests *r, int64_t now,
			 void (*ended)(pid_t process, int64_t took))
{
	for (size_t i = 0; i < r->count_before; i++)
		if (r->before[i].phase != AT_WORK && !is_still_asked(r, &r->before[i]))
			ended(r->before[i].process, r->limit + now - r->before[i].since);
}

int64_t requests_next(const struct requests *r, int64_t now)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < r->count; i++) {
		const struct request_row *row = &r->rows[i];
		int64_t left = row->since + (row->phase == ASKED ? r->grace : r->limit) - now;

		if (row->phase != KILLED && left < next)
			next = left > 1 ? left : 1;
	}
	return next;
}
