#include <config.h>

#include "buffer.h"

#include "bulk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

size_t buffer_room(const struct buffer *b)
{
	return BUFFER_SIZE - (b->end - b->start);
}

unsigned char *buffer_tail(struct buffer *b)
{
	if (!b->bytes) {
		b->bytes = malloc(BUFFER_SIZE);
		if (!b->bytes)
			return NULL;
	}
	if (b->start > 0) {
		memmove(b->bytes, b->bytes + b->start, b->end - b->start);
		b->pass_at -= b->start;
		b->end -= b->start;
		b->start = 0;
	}
	return b->bytes + b->end;
}

void buffer_grow(struct buffer *b, size_t by)
{
	b->end += by;
}

void buffer_pass(struct buffer *b, int pipe, size_t size)
{
	b->passing = size;
	b->pass_at = b->end;
	b->pass_from = pipe;
}

bool buffer_is_passing(const struct buffer *b)
{
	return b->passing > 0;
}

bool buffer_is_empty(const struct buffer *b)
{
	return b->start == b->end && b->passing == 0;
}

void buffer_free(struct buffer *b)
{
	free(b->bytes);
	*b = (struct buffer){ .bytes = NULL };
}

/* Takes the next step; what it did as write(2) says it. */
static ssize_t send_some(struct buffer *b, int socket)
{
	bool from_pipe = b->passing > 0 && b->start == b->pass_at;
	size_t until = b->passing > 0 ? b->pass_at : b->end;
	ssize_t n = from_pipe ? bulk_move(b->pass_from, socket, b->passing)
			      : write(socket, b->bytes + b->start, until - b->start);

	if (n > 0 && from_pipe)
		b->passing -= (size_t)n;
	else if (n > 0)
		b->start += (size_t)n;
	return n;
}

bool buffer_flush(struct buffer *b, int socket)
{
	while (!buffer_is_empty(b)) {
		ssize_t n = send_some(b, socket);

		if (n == 0)
			errno = EPIPE; /* the run of bytes is shorter than it was */
		if (n == 0 || (n < 0 && errno != EINTR))
			return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
	}
	buffer_free(b);
	return true;
}
