/*
 * Ending workers, any number at a time: each when idle, or after --stop-busy.
 */
#ifndef RETIRE_H
#define RETIRE_H

#include "settings.h"
#include "worker.h"

#include <stdbool.h>
#include <stdint.h>

/* Unless watched, busy and idle cannot be told apart (see census_open()), and each worker is
 * asked at once. */
void retire_open(const struct settings *settings, bool watched);

/*
 * Asks a worker to end as soon as idle, or after --stop-busy even if busy. within milliseconds
 * from now (0: no bound) the worker is killed, and shortly before that asked in any case.
 */
void retire(struct worker *worker, int64_t within);

/* Asks a worker to end if idle now; false if not, or if idle workers cannot be told. */
bool retire_if_idle(struct worker *worker);

/* Milliseconds from the stop signal to KILL for a busy worker. */
int64_t retire_grace(const struct settings *settings);

/* Asks a worker to end although busy, and kills it after the grace; not if asked before. */
void retire_busy(struct worker *worker);

/* Retires processes that an ended worker has left in its session, even if the worker was asked
 * to end: they are of no use. */
void retire_remains(struct worker *worker);

/* Goes on with the retirement of an adopted worker. */
void retire_resume(struct worker *worker);

#endif
