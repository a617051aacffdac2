/*
 * Output to a client: a buffer of fixed size, allocated only while in use, and at most
 * one gap, for bytes to be spliced from a pipe.
 */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>

enum { BUFFER_SIZE = 80 * 1024 };

struct buffer {
	unsigned char *bytes; /* NULL while empty */
	size_t start, end;
	size_t gap;    /* bytes to come from the pipe; 0: no gap */
	size_t gap_at; /* offset of the gap in bytes */
	int gap_pipe;
};

/* Returns the number of bytes that fit. */
size_t buffer_space(const struct buffer *buffer);

/* Returns the place of the next bytes, with buffer_space() in one piece; NULL if there is no
 * memory. Bytes written there count after buffer_grow(). */
unsigned char *buffer_tail(struct buffer *buffer);
void buffer_grow(struct buffer *buffer, size_t by);

/* Leaves a gap at the end, for size bytes from a pipe; one gap at a time. The caller keeps the
 * pipe open until the gap is filled or lost. */
void buffer_leave_gap(struct buffer *buffer, int pipe, size_t size);
bool buffer_has_gap(const struct buffer *buffer);

/* The pipe is going to be closed: the gap stays, and buffer_flush() fails there. */
void buffer_lose_gap(struct buffer *buffer);

/* Writes as much as a non-blocking socket takes, and adds the bytes moved to *moved. False with
 * errno if the socket is broken, or the gap cannot be filled. A full socket is no error. */
bool buffer_flush(struct buffer *buffer, int socket, size_t *moved);

bool buffer_is_empty(const struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
