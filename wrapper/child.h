/*
 * What a program on its way to exec asks of the system beyond POSIX:
 * child-linux.c, or child-posix.c where that is not to be had.
 */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

/* Has this process killed when its parent dies. Async-signal-safe. */
void child_follow_parent(pid_t parent);

/* Executes a file in the current directory, unless it is a symbolic link (errno
 * is then ELOOP). ENOSYS where that cannot be done in one step.
 * Async-signal-safe. */
int child_exec_here(const char *name, char *const *arguments, char *const *environment);

#endif
