#include <config.h>

#include "scoreboard.h"

#include "loop.h"
#include "slots.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

enum { READS_MOST = 100 /* of an entry that changes */ };

const double score_bounds[SCORE_BOUNDS] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
					    30, 60 };

typedef _Atomic uint64_t number;

struct histogram {
	number counts[SCORE_BOUNDS + 1], sum;
};

struct step {
	number of; /* time / SCORE_STEP, or the step is an old one */
	number requests, errors, run, running, waiting;
};

/* Part of a worker. Only its loop's thread writes, so that a sum needs no atomic addition. */
struct part {
	number counts[SCORE_COUNTS], causes[SCORE_CAUSES];
	number running_most, waiting_most, memory_most;
	struct histogram queued, ran;
	struct step steps[SCORE_STEPS];
};

/* A seqlock: changes is odd while the owner of the slot writes. */
struct entry {
	atomic_uint changes;
	bool used;
	struct score_shown shown;
};

static struct {
	int64_t opened; /* milliseconds since 1970 */
	size_t workers;
	struct part *parts; /* by worker; NULL: not open */
	struct entry *entries; /* by slot of SLOT_SHOWN */
	struct part *own;
} board;

static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

bool scoreboard_open(size_t shown, size_t workers)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	board.opened = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	board.workers = workers;
	board.entries = map(shown * sizeof *board.entries);
	board.parts = board.entries ? map(workers * sizeof *board.parts) : NULL;
	return board.parts;
}

bool scoreboard_is_open(void)
{
	return board.parts;
}

int64_t scoreboard_opened(void)
{
	return board.opened;
}

void scoreboard_enter(size_t worker)
{
	board.own = board.parts ? &board.parts[worker] : NULL;
}

static uint64_t get(const number *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void set(number *n, uint64_t value)
{
	atomic_store_explicit(n, value, memory_order_relaxed);
}

static void add(number *n, uint64_t value)
{
	set(n, get(n) + value);
}

static void raise_to(number *n, uint64_t value)
{
	if (get(n) < value)
		set(n, value);
}

void scoreboard_add(enum score_count count, uint64_t value)
{
	if (board.own)
		add(&board.own->counts[count], value);
}

void scoreboard_note_memory(uint64_t bytes)
{
	if (board.own)
		raise_to(&board.own->memory_most, bytes);
}

/* Steps are numbered from 1, so that memory full of zeros is of no step. */
static uint64_t step_of(int64_t time)
{
	return (uint64_t)time / (SCORE_STEP * 1000) + 1;
}

static struct step *current_step(void)
{
	uint64_t of = step_of(loop_now());
	struct step *s = &board.own->steps[of % SCORE_STEPS];

	if (get(&s->of) == of)
		return s;
	set(&s->requests, 0);
	set(&s->errors, 0);
	set(&s->run, 0);
	set(&s->running, 0);
	set(&s->waiting, 0);
	set(&s->of, of);
	return s;
}

static void count_time(struct histogram *h, int64_t milliseconds)
{
	int i = 0;

	while (i < SCORE_BOUNDS && (double)milliseconds > score_bounds[i] * 1000)
		i++;
	add(&h->counts[i], 1);
	add(&h->sum, (uint64_t)milliseconds);
}

static struct entry *entry_of(const struct score *score)
{
	return score->slot == SLOT_NONE ? NULL : &board.entries[score->slot];
}

static void begin_change(struct entry *e)
{
	atomic_store_explicit(&e->changes, atomic_load(&e->changes) + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void end_change(struct entry *e)
{
	atomic_store_explicit(&e->changes, atomic_load(&e->changes) + 1, memory_order_release);
}

void scoreboard_begin(struct score *score)
{
	*score = (struct score){ .slot = SLOT_NONE, .begun = loop_now() };
	scoreboard_add(SCORE_REQUESTS, 1);
}

static void keep_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

#define KEEP(to, from, name) keep_text((to)->name, sizeof (to)->name, (from)->name)

void scoreboard_show(struct score *score, const struct score_texts *texts)
{
	struct entry *e;

	if (!board.own || (score->slot = slots_take(SLOT_SHOWN)) == SLOT_NONE)
		return;
	e = entry_of(score);
	/* A worker that was killed may have left it in the middle of a change. */
	atomic_store(&e->changes, atomic_load(&e->changes) & ~1u);
	begin_change(e);
	e->used = true;
	e->shown = (struct score_shown){ .begun = score->begun,
					 .content_length = texts->content_length };
	KEEP(&e->shown.texts, texts, method);
	KEEP(&e->shown.texts, texts, uri);
	KEEP(&e->shown.texts, texts, query);
	KEEP(&e->shown.texts, texts, user);
	KEEP(&e->shown.texts, texts, script);
	KEEP(&e->shown.texts, texts, client);
	end_change(e);
}

void scoreboard_move(const struct score *score, int state)
{
	struct entry *e = entry_of(score);

	if (!e)
		return;
	begin_change(e);
	e->shown.state = state;
	end_change(e);
}

void scoreboard_due(struct score *score)
{
	if (score->due == 0)
		score->due = loop_now();
}

void scoreboard_wait(void)
{
	uint64_t waiting;

	if (!board.own)
		return;
	waiting = slots_taken(SLOT_WAITING);
	scoreboard_add(SCORE_WAITED, 1);
	raise_to(&board.own->waiting_most, waiting);
	raise_to(&current_step()->waiting, waiting);
}

void scoreboard_launch(struct score *score)
{
	uint64_t running;

	score->launched = loop_now();
	if (!board.own)
		return;
	running = slots_taken(SLOT_RUNNING);
	raise_to(&board.own->running_most, running);
	raise_to(&current_step()->running, running);
}

void scoreboard_start(struct score *score, pid_t pid, int64_t at)
{
	struct entry *e = entry_of(score);

	score->started = at;
	if (!e)
		return;
	begin_change(e);
	e->shown.pid = pid;
	e->shown.started = score->started;
	end_change(e);
}

void scoreboard_pass(const struct score *score, int64_t received, int64_t sent)
{
	struct entry *e = entry_of(score);

	if (!e || (e->shown.received == received && e->shown.sent == sent))
		return;
	begin_change(e);
	e->shown.received = received;
	e->shown.sent = sent;
	end_change(e);
}

static void hide(struct score *score)
{
	struct entry *e = entry_of(score);

	if (!e)
		return;
	begin_change(e);
	e->used = false;
	end_change(e);
	slots_give(SLOT_SHOWN, score->slot);
	score->slot = SLOT_NONE;
}

void scoreboard_end(struct score *score, int status, bool cut, int64_t sent)
{
	struct step *step;
	int class = status / 100;
	int64_t run = score->started ? loop_now() - score->started : 0;

	hide(score);
	if (!board.own)
		return;
	step = current_step();
	add(&step->requests, 1);
	add(&step->errors, class == 5);
	add(&step->run, (uint64_t)run);
	if (class >= 1 && class <= 5)
		scoreboard_add(SCORE_STATUS + (unsigned)class - 1, 1);
	scoreboard_add(SCORE_SCRIPT_5XX, class == 5 && score->cause == CAUSE_NONE);
	scoreboard_add(SCORE_ABORTED, score->abandoned);
	scoreboard_add(SCORE_CUT, cut && !score->abandoned);
	scoreboard_add(SCORE_RECEIVED, (uint64_t)score->received);
	scoreboard_add(SCORE_SENT, (uint64_t)sent);
	if (score->cause != CAUSE_NONE)
		add(&board.own->causes[score->cause], 1);
	if (score->due)
		count_time(&board.own->queued, (score->launched ? score->launched : loop_now()) -
					       score->due);
	if (score->started)
		count_time(&board.own->ran, run);
}

/* Reading. */

static void sum_histogram(struct score_histogram *out, const struct histogram *h)
{
	for (int i = 0; i <= SCORE_BOUNDS; i++)
		out->counts[i] += get(&h->counts[i]);
	out->sum += get(&h->sum);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void sum_steps(struct score_step *out, const struct part *p)
{
	uint64_t last = step_of(loop_now());

	for (uint64_t i = 0; i < SCORE_STEPS; i++) {
		uint64_t of = last + 1 + i < SCORE_STEPS ? 0 : last + 1 + i - SCORE_STEPS;
		const struct step *s = &p->steps[of % SCORE_STEPS];

		if (of == 0 || get(&s->of) != of)
			continue;
		out[i].requests += get(&s->requests);
		out[i].errors += get(&s->errors);
		out[i].run += get(&s->run);
		out[i].running = larger(out[i].running, get(&s->running));
		out[i].waiting = larger(out[i].waiting, get(&s->waiting));
	}
}

void scoreboard_sum(struct score_sums *out)
{
	memset(out, 0, sizeof *out);
	for (size_t w = 0; w < board.workers; w++) {
		const struct part *p = &board.parts[w];

		for (int i = 0; i < SCORE_COUNTS; i++)
			out->counts[i] += get(&p->counts[i]);
		for (int i = 0; i < SCORE_CAUSES; i++)
			out->causes[i] += get(&p->causes[i]);
		sum_histogram(&out->queued, &p->queued);
		sum_histogram(&out->ran, &p->ran);
		out->running_most = larger(out->running_most, get(&p->running_most));
		out->waiting_most = larger(out->waiting_most, get(&p->waiting_most));
		out->memory_most = larger(out->memory_most, get(&p->memory_most));
		sum_steps(out->steps, p);
	}
}

bool scoreboard_read(size_t slot, struct score_shown *out)
{
	struct entry *e = &board.entries[slot];

	if (!slots_is_taken(SLOT_SHOWN, slot))
		return false;
	for (int i = 0; i < READS_MOST; i++) {
		unsigned before = atomic_load_explicit(&e->changes, memory_order_acquire);
		bool used = e->used;

		*out = e->shown;
		atomic_thread_fence(memory_order_acquire);
		if (!(before & 1) && atomic_load_explicit(&e->changes, memory_order_relaxed) == before)
			return used;
	}
	return false;
}
