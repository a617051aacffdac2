#include <config.h>

#include "buffer.h"

#include "os.h"
#include "splice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Extra room behind BUFFER_SIZE, to copy pieces of a gap into a full buffer. */
enum { GAP_PIECE = 16 * 1024 };

size_t buffer_space(const struct buffer *b)
{
	size_t used = b->end - b->start;

	return used < BUFFER_SIZE ? BUFFER_SIZE - used : 0;
}

unsigned char *buffer_tail(struct buffer *b)
{
	if (!b->bytes) {
		b->bytes = malloc(BUFFER_SIZE + GAP_PIECE);
		if (!b->bytes)
			return NULL;
	}
	if (b->start > 0) {
		memmove(b->bytes, b->bytes + b->start, b->end - b->start);
		b->gap_at -= b->start;
		b->end -= b->start;
		b->start = 0;
	}
	return b->bytes + b->end;
}

void buffer_grow(struct buffer *b, size_t by)
{
	b->end += by;
}

void buffer_leave_gap(struct buffer *b, int pipe, size_t size)
{
	b->gap = size;
	b->gap_at = b->end;
	b->gap_pipe = pipe;
}

bool buffer_has_gap(const struct buffer *b)
{
	return b->gap > 0;
}

void buffer_lose_gap(struct buffer *b)
{
	b->gap_pipe = -1;
}

bool buffer_is_empty(const struct buffer *b)
{
	return b->start == b->end && b->gap == 0;
}

void buffer_free(struct buffer *b)
{
	free(b->bytes);
	*b = (struct buffer){ .bytes = NULL };
}

/* Reads a piece of the gap into its place, in front of the remaining bytes, where splice(2) is
 * not possible. Returns as read(2), but 0 for EAGAIN. */
static ssize_t buffer_copy_gap(struct buffer *b)
{
	size_t size = b->gap < GAP_PIECE ? b->gap : GAP_PIECE;
	unsigned char *tail = buffer_tail(b);
	ssize_t n;

	if (!tail)
		return -1;
	memmove(b->bytes + size, b->bytes, b->end);
	n = os_read(b->gap_pipe, b->bytes, size);
	memmove(b->bytes + (n > 0 ? n : 0), b->bytes + size, b->end);
	if (n > 0) {
		b->end += (size_t)n;
		b->gap_at = (size_t)n;
		b->gap -= (size_t)n;
	} else if (n < 0 && errno == EAGAIN) {
		n = 0; /* the script has read its own output back */
	}
	return n;
}

/* Writes bytes before the gap, or moves bytes of the gap. Returns as write(2). */
static ssize_t buffer_send(struct buffer *b, int socket)
{
	size_t until = b->gap > 0 ? b->gap_at : b->end;
	ssize_t n;

	if (b->gap == 0 || b->start < b->gap_at) {
		n = os_write(socket, b->bytes + b->start, until - b->start);
		b->start += n > 0 ? (size_t)n : 0;
		return n;
	}
	if (b->gap_pipe < 0) {
		errno = EPIPE;
		return -1;
	}
	n = splice_out(b->gap_pipe, socket, b->gap);
	if (n < 0 && errno == ENOTSUP)
		return buffer_copy_gap(b);
	b->gap -= n > 0 ? (size_t)n : 0;
	return n;
}

bool buffer_flush(struct buffer *b, int socket, size_t *moved)
{
	while (!buffer_is_empty(b)) {
		ssize_t n = buffer_send(b, socket);

		if (n == 0)
			errno = EPIPE; /* the gap cannot be filled any more */
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
		*moved += (size_t)n;
	}
	buffer_free(b);
	return true;
}
