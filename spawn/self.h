/*
 * What every Unix process has: descriptors, signals, a root directory, children.
 */
#ifndef SELF_H
#define SELF_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/*
 * Makes a known state of whatever we were started with: descriptors 0 to 2 are
 * open, and the death of a child is noticed. False after reporting. Once, at the
 * start.
 */
bool self_enter(void);

/* Gives signals back as they were found. Last, before the program is executed. */
void self_leave(void);

/* For an event loop that has begun to catch signals: lets the others come again,
 * and is not ended by one that comes from writing to nobody. */
void self_watch_signals(void);

/*
 * Goes on in a child, in a session of its own; this process stays, until the
 * child lets it go or ends. Returns 0 in the child; in the parent, the child's
 * pid, and the status to end with. -1 after reporting.
 */
pid_t self_background(int *status);

/* In that child: lets the parent go, with an exit status, and the terminal. */
void self_release_parent(int status);

/* Executes our own program anew, in this process, as it was found; signals wait
 * until the new one watches them. Returns, with errno, if that failed. */
void self_execute_anew(char **argv);

/* After that: signals that we have blocked were not found so. */
void self_executed_anew(void);

/* Enters a directory as the root directory. False after reporting. */
bool self_change_root(const char *directory);

/* Does some work in a child of its own, which thus leaves no trace in this
 * process. Returns what the work returned; false if it could not be done. */
bool self_apart(bool (*work)(void *), void *argument);

/* Waits until a child may have died. False when the time is over. */
bool self_await_death(const struct timespec *deadline);

/* A moment so many milliseconds from now, on the clock of self_await_death. */
struct timespec self_deadline(long milliseconds);

#endif
