/*
 * Signals as events: what loop.c asks of loop-signalfd.c or loop-sigpipe.c.
 */
#ifndef LOOP_SIGNALS_H
#define LOOP_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>

enum { SIGNALS_MOST = 8 }; /* that can be caught */

/* A descriptor that can be read when a caught signal has come, or -1 with errno.
 * Nothing is caught at first, and what an earlier one told of is forgotten. */
int signals_open(void);

/* Has a signal told of, instead of what it does by default. False with errno. */
bool signals_catch(int number);

/* Takes the signals that have come, each once: their count. */
size_t signals_take(int numbers[SIGNALS_MOST]);

/* See loop.h. */
void signals_hold(void);
void signals_release(void);
void signals_leave(void);

#endif
