#include <config.h>

#include "upload.h"

#include "os.h"
#include "splice.h"

#include <errno.h>
#include <stdlib.h>

enum { SPLICED_LEAST = 128 * 1024 /* fewest remaining bytes worth splicing */ };

struct upload *upload_new(int64_t length)
{
	struct upload *u = calloc(1, sizeof *u);

	if (u) {
		u->length = length;
		u->body = BODY_EMPTY;
	}
	return u;
}

void upload_free(struct upload *u)
{
	if (!u)
		return;
	body_free(&u->body);
	if (u->grown)
		splice_shrunk();
	free(u);
}

/* Writes as much as the pipe takes. Returns the number of bytes, maybe 0; -1 with errno. */
static ssize_t upload_write(struct upload *u, int stdin_fd, const unsigned char *bytes, size_t size)
{
	ssize_t n = os_write(stdin_fd, bytes, size);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		n = 0;
	if (n < 0)
		return -1;
	if (n > 0)
		u->flow = UPLOAD_FLOWING;
	if ((size_t)n < size && u->flow == UPLOAD_FLOWING)
		u->flow = UPLOAD_FULL;
	return n;
}

/* Drops the body after a failed write. EPIPE is no error: the script has closed its input,
 * or exited. */
static enum upload_outcome upload_refuse(struct upload *u)
{
	int saved = errno;

	u->refused = true;
	u->flow = UPLOAD_FLOWING;
	body_free(&u->body);
	errno = saved;
	return errno == EPIPE ? UPLOAD_OK : UPLOAD_BROKEN;
}

enum upload_outcome upload_take(struct upload *u, int stdin_fd, const unsigned char *bytes,
				size_t size, int64_t most)
{
	if (u->ended)
		return UPLOAD_OK; /* dropped: FCGI_STDIN has ended */
	if (u->length >= 0 && (int64_t)size > u->length - u->received)
		size = (size_t)(u->length - u->received);
	u->received += (int64_t)size;
	if (u->refused)
		return UPLOAD_OK;
	if (u->received > most)
		return UPLOAD_TOO_LARGE;
	if (stdin_fd >= 0 && size > 0 && body_is_empty(&u->body)) {
		ssize_t n = upload_write(u, stdin_fd, bytes, size);

		if (n < 0)
			return upload_refuse(u);
		bytes += n;
		size -= (size_t)n;
	}
	if (size == 0 || body_append(&u->body, bytes, size))
		return UPLOAD_OK;
	/* Without disk space the client can be held back while the script reads. But a body
	 * of unknown length must be whole before the script starts. */
	return body_is_held(&u->body) && errno != ENOMEM && u->length >= 0 ? UPLOAD_OK
									   : UPLOAD_NO_SPACE;
}

enum upload_outcome upload_end(struct upload *u)
{
	u->ended = true;
	return u->received < u->length && !u->refused ? UPLOAD_SHORT : UPLOAD_OK;
}

enum upload_outcome upload_feed(struct upload *u, int stdin_fd)
{
	while (!u->refused && !body_is_empty(&u->body)) {
		size_t size;
		const unsigned char *bytes = body_peek(&u->body, &size);
		ssize_t n;

		if (!bytes)
			return UPLOAD_UNREADABLE;
		n = upload_write(u, stdin_fd, bytes, size);
		if (n < 0)
			return upload_refuse(u);
		body_consume(&u->body, (size_t)n);
		if ((size_t)n < size)
			break;
	}
	return UPLOAD_OK;
}

bool upload_can_splice(const struct upload *u)
{
	return splice_is_possible() && !u->by_copy && !u->refused && !u->ended &&
	       u->flow != UPLOAD_LAGGING && body_is_empty(&u->body) &&
	       u->length - u->received >= SPLICED_LEAST;
}

ssize_t upload_splice(struct upload *u, int socket, int stdin_fd, size_t size)
{
	ssize_t n = splice_in(socket, stdin_fd, size);

	if (n > 0) {
		if (!u->grown)
			u->grown = splice_grow(stdin_fd);
		u->received += n;
		u->flow = UPLOAD_FLOWING;
	} else if (n < 0 && errno == ENOBUFS) {
		u->flow = UPLOAD_FULL;
		errno = EAGAIN;
	} else if (n < 0 && errno != EAGAIN) {
		/* Errors of the pipe recur in upload_write(). */
		u->by_copy = true;
		errno = ENOTSUP;
	}
	return n;
}

void upload_wait(struct upload *u)
{
	u->flow = UPLOAD_FULL;
}

void upload_room(struct upload *u)
{
	u->flow = UPLOAD_FLOWING;
}

void upload_lag(struct upload *u)
{
	u->flow = UPLOAD_LAGGING;
}

bool upload_has_all(const struct upload *u)
{
	return u->ended || u->received == u->length;
}

bool upload_is_done(const struct upload *u)
{
	return u->refused || (upload_has_all(u) && body_is_empty(&u->body));
}

bool upload_wants_room(const struct upload *u)
{
	return !u->refused && (!body_is_empty(&u->body) || u->flow == UPLOAD_FULL);
}

bool upload_holds_back(const struct upload *u, bool has_script)
{
	if (u->refused)
		return false;
	return body_is_held(&u->body) ||
	       (has_script && u->flow == UPLOAD_FULL && !upload_has_all(u) &&
		(body_is_empty(&u->body) || body_is_in_memory(&u->body)));
}
