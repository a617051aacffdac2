/*
 * System calls unknown to older kernels, or refused by filters of system calls: called
 * until the first refusal, reported once. Safe in threads.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>

/* True if error, an errno value, means that the system refuses a call or a flag. */
bool call_is_refused(int error);

/* pipe2(2), or else pipe(2) and fcntl(2). -1 with errno. */
int call_pipe(int ends[2], int flags);

/* Accepts a connection, close-on-exec and non-blocking: accept4(2), or else accept(2)
 * and fcntl(2). -1 with errno. */
int call_accept(int listener);

#endif
