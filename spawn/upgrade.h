/*
 * Executing our own program anew, in this process, with all that it has. A child tries that
 * first, and takes nothing up: there is no way back afterwards.
 */
#ifndef UPGRADE_H
#define UPGRADE_H

#include "handover.h"

#include <stdbool.h>

/* The exit status that such a child has if it could take over: no other program's. */
enum { UPGRADE_ACCEPTED = 89 };

/*
 * Has describe() fill in what is to be handed over, for the try, and again when it has
 * succeeded, within so many milliseconds, and the program is executed, which waits a moment for
 * rests() to come true. Whatever fails is reported; then this one goes on.
 */
void upgrade_begin(char **argv, int64_t within, bool (*describe)(struct handover *),
		   bool (*rests)(void));

/* Whether it has begun. */
bool upgrade_is_on(void);

/* Nothing is executed any more. */
void upgrade_cancel(void);

#endif
