#include <config.h>

#include "slots.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

enum { KEYED_KINDS = SLOT_WAITING + 1 };

static struct pool {
	size_t most;
	size_t look_from;         /* slot at which the next search begins */
	atomic_uint *held;        /* by worker */
	atomic_ushort *holder;    /* by slot: number of the worker + 1; 0: free */
	_Atomic uint64_t *keys[SLOT_KEYS]; /* by slot; of KEYED_KINDS */
} pools[SLOT_KINDS];

static size_t workers, self;
static _Atomic int64_t *spooled; /* bytes, by worker */
static atomic_bool *present;     /* by worker */
static atomic_uint *held_back;   /* by worker: slots of SLOT_WAITING */
static atomic_bool *resting;     /* see slots_rest() */
static int64_t spool_most;

bool slots_open(const size_t most[SLOT_KINDS], int64_t spool, size_t count)
{
	size_t size = count * (sizeof *spooled + SLOT_KINDS * sizeof *pools->held +
			       sizeof *held_back + sizeof *present) + sizeof *resting;
	char *memory;

	workers = count;
	spool_most = spool;
	for (int k = 0; k < SLOT_KINDS; k++)
		size += most[k] * sizeof *pools->holder;
	for (int k = 0; k < KEYED_KINDS; k++)
		size += most[k] * SLOT_KEYS * sizeof **pools->keys;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	spooled = (void *)memory;
	memory += workers * sizeof *spooled;
	for (int k = 0; k < SLOT_KINDS; k++)
		pools[k] = (struct pool){ .most = most[k] };
	for (int i = 0; i < KEYED_KINDS * SLOT_KEYS; i++) {
		struct pool *p = &pools[i / SLOT_KEYS];

		p->keys[i % SLOT_KEYS] = (void *)memory;
		memory += p->most * sizeof **p->keys;
	}
	for (int k = 0; k < SLOT_KINDS; k++) {
		pools[k].held = (void *)memory;
		memory += workers * sizeof *pools->held;
	}
	held_back = (void *)memory;
	memory += workers * sizeof *held_back;
	for (int k = 0; k < SLOT_KINDS; k++) {
		pools[k].holder = (void *)memory;
		memory += most[k] * sizeof *pools->holder;
	}
	present = (void *)memory;
	resting = present + workers;
	return true;
}

/* Without keys first: what comes next in the slot has its own. */
static void release(struct pool *p, size_t slot)
{
	for (int i = 0; i < SLOT_KEYS && p->keys[i]; i++)
		atomic_store(&p->keys[i][slot], 0);
	atomic_store(&p->holder[slot], 0);
}

void slots_free_all(size_t worker)
{
	for (struct pool *p = pools; p < pools + SLOT_KINDS; p++) {
		for (size_t i = 0; i < p->most; i++)
			if (atomic_load(&p->holder[i]) == worker + 1)
				release(p, i);
		atomic_store(&p->held[worker], 0);
	}
	atomic_store(&spooled[worker], 0);
	atomic_store(&held_back[worker], 0);
	atomic_store(&present[worker], false);
}

void slots_enter(size_t worker)
{
	self = worker;
	slots_free_all(worker);
	atomic_store(&present[worker], true);
}

bool slots_spool(int64_t bytes)
{
	int64_t sum = 0;

	/* Counted before the look: two workers may refuse each other, but never pass the limit. */
	atomic_fetch_add(&spooled[self], bytes);
	for (size_t w = 0; w < workers; w++)
		sum += atomic_load(&spooled[w]);
	if (sum > spool_most)
		atomic_fetch_sub(&spooled[self], bytes);
	return sum <= spool_most;
}

void slots_unspool(int64_t bytes)
{
	atomic_fetch_sub(&spooled[self], bytes);
}

/* Returns the number of requests that could use a slot. */
static uint64_t waiting_of(size_t worker)
{
	unsigned waiting = atomic_load(&pools[SLOT_WAITING].held[worker]);
	unsigned held = atomic_load(&held_back[worker]);

	return waiting > held ? waiting - held : 0;
}

/* A slot is due to the worker with the least part of its requests running: so all requests wait
 * about as long, however the kernel has spread them. */
static bool is_due(void)
{
	const atomic_uint *running = pools[SLOT_RUNNING].held;
	uint64_t mine = atomic_load(&running[self]), waits = waiting_of(self);
	uint64_t all_mine = mine + (waits > 0 ? waits : 1);

	for (size_t w = 0; w < workers; w++) {
		uint64_t other = atomic_load(&running[w]);

		waits = waiting_of(w);
		if (w != self && waits > 0 && other * all_mine < mine * (other + waits))
			return false;
	}
	return true;
}

static bool claim(struct pool *p, size_t slot)
{
	unsigned short nobody = 0;

	return atomic_compare_exchange_strong(&p->holder[slot], &nobody,
					      (unsigned short)(self + 1));
}

long slots_take(enum slot_kind kind)
{
	struct pool *p = &pools[kind];

	if (slots_taken(kind) >= p->most || (kind == SLOT_RUNNING && !is_due()))
		return SLOT_NONE;
	for (size_t i = 0; i < p->most; i++) {
		size_t slot = (p->look_from + i) % p->most;

		if (!claim(p, slot))
			continue;
		p->look_from = slot;
		atomic_fetch_add(&p->held[self], 1);
		return (long)slot;
	}
	return SLOT_NONE;
}

void slots_give(enum slot_kind kind, long slot)
{
	struct pool *p = &pools[kind];

	p->look_from = (size_t)slot;
	atomic_fetch_sub(&p->held[self], 1);
	release(p, (size_t)slot);
}

void slots_mark(enum slot_kind kind, long slot, enum slot_key which, uint64_t key)
{
	atomic_store(&pools[kind].keys[which][slot], key);
}

uint64_t slots_key(long running, enum slot_key which)
{
	return atomic_load(&pools[SLOT_RUNNING].keys[which][running]);
}

size_t slots_marked(enum slot_kind kind, enum slot_key which, uint64_t key)
{
	const struct pool *p = &pools[kind];
	size_t count = 0;

	for (size_t i = 0; i < p->most; i++)
		count += atomic_load(&p->keys[which][i]) == key;
	return count;
}

bool slots_claim(long running, enum slot_key which, uint64_t key, size_t most)
{
	/* Marked before the count: two workers may refuse each other, but never pass the limit. */
	slots_mark(SLOT_RUNNING, running, which, key);
	if (slots_marked(SLOT_RUNNING, which, key) <= most)
		return true;
	slots_mark(SLOT_RUNNING, running, which, 0);
	return false;
}

void slots_hold_back(size_t count)
{
	/* Seldom changed: others read it often. */
	if (atomic_load(&held_back[self]) != count)
		atomic_store(&held_back[self], (unsigned)count);
}

size_t slots_taken(enum slot_kind kind)
{
	size_t taken = 0;

	for (size_t w = 0; w < workers; w++)
		taken += atomic_load(&pools[kind].held[w]);
	return taken;
}

bool slots_is_taken(enum slot_kind kind, size_t slot)
{
	return atomic_load(&pools[kind].holder[slot]) != 0;
}

size_t slots_most(enum slot_kind kind)
{
	return pools[kind].most;
}

/* True if the worker, or any worker for SIZE_MAX, has a slot of those that STATUS tells of. */
static bool are_held(size_t by)
{
	static const enum slot_kind kinds[] = { SLOT_RUNNING, SLOT_WAITING, SLOT_BACKGROUND };

	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		if (by == SIZE_MAX ? slots_taken(kinds[k]) > 0
				   : atomic_load(&pools[kinds[k]].held[by]) > 0)
			return true;
	return false;
}

/* Says that it rests before it looks, as workers take a slot before they ask whether it rests: one
 * of the two sees the other. */
bool slots_rest(void)
{
	atomic_store(resting, true);
	if (!are_held(SIZE_MAX))
		return true;
	atomic_store(resting, false);
	return false;
}

bool slots_wake(void)
{
	return atomic_load(resting) && are_held(self) && atomic_exchange(resting, false);
}

bool slots_are_shared(void)
{
	for (size_t w = 0; w < workers; w++)
		if (w != self && atomic_load(&present[w]))
			return true;
	return false;
}
