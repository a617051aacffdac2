/*
 * System calls that older kernels do not know and that filters of system calls refuse:
 * found out by calling them, once, and said once. Safe in threads.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>

/* Whether an error says that a call, or a flag of it, is not to be had here. */
bool call_is_refused(int error);

/* pipe2(2), or else pipe(2) and fcntl(2). -1 with errno. */
int call_pipe(int ends[2], int flags);

/* A connection, close-on-exec and non-blocking: accept4(2), or else accept(2) and
 * fcntl(2). -1 with errno. */
int call_accept(int listener);

#endif
