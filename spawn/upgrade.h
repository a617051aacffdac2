/*
 * Executing our own program anew in this process, with socket and workers. There is no way
 * back after the exec, so a child tries first, without taking over anything.
 */
#ifndef UPGRADE_H
#define UPGRADE_H

#include "handover.h"

#include <stdbool.h>

/* Exit status of a child that could take over; unusual in other programs. */
enum { UPGRADE_ACCEPTED = 89 };

/*
 * Forks a child that tries argv, for within milliseconds at most. After success, waits up to a
 * second for rests() to be true, then executes argv in this process. describe() fills in the
 * handover for each; the contents are freed here. Failures are reported; this process goes on.
 */
void upgrade_begin(char **argv, int64_t within, bool (*describe)(struct handover *),
		   bool (*rests)(void));

/* True while a trial runs, or the exec is due. */
bool upgrade_is_on(void);

/* Kills a trial; nothing is executed from now on. */
void upgrade_cancel(void);

#endif
