/*
 * A script's response, from its standard output to FCGI_STDOUT: the header block,
 * normalized, and the body as it is.
 *
 * Knows no request: its outcomes are for the caller to decide on.
 */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "buffer.h"
#include "reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Kept free in the buffer, so that a request can end and a question be
	 * answered. */
	RESPONSE_RESERVE = 2048
};

enum response_outcome {
	RESPONSE_MORE,
	RESPONSE_HEADER,     /* the header block has been sent; see the notes */
	RESPONSE_END,        /* the script has closed its output */
	RESPONSE_BAD_HEADER, /* it is none; see the fault in the notes */
	RESPONSE_NO_MEMORY,
	RESPONSE_UNREADABLE  /* errno */
};

struct response {
	uint16_t id;
	bool head_only;
	bool started; /* some of it was sent */
	bool ended;
	bool bulk;    /* its body comes in large pieces */
	bool grown;   /* the pipe was made larger for it */
	char *head;   /* the header block while it is not whole, NULL: nothing yet */
	size_t head_size, head_room, head_scanned;
	char *pending; /* a header block too long for one record, and what came behind it */
	size_t pending_size, pending_at;
	int status;
	int64_t length, sent; /* of the body: as announced, or -1; and so far */
};

/* Whether there is room to read from the script. */
bool response_has_room(const struct response *response, const struct buffer *out);

/* Reads a piece from the script's output and puts it into the buffer. */
enum response_outcome response_read(struct response *response, int output, struct buffer *out,
				    struct reply_notes *notes);

/* Whether it has ended inside its header block; and takes that for whole. */
bool response_ends_in_header(const struct response *response);
enum response_outcome response_end_header(struct response *response, struct buffer *out,
					  struct reply_notes *notes);

/* Whether all that a client can want of it is in the buffer. */
bool response_is_whole(const struct response *response);

/* Whether bytes of it wait here, or as a gap in the buffer. */
bool response_is_pending(const struct response *response);

/* Puts a record into the buffer, which has room for it. False: no memory. */
bool response_put(struct buffer *out, unsigned type, uint16_t id, const char *bytes, size_t size);

void response_free(struct response *response);

#endif
