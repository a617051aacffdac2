/*
 * State of this process: descriptors, signals, session, root directory, children.
 */
#ifndef SELF_H
#define SELF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * Opens descriptors 0 to 2 where closed, blocks and handles SIGCHLD, ignores SIGXFSZ,
 * and saves signals as found. Call once, at the start. False after reporting.
 */
bool self_enter(void);

/* Restores signals as found. Call last, before the program is executed. */
void self_leave(void);

/* For an event loop that has begun to catch signals: unblocks the others, and ignores
 * SIGPIPE. */
void self_watch_signals(void);

/* Nanoseconds of processor time of this thread so far; 0 if unknown. */
int64_t self_processor_time(void);

/*
 * Forks a child in a session of its own; the parent waits for self_release_parent() or
 * the child's end. Returns 0 in the child; in the parent, the child's pid, with the
 * exit status to end with in *status; -1 after reporting.
 */
pid_t self_background(int *status);

/* In the child: lets the parent exit with status, and turns 0 to 2 to /dev/null. */
void self_release_parent(int status);

/* Executes our own program anew in this process, with signals as found, but all blocked
 * until the new program watches them. Returns only on failure, with errno. */
void self_execute_anew(char **argv);

/* After self_execute_anew(), in the new program: signals found blocked were blocked by us,
 * so self_leave() blocks none. */
void self_executed_anew(void);

/* Enters a directory as the root directory. False after reporting. */
bool self_change_root(const char *directory);

/* Calls work() in a forked child, to leave no trace in this process. Returns the result
 * of work(); false if no child could be forked (reported), or if the child was killed. */
bool self_apart(bool (*work)(void *), void *argument);

/* Waits until a child may have ended. False when the deadline has passed. */
bool self_await_death(const struct timespec *deadline);

/* Returns the time in so many milliseconds, for self_await_death(). */
struct timespec self_deadline(long milliseconds);

#endif
