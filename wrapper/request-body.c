/*
 * A request's body, on its way from the client to the program.
 */
#include <config.h>

#include "request-parts.h"

#include "bulk.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Milliseconds in which a program that reads takes something. While it
	 * does, a client that is faster waits; then its bytes are stored. */
	LAG = 100,
	MOVED_LEAST = 128 * 1024 /* bytes of a body that are worth moving */
};

static void refuse_stdin(struct request *r)
{
	r->stdin_refused = true;
	body_free(&r->body);
	if (r->program)
		loop_close(&r->program->input);
}

static void on_lag(struct deadline *d)
{
	struct request *r = LOOP_OWNER(d, struct request, lag);

	r->lagging = true;
	r->full = false;
	r->changed(r->owner);
}

/* Writes to the program what it takes now: the number of bytes. */
static size_t offer(struct request *r, const unsigned char *bytes, size_t size)
{
	ssize_t n;

	do
		n = write(r->program->input.fd, bytes, size);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		request_stir(r);
		r->lagging = false;
		if ((size_t)n < size)
			deadline_set(&r->lag, LAG, on_lag);
		return (size_t)n;
	}
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		refuse_stdin(r); /* it has closed its input, or is gone */
	else if (!r->lagging && !r->lag.lane)
		deadline_set(&r->lag, LAG, on_lag);
	return 0;
}

static void keep(struct request *r, const unsigned char *bytes, size_t size)
{
	if (r->received > request_settings->max_body)
		request_fail(r, 413, "%s: request body of more than %ld bytes refused (--max-body)",
			     request_name(r), request_settings->max_body);
	else if (!body_append(&r->body, bytes, size))
		request_fail(r, 503, "%s: cannot keep the request body in %s: %s", request_name(r),
			     request_settings->spool_directory, strerror(errno));
}

bool request_take_stdin(struct request *r, const unsigned char *bytes, size_t size)
{
	if (r->stdin_ended)
		return true; /* it said so itself */
	if (r->content_length >= 0 && (int64_t)size > r->content_length - r->received)
		size = (size_t)(r->content_length - r->received);
	r->received += (int64_t)size;
	if (r->phase == REQUEST_RUNNING && body_is_empty(&r->body) && !r->stdin_refused && size) {
		size_t taken = offer(r, bytes, size);

		bytes += taken;
		size -= taken;
	}
	if (size > 0 && !r->stdin_refused)
		keep(r, bytes, size);
	return true;
}

/* Only of a long body, and when nothing of it waits here. */
bool request_can_move(const struct request *r)
{
	return r->phase == REQUEST_RUNNING && !r->by_copy && !r->stdin_refused && !r->stdin_ended &&
	       !r->lagging && body_is_empty(&r->body) &&
	       r->content_length - r->received >= MOVED_LEAST;
}

ssize_t request_fill(struct request *r, int socket, size_t size)
{
	ssize_t n = bulk_fill(socket, r->program->input.fd, size);

	if (n > 0) {
		if (!r->moved)
			bulk_widen(r->program->input.fd);
		r->moved = true;
		r->received += n;
		request_stir(r);
	} else if (n < 0 && errno == ENOBUFS) {
		r->full = true;
		deadline_set(&r->lag, LAG, on_lag);
		errno = EAGAIN;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* What its program refuses is found out when it is written. */
		r->by_copy = true;
	}
	return n;
}

bool request_end_stdin(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)bytes, (void)size;
	r->stdin_ended = true;
	/* Part of a body must not be taken for the whole. */
	if (r->received < r->content_length && !r->stdin_refused)
		request_fail(r, 400, "%s: the request body has %lld bytes instead of %lld",
			     request_name(r), (long long)r->received, (long long)r->content_length);
	return true;
}

bool request_has_all_stdin(const struct request *r)
{
	return r->stdin_ended || r->received == r->content_length;
}

void request_feed(struct request *r)
{
	while (!r->stdin_refused && !body_is_empty(&r->body)) {
		size_t size, taken;
		const unsigned char *bytes = body_peek(&r->body, &size);

		if (!bytes) {
			request_fail(r, 500, "%s: cannot read the request body back: %s",
				     request_name(r), strerror(errno));
			return;
		}
		taken = offer(r, bytes, size);
		if (taken == 0)
			return;
		body_consume(&r->body, taken);
	}
	if (!r->full)
		deadline_clear(&r->lag);
	if (request_has_all_stdin(r))
		loop_close(&r->program->input);
}

bool request_holds_back(const struct request *r)
{
	return r->phase == REQUEST_RUNNING && !r->stdin_refused && !r->lagging &&
	       (r->full || body_is_in_memory(&r->body));
}
