/*
 * What all workers may have together: scripts that run, requests that wait for
 * that, requests that are not whole yet, scripts in the background; and bytes of
 * request bodies on disk.
 *
 * A slot is a cell in memory that the workers share, and holds the number of
 * the worker that has taken it: so the limits are exact, without a lock, and
 * what a worker held that was killed is found again.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum slot_kind { SLOT_RUNNING, SLOT_WAITING, SLOT_UNFINISHED, SLOT_BACKGROUND, SLOT_KINDS };

enum { SLOT_NONE = -1, SLOTS_WORKERS_MOST = 1024 };

/* Makes so many of each kind, before workers are forked; these have numbers below that
 * one. False with errno. */
bool slots_open(const size_t most[SLOT_KINDS], int64_t spool_most, size_t numbers);

/* This process is that worker, by its number from 0. What one before it has held
 * is given back. */
void slots_enter(size_t worker);

/* A worker is gone: gives back what it held. */
void slots_free_all(size_t worker);

/* Counts bytes that are kept on disk: false if that would be too many in all. */
bool slots_spool(int64_t bytes);
void slots_unspool(int64_t bytes);

/*
 * Takes a slot, or SLOT_NONE if there is none. While several workers have
 * requests waiting, each is due an equal part of the slots for scripts, and
 * none gets more as long as another has less.
 */
long slots_take(enum slot_kind kind);
void slots_give(enum slot_kind kind, long slot);

size_t slots_taken(enum slot_kind kind);
size_t slots_most(enum slot_kind kind);

/* Whether there are other workers, which may give a slot back that this one could take. */
bool slots_are_shared(void);

#endif
