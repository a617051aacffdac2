/*
 * What the service manager of the parent process hears (see notify.h): how the service fares,
 * and as STATUS how many scripts run and how many requests wait.
 *
 * STATUS is brought up to date once a second while slots are taken, and not at all meanwhile:
 * the worker that takes the next one wakes the parent.
 */
#ifndef MANAGER_H
#define MANAGER_H

#include <stdint.h>

/* All workers serve: the start is complete, or a reload is. */
void manager_ready(void);

/* Workers are being replaced; not told before manager_ready(). */
void manager_reloading(void);

/* Workers stop, and will have ended after so many milliseconds at the latest. */
void manager_stopping(int64_t within);

/* A worker has seen slots_wake(). */
void manager_wake(void);

#endif
