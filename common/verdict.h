/*
 * What a client makes of the bytes that answer its one request: pieces of the response, the HTTP
 * status in its header, and how it ended. Pure.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The id of the request. */
enum { VERDICT_ID = 1 };

enum verdict_event {
	VERDICT_NOTHING, /* all input is used up */
	VERDICT_OUTPUT,  /* a piece of the response */
	VERDICT_ERROR,   /* a piece of FCGI_STDERR */
	VERDICT_END,     /* the request has ended: further input is not looked at */
	VERDICT_BROKEN   /* this is not FastCGI, for the reason of verdict->fault */
};

/* Of the CGI header (RFC 3875, section 6.3). */
enum verdict_header {
	VERDICT_HEADER_NONE, /* no byte of a response has come */
	VERDICT_HEADER_OPEN, /* not complete */
	VERDICT_HEADER_WHOLE,
	VERDICT_HEADER_BAD /* a line that is no header field, or no number as the status */
};

/* Starts as all zero. */
struct verdict {
	struct record_reader reader;
	enum verdict_header header;
	char line[80]; /* of the header: the beginning of the current line */
	size_t line_size; /* all of it counted */
	bool later_line; /* not the first */
	long status;     /* 0: the header has none, which means 200 or a redirection */
	char reason[64]; /* "503 Service Unavailable"; empty without a status */
	bool any;          /* a record has come, or its header */
	bool output_ended; /* the empty FCGI_STDOUT */
	unsigned char end[RECORD_BODY_SIZE]; /* content of FCGI_END_REQUEST */
	size_t end_have;
	bool ended;
	char fault[100];
};

/* Reads on from *in, advancing it and reducing *size, up to the next event. With VERDICT_OUTPUT and
 * VERDICT_ERROR, *piece and *length are a part of the input. */
enum verdict_event verdict_take(struct verdict *verdict, const unsigned char **in, size_t *size,
				const unsigned char **piece, size_t *length);

/* The protocol status of FCGI_END_REQUEST. */
enum record_end verdict_protocol_status(const struct verdict *verdict);

#endif
