/*
 * What the start of a program asks of the system beyond POSIX: exec-linux.c, or
 * exec-posix.c where that is not to be had.
 */
#ifndef EXEC_H
#define EXEC_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Milliseconds after which a child that has not come to an end of become() is told
 * to go on: whoever stops this process and its group may stop the child when it is
 * just leaving the group, and then what makes us go on does not reach it.
 */
enum { EXEC_LATE = 50 };

/*
 * Runs become() in a new process, and returns when that has executed a program
 * or returned, in which case it has exited. The process may share the memory of
 * this one, and its descriptors until exec_own_descriptors(): become() may
 * change nothing but *notice, of which this process then has the new content.
 * Signals must be held (loop.h). Returns the process, or -1 with errno.
 */
pid_t exec_start(void (*become)(void *context), void *context, void *notice, size_t size);

/* The following are for become(), and async-signal-safe. */

/* From here on the descriptors are this process's own, and of those that are
 * close-on-exec only the ones below first are sure to be open. */
void exec_own_descriptors(int first);

/* Has this process killed when its parent dies. */
void exec_follow_parent(pid_t parent);

/* Executes a file in the current directory, unless it is a symbolic link (errno
 * is then ELOOP). ENOSYS where that cannot be done in one step. */
int exec_here(const char *name, char *const *arguments, char *const *environment);

#endif
