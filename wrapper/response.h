/*
 * A script's response, from standard output to FCGI_STDOUT: the header block,
 * normalized, and the body, unchanged.
 *
 * Knows no request: the caller decides on outcomes.
 */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "buffer.h"
#include "reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Bytes kept free in the buffer for the records that end a request, and for
	 * FCGI_GET_VALUES_RESULT. */
	RESPONSE_RESERVE = 2048
};

enum response_outcome {
	RESPONSE_MORE,
	RESPONSE_HEADER,     /* the header block is accepted; see the notes */
	RESPONSE_END,        /* the script has closed its output */
	RESPONSE_BAD_HEADER, /* see notes->fault */
	RESPONSE_NO_MEMORY,
	RESPONSE_UNREADABLE  /* errno */
};

struct response {
	uint16_t id;
	bool head_only;
	bool started; /* the header block is accepted */
	bool ended;
	bool bulk;    /* the body comes in large pieces */
	bool grown;   /* splice_grow() has enlarged the pipe */
	char *head;   /* incomplete header block; NULL: nothing yet */
	size_t head_size, head_room, head_scanned;
	char *pending; /* header block too long for one record, and body bytes behind it */
	size_t pending_size, pending_at;
	int status;
	int64_t length, sent; /* of the body: as announced, or -1; and so far */
};

/* True if the buffer has room to read from the script. */
bool response_has_room(const struct response *response, const struct buffer *out);

/* Reads a piece of output, or takes a pending one, and puts it into the buffer, which has room.
 * The notes are set with RESPONSE_HEADER and RESPONSE_BAD_HEADER. */
enum response_outcome response_read(struct response *response, int output, struct buffer *out,
				    struct reply_notes *notes);

/* True if the output has ended inside the header block; takes that block for whole. */
bool response_ends_in_header(const struct response *response);
enum response_outcome response_end_header(struct response *response, struct buffer *out,
					  struct reply_notes *notes);

/* True if the buffer got all that the client expects, by HEAD, status or Content-Length. */
bool response_is_whole(const struct response *response);

/* True if bytes are pending, not yet in the buffer. */
bool response_is_pending(const struct response *response);

/* Puts a record into the buffer, which has room. False without memory. */
bool response_put(struct buffer *out, unsigned type, uint16_t id, const char *bytes, size_t size);

void response_free(struct response *response);

#endif
