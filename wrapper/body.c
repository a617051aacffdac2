#include <config.h>

#include "body.h"

#include "os.h"
#include "slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *directory = "/tmp";

void body_set_directory(const char *path)
{
	directory = path;
}

static size_t append_memory(struct body *b, const unsigned char *bytes, size_t size)
{
	size_t space;

	if (!b->memory)
		b->memory = malloc(BODY_MEMORY);
	if (!b->memory)
		return 0;
	if (b->start > 0) {
		memmove(b->memory, b->memory + b->start, b->end - b->start);
		b->end -= b->start;
		b->start = 0;
	}
	space = BODY_MEMORY - b->end;
	if (size > space)
		size = space;
	memcpy(b->memory + b->end, bytes, size);
	b->end += size;
	return size;
}

/* Returns the number of bytes written; fewer than size with errno. */
static size_t append_file(struct body *b, const unsigned char *bytes, size_t size)
{
	size_t done = 0;

	if (b->file < 0 && (b->file = os_spool_open(directory)) < 0)
		return 0;
	if (!slots_spool((int64_t)size)) {
		errno = ENOBUFS;
		return 0;
	}
	while (done < size) {
		ssize_t n = os_pwrite(b->file, bytes + done, size - done, b->written);

		if (n <= 0) {
			errno = n < 0 ? errno : ENOSPC;
			slots_unspool((int64_t)(size - done));
			break;
		}
		b->written += n;
		done += (size_t)n;
	}
	return done;
}

/* Keeps bytes without disk. Always false: with errno of the failed write, or with ENOMEM if the
 * bytes are lost. */
static bool hold(struct body *b, const unsigned char *bytes, size_t size)
{
	if (!b->held) {
		b->held_error = errno;
		b->held_size = 0;
		b->held = malloc(BODY_MEMORY);
	}
	if (!b->held || size > BODY_MEMORY - b->held_size) {
		errno = ENOMEM;
		return false;
	}
	memcpy(b->held + b->held_size, bytes, size);
	b->held_size += size;
	errno = b->held_error;
	return false;
}

bool body_append(struct body *b, const unsigned char *bytes, size_t size)
{
	size_t taken = 0;

	if (b->held)
		return hold(b, bytes, size);
	/* Bytes in the file are newer than bytes in memory: append there while any are
	 * unread. */
	if (b->read_at == b->written)
		taken = append_memory(b, bytes, size);
	if (taken < size)
		taken += append_file(b, bytes + taken, size - taken);
	return taken == size || hold(b, bytes + taken, size - taken);
}

bool body_is_held(const struct body *b)
{
	return b->held;
}

/* Gives the disk space back when the whole file has been read. */
static bool empty_file(struct body *b)
{
	slots_unspool(b->written);
	b->read_at = b->written = 0;
	return os_empty(b->file);
}

static bool refill(struct body *b)
{
	ssize_t n;

	if (!b->memory && !(b->memory = malloc(BODY_MEMORY)))
		return false;
	n = os_pread(b->file, b->memory, BODY_MEMORY, b->read_at);
	if (n <= 0) {
		errno = n < 0 ? errno : EIO;
		return false;
	}
	b->start = 0;
	b->end = (size_t)n;
	b->read_at += n;
	return b->read_at < b->written || empty_file(b);
}

const unsigned char *body_peek(struct body *b, size_t *size)
{
	if (b->start == b->end && b->read_at < b->written && !refill(b))
		return NULL;
	if (b->start == b->end && b->held) {
		free(b->memory);
		b->memory = b->held;
		b->start = 0;
		b->end = b->held_size;
		b->held = NULL;
	}
	*size = b->end - b->start;
	return b->memory + b->start;
}

void body_consume(struct body *b, size_t size)
{
	b->start += size;
}

bool body_is_empty(const struct body *b)
{
	return b->start == b->end && b->read_at == b->written && !b->held;
}

bool body_is_in_memory(const struct body *b)
{
	return b->start < b->end && b->read_at == b->written;
}

void body_free(struct body *b)
{
	free(b->memory);
	free(b->held);
	if (b->file >= 0) {
		slots_unspool(b->written);
		os_close(b->file);
	}
	*b = BODY_EMPTY;
}
