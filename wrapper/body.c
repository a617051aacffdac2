#include <config.h>

#include "body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *directory = "/tmp";

void body_set_directory(const char *path)
{
	directory = path;
}

static int open_nameless(void)
{
	char path[1024];
	int fd;

	if (snprintf(path, sizeof path, "%s/fcgiwrap-XXXXXX", directory) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	unlink(path);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static size_t append_memory(struct body *b, const unsigned char *bytes, size_t size)
{
	size_t room;

	if (!b->memory)
		b->memory = malloc(BODY_MEMORY);
	if (!b->memory)
		return 0;
	if (b->start > 0) {
		memmove(b->memory, b->memory + b->start, b->end - b->start);
		b->end -= b->start;
		b->start = 0;
	}
	room = BODY_MEMORY - b->end;
	if (size > room)
		size = room;
	memcpy(b->memory + b->end, bytes, size);
	b->end += size;
	return size;
}

static bool append_file(struct body *b, const unsigned char *bytes, size_t size)
{
	if (b->file < 0 && (b->file = open_nameless()) < 0)
		return false;
	while (size > 0) {
		ssize_t n = pwrite(b->file, bytes, size, b->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		b->written += n;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

bool body_append(struct body *b, const unsigned char *bytes, size_t size)
{
	/* What is in the file came later than what is in memory, so once there is
	 * a file everything goes through it. */
	if (b->read_at == b->written) {
		size_t taken = append_memory(b, bytes, size);

		bytes += taken;
		size -= taken;
	}
	return size == 0 || append_file(b, bytes, size);
}

static bool refill(struct body *b)
{
	ssize_t n;

	if (!b->memory && !(b->memory = malloc(BODY_MEMORY)))
		return false;
	do
		n = pread(b->file, b->memory, BODY_MEMORY, b->read_at);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		errno = n < 0 ? errno : EIO;
		return false;
	}
	b->start = 0;
	b->end = (size_t)n;
	b->read_at += n;
	if (b->read_at == b->written) {
		/* Caught up: give the disk back. */
		b->read_at = b->written = 0;
		if (ftruncate(b->file, 0) < 0)
			return false;
	}
	return true;
}

const unsigned char *body_peek(struct body *b, size_t *size)
{
	if (b->start == b->end && b->read_at < b->written && !refill(b))
		return NULL;
	*size = b->end - b->start;
	return b->memory + b->start;
}

void body_consume(struct body *b, size_t size)
{
	b->start += size;
}

bool body_is_empty(const struct body *b)
{
	return b->start == b->end && b->read_at == b->written;
}

bool body_is_in_memory(const struct body *b)
{
	return b->start < b->end && b->read_at == b->written;
}

void body_free(struct body *b)
{
	free(b->memory);
	if (b->file >= 0)
		close(b->file);
	*b = BODY_EMPTY;
}
