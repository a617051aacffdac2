/*
 * Limits over all workers: running scripts, requests waiting for a slot, unfinished
 * requests, scripts in the background, requests shown; and bytes of request bodies on disk.
 *
 * A slot is a cell in shared memory with the number of the worker holding the slot. So
 * limits on slots are exact without a lock, and slots of a killed worker can be freed. Slots of
 * SLOT_RUNNING and SLOT_WAITING have keys, by which workers count the slots of one client or
 * script.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum slot_kind {
	SLOT_RUNNING,
	SLOT_WAITING,
	SLOT_UNFINISHED,
	SLOT_BACKGROUND,
	SLOT_SHOWN, /* on the scoreboard */
	SLOT_KINDS
};

enum slot_key { SLOT_CLIENT, SLOT_SCRIPT, SLOT_KEYS };

enum { SLOT_NONE = -1, SLOTS_WORKERS_MOST = 1024 };

/* Allocates slots of each kind in memory shared with workers forked later, which have
 * numbers from 0 to numbers - 1. False with errno. */
bool slots_open(const size_t most[SLOT_KINDS], int64_t spool_most, size_t numbers);

/* Gives this process the number of a worker, and frees slots left by its predecessor. */
void slots_enter(size_t worker);

/* Frees the slots and spooled bytes of a worker that has ended. */
void slots_free_all(size_t worker);

/* Counts bytes to store on disk. False if the sum over all workers would be too
 * large, with what other workers ask for at the same time. */
bool slots_spool(int64_t bytes);
void slots_unspool(int64_t bytes);

/* Takes a slot; SLOT_NONE if none is free or another worker is due: of those with waiting
 * requests that are not held back, SLOT_RUNNING is due to the one with the smallest part of its
 * requests running. */
long slots_take(enum slot_kind kind);
void slots_give(enum slot_kind kind, long slot); /* its keys are gone with it */

/* Keys of slots, from any thread: 0 is none. */
void slots_mark(enum slot_kind kind, long slot, enum slot_key which, uint64_t key);
uint64_t slots_key(long running, enum slot_key which);
size_t slots_marked(enum slot_kind kind, enum slot_key which, uint64_t key);

/* Marks a slot of SLOT_RUNNING, unless more than most would have the key, with what other workers
 * mark at the same time. */
bool slots_claim(long running, enum slot_key which, uint64_t key, size_t most);

/* Says how many of the worker's waiting requests could use no slot now: none is due for these. */
void slots_hold_back(size_t count);

size_t slots_taken(enum slot_kind kind);
bool slots_is_taken(enum slot_kind kind, size_t slot);
size_t slots_most(enum slot_kind kind);

/* For the parent, which shows how many scripts run and wait. True if there are none, not even in
 * the background: the parent may rest until it hears of the worker that finds slots_wake() true,
 * one worker, once. */
bool slots_rest(void);
bool slots_wake(void);

/* True if other workers are present: slots may become free without an event in this worker. */
bool slots_are_shared(void);

#endif
