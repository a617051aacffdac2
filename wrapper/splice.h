/*
 * splice(2): bytes between a pipe and a socket without a copy. splice-linux.c, or
 * splice-posix.c where the system has nothing of the kind. Once the system has
 * refused it, nothing is tried any more.
 */
#ifndef SPLICE_H
#define SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Bytes from which it is worth while. */
enum { SPLICE_LEAST = 16 * 1024 };

/* Finds out whether the system lets it be called at all. Once, while the process has one
 * thread. */
void splice_open(void);

bool splice_is_possible(void);

/* Makes a pipe hold more, if the system allows it and few are as large already;
 * true if it was. Each such pipe is counted until splice_shrunk(). */
bool splice_grow(int pipe);
void splice_shrunk(void);

/* How many bytes a pipe holds that could be spliced; 0: none, or not here. */
size_t splice_ready(int pipe);

/*
 * From a pipe to a socket: the number of bytes, 0 if they are not there any more,
 * or -1 with errno: EAGAIN if the socket takes nothing now, ENOTSUP if it has to
 * be done by copying.
 */
ssize_t splice_out(int pipe, int socket, size_t size);

/* From a socket to a pipe: the number of bytes, 0 if the socket has ended, or -1
 * with errno: EAGAIN if it has none now, ENOBUFS if the pipe takes none now,
 * ENOTSUP if it has to be done by copying. */
ssize_t splice_in(int socket, int pipe, size_t size);

#endif
