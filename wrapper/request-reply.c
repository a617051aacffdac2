/*
 * A request's reply, on its way from the program to the client.
 */
#include <config.h>

#include "request-parts.h"

#include "bulk.h"
#include "reply.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OUTPUT_LEAST = 4096,   /* room that makes reading output worth while */
	HEAD_MOST = 31 * 1024, /* a header block that fits into one record when it is mended */
	ERRORS_AT_ONCE = 1024, /* bytes of standard error read in one go */
	ERRORS_READS_MOST = 64 * 1024 / ERRORS_AT_ONCE,
	/* what ERRORS_AT_ONCE can become as records of a line each */
	ERRORS_ROOM = ERRORS_AT_ONCE * (RECORD_HEADER_SIZE + 1) + LINE_MOST
};

/* Records to the client. */

bool request_has_room(const struct request *r, size_t size)
{
	return buffer_room(r->out) >= size;
}

/* Where the next record goes. If there is no memory even for that, nothing can
 * be said any more: NULL, and the request is cut off. */
static unsigned char *next_record(struct request *r)
{
	unsigned char *tail = buffer_tail(r->out);

	if (!tail) {
		request_conclude(r, 0);
		r->cut = true;
	}
	return tail;
}

void request_put_record(struct request *r, enum record_type type, const char *bytes, size_t size)
{
	unsigned char *tail = next_record(r);

	if (!tail)
		return;
	record_put_header(tail, type, r->id, size);
	memcpy(tail + RECORD_HEADER_SIZE, bytes, size);
	buffer_grow(r->out, RECORD_HEADER_SIZE + size);
}

static void put_document(struct request *r)
{
	char document[REPLY_DOCUMENT_MOST];

	request_put_record(r, FCGI_STDOUT, document,
			   reply_document(document, r->status, r->reason, r->head_only));
}

void request_put_end(struct request *r)
{
	unsigned char *tail;

	if (r->status)
		put_document(r);
	request_put_record(r, FCGI_STDOUT, "", 0);
	if (r->errors_sent)
		request_put_record(r, FCGI_STDERR, "", 0);
	tail = next_record(r);
	if (!tail)
		return;
	record_put_end(tail, r->id, r->app_status, r->protocol_status);
	buffer_grow(r->out, RECORD_HEADER_SIZE + RECORD_BODY_SIZE);
}

/* What the program says on standard error. */

static void tell_line(void *context, const char *line, size_t size)
{
	struct request *r = context;

	if (request_settings->stderr_to_client && request_has_room(r, RECORD_HEADER_SIZE + size)) {
		request_put_record(r, FCGI_STDERR, line, size);
		r->errors_sent = true;
	} else {
		report("%s[%ld]: %.*s", request_name(r), r->program ? (long)r->program->pid : 0L,
		       (int)size, line);
	}
}

bool request_has_room_for_errors(const struct request *r)
{
	return !request_settings->stderr_to_client ||
	       request_has_room(r, ERRORS_ROOM + REQUEST_RESERVE);
}

/* Reads a piece: false if there is nothing now, or no more. */
static bool read_errors(struct request *r)
{
	char bytes[ERRORS_AT_ONCE];
	ssize_t n;

	do
		n = read(r->program->errors.fd, bytes, sizeof bytes);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		request_stir(r);
		lines_take(&r->errors, bytes, (size_t)n, loop_now(), tell_line, r);
		return r->program;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	loop_close(&r->program->errors);
	r->errors_ended = true;
	return false;
}

void request_read_errors(struct request *r)
{
	read_errors(r);
}

bool request_drain_errors(struct request *r)
{
	/* Bounded, since a process that it left behind may go on talking. */
	for (int i = 0; i < ERRORS_READS_MOST && !r->errors_ended; i++) {
		if (!request_has_room_for_errors(r))
			return false;
		if (!read_errors(r))
			break;
	}
	lines_end(&r->errors, tell_line, r);
	return true;
}

/* What the program answers. */

/* Sends the mended header block, and what came of the body along with it. */
static bool put_reply_head(struct request *r, const char *block, size_t block_size,
			   const char *rest, size_t rest_size)
{
	struct reply_notes notes;
	unsigned char *tail = next_record(r);
	unsigned char *content;
	size_t size;

	if (!tail)
		return false;
	content = tail + RECORD_HEADER_SIZE;
	size = reply_normalize(block, block_size, (char *)content, &notes);
	if (size == 0) {
		request_dismiss(r);
		request_fail(r, 502, "%s: %s", request_name(r), notes.fault);
		return false;
	}
	if (!r->head_only) {
		memcpy(content + size, rest, rest_size);
		size += rest_size;
	}
	record_put_header(tail, FCGI_STDOUT, r->id, size);
	buffer_grow(r->out, RECORD_HEADER_SIZE + size);
	r->replied = true;
	if (notes.dropped > 0)
		request_complain(r, "%s: lines left out of its header: %u, the first is \"%s\"",
				 request_name(r), notes.dropped, notes.first_dropped);
	if (notes.warning)
		request_complain(r, "%s: %s", request_name(r), notes.warning);
	return true;
}

static void forget_head(struct request *r)
{
	free(r->head);
	r->head = NULL;
	r->head_size = 0;
}

/* Looks at what has come so far of the reply's header block. */
static void take_head(struct request *r, const char *bytes, size_t size)
{
	size_t block_size, from = 0;

	if (reply_find_end(bytes, size, &from, &block_size)) {
		put_reply_head(r, bytes, block_size, bytes + block_size, size - block_size);
		forget_head(r);
	} else if (size == HEAD_MOST) {
		request_dismiss(r);
		request_fail(r, 502, "%s: no empty line ends its header within %d bytes",
			     request_name(r), HEAD_MOST);
	} else if (!r->head) {
		r->head = malloc(HEAD_MOST);
		if (!r->head) {
			request_fail(r, 503, "%s: no memory for its reply", request_name(r));
			return;
		}
		memcpy(r->head, bytes, size);
		r->head_size = size;
	} else {
		r->head_size = size;
	}
}

/* The output ends in the header block: enough of one is taken as a whole. */
static void end_head(struct request *r)
{
	if (r->head_size == 0)
		return;
	if (!reply_ends_with_line(r->head, r->head_size)) {
		request_dismiss(r);
		request_fail(r, 502, "%s: its output ends within a line of its header",
			     request_name(r));
	} else if (put_reply_head(r, r->head, r->head_size, "", 0)) {
		request_complain(r, "%s: its output ends within the header", request_name(r));
	}
	forget_head(r);
}

void request_end_output(struct request *r)
{
	loop_close(&r->program->output);
	r->output_ended = true;
	if (!r->replied)
		end_head(r);
}

/* Most header blocks come in one piece and are looked at where they are read. */
static void read_head(struct request *r)
{
	static char first[HEAD_MOST];
	char *bytes = r->head ? r->head : first;
	ssize_t n = read(r->program->output.fd, bytes + r->head_size,
			 HEAD_MOST - r->head_size);

	if (n > 0)
		take_head(r, bytes, r->head_size + (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		request_end_output(r);
}

/* Much of a body goes by without being read; its record's header says how much
 * there is. False if it has to be read. */
static bool pass_body(struct request *r)
{
	size_t ready = r->is_bulk && !r->head_only ? bulk_ready(r->program->output.fd) : 0;
	unsigned char *tail;

	if (ready < BULK_LEAST)
		return false;
	if (ready > RECORD_CONTENT_MOST)
		ready = RECORD_CONTENT_MOST;
	tail = next_record(r);
	if (tail) {
		record_put_header(tail, FCGI_STDOUT, r->id, ready);
		buffer_grow(r->out, RECORD_HEADER_SIZE);
		buffer_pass(r->out, r->program->output.fd, ready);
	}
	return true;
}

/* A piece that fills a pipe promises more like it. */
static void note_size(struct request *r, size_t size)
{
	if (r->is_bulk || size < BULK_LEAST)
		return;
	r->is_bulk = true;
	bulk_widen(r->program->output.fd);
}

/* The body is read to where it is sent from, its record's header put in front. */
static void read_body(struct request *r)
{
	size_t most = buffer_room(r->out) - REQUEST_RESERVE - RECORD_HEADER_SIZE;
	unsigned char *tail = next_record(r);
	ssize_t n;

	if (!tail)
		return;
	n = read(r->program->output.fd, tail + RECORD_HEADER_SIZE,
		 most < RECORD_CONTENT_MOST ? most : RECORD_CONTENT_MOST);
	if (n > 0)
		note_size(r, (size_t)n);
	if (n > 0 && !r->head_only) {
		record_put_header(tail, FCGI_STDOUT, r->id, (size_t)n);
		buffer_grow(r->out, RECORD_HEADER_SIZE + (size_t)n);
	} else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
		request_end_output(r);
	}
}

bool request_has_room_for_output(const struct request *r)
{
	size_t least = r->replied ? OUTPUT_LEAST :
				    REPLY_NORMALIZED_MOST(HEAD_MOST) + 2 * RECORD_HEADER_SIZE;

	return !buffer_is_passing(r->out) && request_has_room(r, least + REQUEST_RESERVE);
}

void request_read_output(struct request *r)
{
	request_stir(r);
	if (!r->replied)
		read_head(r);
	else if (!pass_body(r))
		read_body(r);
}
