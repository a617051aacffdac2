/*
 * Who waits too long, or behind too many, is not let in: the doorman looks at the queue of the
 * socket, and answers the oldest in the program's place (--queue, --queue-timeout).
 */
#ifndef DOORMAN_H
#define DOORMAN_H

#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

/* Begins to watch, if the settings ask for that; reports what of it cannot be watched here.
 * vacancies() says how many requests the pool could take up besides those that it has: what is
 * idle, and what may still be started. */
void doorman_open(const struct settings *settings, int listener, long (*vacancies)(void));

/*
 * Looks at a socket that has taken the place of the one there was. Who waits at that is left to
 * the processes that listen there, but for no longer than --queue-timeout from now, or till the
 * door is closed. That socket stays open until it is forgotten.
 */
void doorman_turn_to(int listener, int former);
void doorman_forget_former(void);

/* For the program that takes our place: since when those that wait do so. To be freed; NULL if
 * there is nothing to say, or no memory. And what it makes of that. */
char *doorman_describe(void);
void doorman_resume(void);

/* From now on nobody is let in any more. */
void doorman_close_door(void);

/* After that, and when nobody else accepts: calls done() when everybody has an answer and has
 * had time to read it, but within this time. False if there is nobody, or nothing is
 * watched: then done() is not called. */
bool doorman_finish(int64_t within, void (*done)(void));

/* Within no time. */
void doorman_hurry(void);

/* Whether nobody is being answered. For a while nobody new is, so that this comes true. */
bool doorman_rests(void);

#endif
