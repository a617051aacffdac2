/*
 * What all workers may do together: so many programs that run, so many requests
 * that wait for that, so many programs in the background.
 *
 * A place is a cell in memory that the workers share, and holds the number of
 * the worker that has taken it: so the limits are exact, without a lock, and
 * what a worker held that was killed is found again.
 */
#ifndef PLACES_H
#define PLACES_H

#include <stdbool.h>
#include <stddef.h>

enum place_kind { PLACE_RUNNING, PLACE_WAITING, PLACE_BACKGROUND, PLACE_KINDS };

enum { PLACE_NONE = -1, PLACES_WORKERS_MOST = 1024 };

/* Makes so many of each kind for so many workers, before these are forked. False
 * with errno. */
bool places_open(const size_t most[PLACE_KINDS], size_t workers);

/* This process is that worker, by its number from 0. What one before it has held
 * is given back. */
void places_enter(size_t worker);

/*
 * Takes a place, or PLACE_NONE if there is none. While several workers have
 * requests waiting, each is due an equal part of the places for programs, and
 * none gets more as long as another has less.
 */
long places_take(enum place_kind kind);
void places_give(enum place_kind kind, long place);

size_t places_taken(enum place_kind kind);
size_t places_most(enum place_kind kind);

/* Whether other workers may give a place back that this one could take. */
bool places_are_shared(void);

#endif
