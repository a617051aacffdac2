/*
 * What every Unix process has: descriptors, signals, a root directory, children.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <time.h>

/*
 * Makes a known state of whatever we were started with: descriptors 0 to 2 are
 * open, those above are not for the program, and the death of a child is
 * noticed. False after reporting. Once, at the start.
 */
bool process_enter(void);

/* Gives signals back as they were found. Last, before the program is executed. */
void process_leave(void);

/* Enters a directory as the root directory. False after reporting. */
bool process_change_root(const char *directory);

/* Does some work in a child of its own, which thus leaves no trace in this
 * process. Returns what the work returned; false if it could not be done. */
bool process_apart(bool (*work)(void *), void *argument);

/* Waits until a child may have died. False when the time is over. */
bool process_await_death(const struct timespec *deadline);

/* A moment so many milliseconds from now, on the clock of process_await_death. */
struct timespec process_deadline(long milliseconds);

#endif
