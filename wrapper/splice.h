/*
 * splice(2): moves bytes between a pipe and a socket without a copy. splice-linux.c, or
 * splice-posix.c for systems without it. Once the system has refused splice(2),
 * splice_is_possible() is false and splice_ready() 0.
 */
#ifndef SPLICE_H
#define SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Fewest bytes worth splicing. */
enum { SPLICE_LEAST = 16 * 1024 };

/* Tests in a child whether calling splice(2) is fatal. Call once, while the process has one
 * thread. */
void splice_open(void);

bool splice_is_possible(void);

/* Enlarges a pipe; false if the system refuses, or enough pipes are large already. If true,
 * the caller calls splice_shrunk() when done with the pipe. */
bool splice_grow(int pipe);
void splice_shrunk(void);

/* Bytes in a pipe, ready to be spliced; 0 if splice(2) is not possible. */
size_t splice_ready(int pipe);

/* Moves bytes from a pipe to a socket. Returns the number; 0 if the pipe is empty or has
 * ended; -1 with errno: EAGAIN if the socket takes nothing now, ENOTSUP if the caller has
 * to copy. */
ssize_t splice_out(int pipe, int socket, size_t size);

/* Moves bytes from a socket to a pipe. Returns the number; 0 at the end of the socket; -1
 * with errno: EAGAIN if the socket has none now, ENOBUFS if the pipe is full, ENOTSUP if
 * the caller has to copy. */
ssize_t splice_in(int socket, int pipe, size_t size);

#endif
