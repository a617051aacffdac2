#include <config.h>

#include "buffer.h"

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
		b->end -= b->start;
		b->start = 0;
	}
	return b->bytes + b->end;
}

void buffer_grow(struct buffer *b, size_t by)
{
	b->end += by;
}

bool buffer_is_empty(const struct buffer *b)
{
	return b->start == b->end;
}

void buffer_free(struct buffer *b)
{
	free(b->bytes);
	*b = (struct buffer){ .bytes = NULL };
}

bool buffer_flush(struct buffer *b, int fd)
{
	while (!buffer_is_empty(b)) {
		ssize_t n = write(fd, b->bytes + b->start, b->end - b->start);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		b->start += (size_t)n;
	}
	buffer_free(b);
	return true;
}
