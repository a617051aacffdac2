/*
 * Bytes on their way to a client: a buffer of fixed size that takes memory only
 * while there is something in it.
 */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>

enum { BUFFER_SIZE = 80 * 1024 };

struct buffer {
	unsigned char *bytes; /* NULL while empty */
	size_t start, end;
};

/* How many bytes more would fit. */
size_t buffer_room(const struct buffer *buffer);

/* Where the next bytes go, with buffer_room() in one piece; NULL if there is no
 * memory. What was written there counts after buffer_grow(). */
unsigned char *buffer_tail(struct buffer *buffer);
void buffer_grow(struct buffer *buffer, size_t by);

/* Writes what it can to a non-blocking descriptor. False with errno if the
 * descriptor is broken; a full one is not. */
bool buffer_flush(struct buffer *buffer, int fd);

bool buffer_is_empty(const struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
