/*
 * Refusing connections that wait too long, or behind too many (--queue-timeout, --queue): the
 * doorman looks at the queue of the socket, and answers the oldest in the program's place.
 */
#ifndef DOORMAN_H
#define DOORMAN_H

#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

/* Begins to watch, if the settings ask for it; reports options that cannot be watched here.
 * vacancies() returns how many more requests the pool could take up: with idle processes, and
 * with processes that may still be started. */
void doorman_open(const struct settings *settings, int listener, long (*vacancies)(void));

/*
 * Turns to a new socket. Connections waiting at the former one are left to the processes
 * listening there, but for no longer than --queue-timeout from now, or till the door is closed.
 * The caller keeps the former socket open until doorman_forget_former().
 */
void doorman_turn_to(int listener, int former);
void doorman_forget_former(void);

/* Writes for the program taking our place since when connections wait. The caller frees the
 * text; NULL if none is known, or without memory. doorman_resume() takes the text from the
 * environment. */
char *doorman_describe(void);
void doorman_resume(void);

/* From now on refuses all connections. */
void doorman_close_door(void);

/* Refuses the rest, when nobody else accepts: calls done() when all clients have had time to
 * read the answer, but within so many milliseconds. False, without calling done(), if no
 * client is left, or nothing is watched. */
bool doorman_finish(int64_t within, void (*done)(void));

/* Ends doorman_finish() at once. */
void doorman_hurry(void);

/* True if no client is being answered. Answers no new one for 2 s, so that all come to an end. */
bool doorman_rests(void);

#endif
