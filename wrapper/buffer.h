/*
 * Bytes on their way to a client: a buffer of fixed size that takes memory only
 * while there is something in it, and perhaps a gap, whose bytes are to come
 * straight from a pipe.
 */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>

enum { BUFFER_SIZE = 80 * 1024 };

struct buffer {
	unsigned char *bytes; /* NULL while empty */
	size_t start, end;
	size_t gap;    /* bytes that come from the pipe, 0: no gap */
	size_t gap_at; /* their place among ours */
	int gap_pipe;
};

/* How many bytes more would fit. */
size_t buffer_space(const struct buffer *buffer);

/* Where the next bytes go, with buffer_space() in one piece; NULL if there is no
 * memory. What was written there counts after buffer_grow(). */
unsigned char *buffer_tail(struct buffer *buffer);
void buffer_grow(struct buffer *buffer, size_t by);

/* Leaves a gap behind what is there, for bytes that a pipe holds; one gap at a
 * time. The pipe must stay open until it is filled, or lost. */
void buffer_leave_gap(struct buffer *buffer, int pipe, size_t size);
bool buffer_has_gap(const struct buffer *buffer);

/* The pipe is going to be closed: the gap stays, and cannot be filled. */
void buffer_lose_gap(struct buffer *buffer);

/* Writes what it can to a non-blocking socket, and counts it in *moved. False with
 * errno if the socket is broken, or the gap cannot be filled; a full socket is no
 * error. */
bool buffer_flush(struct buffer *buffer, int socket, size_t *moved);

bool buffer_is_empty(const struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
