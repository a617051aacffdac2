/*
 * Moving much at once: bulk-linux.c, or bulk-posix.c where the system has nothing
 * for that and the answer is always "not here".
 */
#ifndef BULK_H
#define BULK_H

#include <stddef.h>
#include <sys/types.h>

/* Bytes from which it is worth while. */
enum { BULK_LEAST = 16 * 1024 };

/* Makes a pipe hold more, if the system allows it. */
void bulk_widen(int pipe);

/* How many bytes are in a pipe that could be moved; 0: not here. */
size_t bulk_ready(int pipe);

/* Moves bytes from a pipe to a socket without copying them. Their number, 0
 * if they are not there any more, or -1 with errno, EAGAIN if the socket takes
 * nothing now. */
ssize_t bulk_move(int pipe, int socket, size_t size);

/* Moves bytes from a socket to a pipe without copying them. Their number, 0 if
 * the socket has ended, or -1 with errno: EAGAIN if it has none now, ENOBUFS if
 * the pipe takes none now. */
ssize_t bulk_fill(int socket, int pipe, size_t size);

#endif
