/*
 * Bytes on their way to a client: a buffer of fixed size that takes memory only
 * while there is something in it, and a run of bytes that goes by without it.
 */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>

enum { BUFFER_SIZE = 80 * 1024 };

struct buffer {
	unsigned char *bytes; /* NULL while empty */
	size_t start, end;
	/* Bytes that are to come straight from a pipe, at this place among ours. */
	size_t passing;
	size_t pass_at;
	int pass_from;
};

/* How many bytes more would fit. */
size_t buffer_room(const struct buffer *buffer);

/* Where the next bytes go, with buffer_room() in one piece; NULL if there is no
 * memory. What was written there counts after buffer_grow(). */
unsigned char *buffer_tail(struct buffer *buffer);
void buffer_grow(struct buffer *buffer, size_t by);

/* Lets so many bytes follow straight from a pipe that holds them; one such run at
 * a time. The pipe must stay open until it has gone by. */
void buffer_pass(struct buffer *buffer, int pipe, size_t size);
bool buffer_is_passing(const struct buffer *buffer);

/* Writes what it can to a non-blocking socket. False with errno if that is
 * broken; a full one is not. */
bool buffer_flush(struct buffer *buffer, int socket);

bool buffer_is_empty(const struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
