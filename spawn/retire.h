/*
 * Ending workers, any number of them at a time: each when it serves nobody, unless the
 * administrator says otherwise.
 */
#ifndef RETIRE_H
#define RETIRE_H

#include "settings.h"
#include "worker.h"

#include <stdbool.h>
#include <stdint.h>

/* Where nobody can be told busy from idle (see census_open), each is asked at once. */
void retire_open(const struct settings *settings, bool watched);

/*
 * Asks it to end as soon as it serves nobody, or, whatever it does, after --stop-busy. If that
 * may not take longer than so many milliseconds (0: however long it takes), it is asked
 * shortly before, and killed then.
 */
void retire(struct worker *worker, int64_t within);

/* Asks it to end if it serves nobody now. */
bool retire_if_idle(struct worker *worker);

/* From the signal that asks one that is busy to KILL, at most. */
int64_t retire_grace(const struct settings *settings);

/* Asks it to end although it is busy, and kills it after the grace. */
void retire_busy(struct worker *worker);

/* It has ended: what it has left behind is of no use to anybody, and is asked to end even if
 * it was asked itself. */
void retire_remains(struct worker *worker);

/* Goes on with one that was taken up from an earlier life of this process. */
void retire_resume(struct worker *worker);

#endif
