#include <config.h>

#include "places.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

static struct pool {
	size_t most;
	size_t look_from;         /* where this worker looks for a free one */
	atomic_uint *held;        /* by each worker */
	atomic_ushort *holder;    /* of each place: the worker's number + 1, or 0 */
} pools[PLACE_KINDS];

static size_t workers, self;

bool places_open(const size_t most[PLACE_KINDS], size_t count)
{
	size_t size = PLACE_KINDS * count * sizeof *pools->held;
	char *memory;

	workers = count;
	for (int k = 0; k < PLACE_KINDS; k++)
		size += most[k] * sizeof *pools->holder;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	for (int k = 0; k < PLACE_KINDS; k++) {
		pools[k] = (struct pool){ .most = most[k], .held = (void *)memory };
		memory += workers * sizeof *pools->held;
	}
	for (int k = 0; k < PLACE_KINDS; k++) {
		pools[k].holder = (void *)memory;
		memory += most[k] * sizeof *pools->holder;
	}
	return true;
}

void places_enter(size_t worker)
{
	self = worker;
	for (struct pool *p = pools; p < pools + PLACE_KINDS; p++) {
		for (size_t i = 0; i < p->most; i++)
			if (atomic_load(&p->holder[i]) == self + 1)
				atomic_store(&p->holder[i], 0);
		atomic_store(&p->held[self], 0);
	}
}

static bool waits(size_t worker)
{
	return atomic_load(&pools[PLACE_WAITING].held[worker]) > 0;
}

static bool is_due(void)
{
	const struct pool *running = &pools[PLACE_RUNNING];
	size_t claims = 1, part;

	for (size_t w = 0; w < workers; w++)
		claims += w != self && waits(w);
	part = running->most / claims;
	if (claims == 1 || atomic_load(&running->held[self]) < part)
		return true;
	for (size_t w = 0; w < workers; w++)
		if (w != self && waits(w) && atomic_load(&running->held[w]) < part)
			return false;
	return true;
}

static bool claim(struct pool *p, size_t place)
{
	unsigned short nobody = 0;

	return atomic_compare_exchange_strong(&p->holder[place], &nobody,
					      (unsigned short)(self + 1));
}

long places_take(enum place_kind kind)
{
	struct pool *p = &pools[kind];

	if (places_taken(kind) >= p->most || (kind == PLACE_RUNNING && !is_due()))
		return PLACE_NONE;
	for (size_t i = 0; i < p->most; i++) {
		size_t place = (p->look_from + i) % p->most;

		if (!claim(p, place))
			continue;
		p->look_from = place;
		atomic_fetch_add(&p->held[self], 1);
		return (long)place;
	}
	return PLACE_NONE;
}

void places_give(enum place_kind kind, long place)
{
	struct pool *p = &pools[kind];

	p->look_from = (size_t)place;
	atomic_fetch_sub(&p->held[self], 1);
	atomic_store(&p->holder[place], 0);
}

size_t places_taken(enum place_kind kind)
{
	size_t taken = 0;

	for (size_t w = 0; w < workers; w++)
		taken += atomic_load(&pools[kind].held[w]);
	return taken;
}

size_t places_most(enum place_kind kind)
{
	return pools[kind].most;
}

bool places_are_shared(void)
{
	return workers > 1;
}
