#include <config.h>

#include "response.h"

#include "os.h"
#include "record.h"
#include "splice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	READ_LEAST = 4096,       /* room that makes reading worth while */
	HEAD_FIRST = 32 * 1024   /* of the first read */
};

bool response_put(struct buffer *out, unsigned type, uint16_t id, const char *bytes, size_t size)
{
	unsigned char *tail = buffer_tail(out);

	if (!tail)
		return false;
	record_put_header(tail, type, id, size);
	memcpy(tail + RECORD_HEADER_SIZE, bytes, size);
	buffer_grow(out, RECORD_HEADER_SIZE + size);
	return true;
}

bool response_has_room(const struct response *r, const struct buffer *out)
{
	(void)r;
	return !buffer_has_gap(out) && buffer_space(out) >= READ_LEAST + RESPONSE_RESERVE;
}

bool response_is_pending(const struct response *r)
{
	return r->pending;
}

bool response_is_whole(const struct response *r)
{
	if (!r->started || r->pending)
		return false;
	return r->head_only || r->status == 204 || r->status == 304 ||
	       (r->length >= 0 && r->sent >= r->length);
}

/* Most content for a record that fits now. */
static size_t response_record_most(const struct buffer *out)
{
	size_t space = buffer_space(out) - RESPONSE_RESERVE - RECORD_HEADER_SIZE;

	return space < RECORD_CONTENT_MOST ? space : RECORD_CONTENT_MOST;
}

static enum response_outcome response_put_pending(struct response *r, struct buffer *out)
{
	size_t left = r->pending_size - r->pending_at;
	size_t size = response_record_most(out);

	if (size > left)
		size = left;
	if (!response_put(out, FCGI_STDOUT, r->id, r->pending + r->pending_at, size))
		return RESPONSE_NO_MEMORY;
	r->pending_at += size;
	if (size == left) {
		free(r->pending);
		r->pending = NULL;
	}
	return RESPONSE_MORE;
}

/* Normalizes the header block straight into the buffer, as one record with the part of the
 * body read so far; or, if too long, into r->pending. */
static enum response_outcome response_put_header(struct response *r, struct buffer *out,
						 const char *block, size_t block_size,
						 const char *rest, size_t rest_size,
						 struct reply_notes *notes)
{
	size_t most = REPLY_NORMALIZED_MOST(block_size) + rest_size;
	bool fits = most <= response_record_most(out);
	unsigned char *tail = fits ? buffer_tail(out) : NULL;
	char *content = fits && tail ? (char *)tail + RECORD_HEADER_SIZE : fits ? NULL : malloc(most);
	size_t size;

	if (!content)
		return RESPONSE_NO_MEMORY;
	size = reply_normalize(block, block_size, content, notes);
	if (size == 0) {
		if (!fits)
			free(content);
		return RESPONSE_BAD_HEADER;
	}
	if (notes->sent)
		notes->sent(notes->context, content, size);
	if (!r->head_only) {
		memcpy(content + size, rest, rest_size);
		size += rest_size;
		r->sent = (int64_t)rest_size;
	}
	r->started = true;
	r->status = notes->status;
	r->length = notes->content_length;
	if (fits) {
		record_put_header(tail, FCGI_STDOUT, r->id, size);
		buffer_grow(out, RECORD_HEADER_SIZE + size);
		return RESPONSE_HEADER;
	}
	r->pending = content;
	r->pending_size = size;
	r->pending_at = 0;
	response_put_pending(r, out);
	return RESPONSE_HEADER;
}

static void response_forget_head(struct response *r)
{
	free(r->head);
	r->head = NULL;
	r->head_size = r->head_room = 0;
}

/* Keeps an incomplete header block, with room for as much again. False without memory. */
static bool response_keep_head(struct response *r, const char *bytes, size_t size)
{
	size_t room = 2 * size < REPLY_HEADER_MOST ? 2 * size : REPLY_HEADER_MOST;
	char *grown;

	if (r->head && size < r->head_room) {
		r->head_size = size;
		return true;
	}
	grown = realloc(r->head, room);
	if (!grown)
		return false;
	if (!r->head)
		memcpy(grown, bytes, size);
	r->head = grown;
	r->head_room = room;
	r->head_size = size;
	return true;
}

/* Most header blocks come in one piece, and are parsed in the static buffer. */
static enum response_outcome response_read_header(struct response *r, int output,
						  struct buffer *out, struct reply_notes *notes)
{
	static char first[HEAD_FIRST];
	char *bytes = r->head ? r->head : first;
	size_t room = r->head ? r->head_room : sizeof first;
	ssize_t n = os_read(output, bytes + r->head_size, room - r->head_size);
	size_t size = r->head_size + (n > 0 ? (size_t)n : 0), block_size;
	enum response_outcome outcome;

	if (n == 0)
		r->ended = true;
	if (n <= 0)
		return n == 0 ? RESPONSE_END
		       : errno == EAGAIN || errno == EWOULDBLOCK ? RESPONSE_MORE
								 : RESPONSE_UNREADABLE;
	if (reply_find_end(bytes, size, &r->head_scanned, &block_size)) {
		outcome = response_put_header(r, out, bytes, block_size, bytes + block_size,
					      size - block_size, notes);
		response_forget_head(r);
		return outcome;
	}
	if (size >= REPLY_HEADER_MOST) {
		snprintf(notes->fault, sizeof notes->fault,
			 "no empty line ends its header within %d bytes", REPLY_HEADER_MOST);
		return RESPONSE_BAD_HEADER;
	}
	return response_keep_head(r, bytes, size) ? RESPONSE_MORE : RESPONSE_NO_MEMORY;
}

bool response_ends_in_header(const struct response *r)
{
	return r->ended && !r->started && r->head_size > 0;
}

enum response_outcome response_end_header(struct response *r, struct buffer *out,
					  struct reply_notes *notes)
{
	enum response_outcome outcome = response_put_header(r, out, r->head, r->head_size, "", 0,
							    notes);

	response_forget_head(r);
	return outcome;
}

/* Puts a record header for the bytes in the pipe, and a gap for splice(2) to fill. False if the
 * body has to be read. */
static bool response_splice(struct response *r, int output, struct buffer *out)
{
	size_t ready = r->bulk && !r->head_only ? splice_ready(output) : 0;
	unsigned char *tail;

	if (ready < SPLICE_LEAST || !(tail = buffer_tail(out)))
		return false;
	if (ready > RECORD_CONTENT_MOST)
		ready = RECORD_CONTENT_MOST;
	record_put_header(tail, FCGI_STDOUT, r->id, ready);
	buffer_grow(out, RECORD_HEADER_SIZE);
	buffer_leave_gap(out, output, ready);
	r->sent += (int64_t)ready;
	return true;
}

/* Reads the body straight into the buffer, behind room for the record header. */
static enum response_outcome response_read_body(struct response *r, int output, struct buffer *out)
{
	size_t most = response_record_most(out);
	unsigned char *tail = buffer_tail(out);
	ssize_t n;

	if (!tail)
		return RESPONSE_NO_MEMORY;
	n = os_read(output, tail + RECORD_HEADER_SIZE, most);
	if (n == 0) {
		r->ended = true;
		return RESPONSE_END;
	}
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? RESPONSE_MORE : RESPONSE_UNREADABLE;
	/* After one large piece, more are likely. */
	if (!r->bulk && (size_t)n >= SPLICE_LEAST) {
		r->bulk = true;
		r->grown = splice_grow(output);
	}
	if (!r->head_only) {
		record_put_header(tail, FCGI_STDOUT, r->id, (size_t)n);
		buffer_grow(out, RECORD_HEADER_SIZE + (size_t)n);
		r->sent += n;
	}
	return RESPONSE_MORE;
}

enum response_outcome response_read(struct response *r, int output, struct buffer *out,
				    struct reply_notes *notes)
{
	if (r->pending)
		return response_put_pending(r, out);
	if (!r->started)
		return response_read_header(r, output, out, notes);
	return response_splice(r, output, out) ? RESPONSE_MORE
					       : response_read_body(r, output, out);
}

void response_free(struct response *r)
{
	response_forget_head(r);
	free(r->pending);
	r->pending = NULL;
	if (r->grown)
		splice_shrunk();
	r->grown = false;
}
