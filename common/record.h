/*
 * FastCGI records from and to bytes (FastCGI 1.0, section 3.3 and 8). Pure:
 * no descriptor, no allocation.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RECORD_VERSION = 1,
	RECORD_HEADER_SIZE = 8,
	RECORD_CONTENT_MOST = 65535,
	RECORD_BODY_SIZE = 8 /* content of BEGIN_REQUEST, END_REQUEST, UNKNOWN_TYPE */
};

enum record_type {
	FCGI_BEGIN_REQUEST = 1,
	FCGI_ABORT_REQUEST,
	FCGI_END_REQUEST,
	FCGI_PARAMS,
	FCGI_STDIN,
	FCGI_STDOUT,
	FCGI_STDERR,
	FCGI_DATA,
	FCGI_GET_VALUES,
	FCGI_GET_VALUES_RESULT,
	FCGI_UNKNOWN_TYPE
};

enum record_role { FCGI_RESPONDER = 1, FCGI_AUTHORIZER, FCGI_FILTER };
enum record_flag { FCGI_KEEP_CONN = 1 };
enum record_end { FCGI_REQUEST_COMPLETE, FCGI_CANT_MPX_CONN, FCGI_OVERLOADED, FCGI_UNKNOWN_ROLE };

struct record {
	uint8_t version;
	uint8_t type;
	uint16_t id;
	uint16_t content_length;
	uint8_t padding_length;
};

/* Returns the name of a record type of requests, for messages; "record" for others. */
const char *record_type_name(uint8_t type);

/* Reads records that arrive in pieces of any size. Starts as all zero. */
struct record_reader {
	unsigned char header[RECORD_HEADER_SIZE];
	size_t header_have;
	struct record record;
	size_t content_left, padding_left;
};

enum record_event {
	RECORD_NOTHING, /* all input is used up */
	RECORD_BEGIN,   /* reader->record is known, no content yet */
	RECORD_CONTENT, /* a part of the content */
	RECORD_END      /* the content is complete (padding may follow) */
};

/* Reads on from *in, advancing it and reducing *size, up to the next event.
 * With RECORD_CONTENT, *content and *length are a part of the input. */
enum record_event record_read(struct record_reader *reader, const unsigned char **in, size_t *size,
			      const unsigned char **content, size_t *length);

/* Return the bytes of the current record's content still to come; and subtract
 * bytes read without record_read(). */
size_t record_content_left(const struct record_reader *reader);
void record_skip_content(struct record_reader *reader, size_t size);

/* Returns the number of bytes up to the end of the next header. */
size_t record_until_next(const struct record_reader *reader);

/* True between records: after all padding of one, before the next header. */
bool record_is_between(const struct record_reader *reader);

/* Write a record's header, or a whole FCGI_END_REQUEST or FCGI_UNKNOWN_TYPE record,
 * without padding. */
void record_put_header(unsigned char out[RECORD_HEADER_SIZE], enum record_type type, uint16_t id,
		       size_t content_length);
void record_put_end(unsigned char out[RECORD_HEADER_SIZE + RECORD_BODY_SIZE], uint16_t id,
		    uint32_t app_status, enum record_end protocol_status);
void record_put_unknown_type(unsigned char out[RECORD_HEADER_SIZE + RECORD_BODY_SIZE],
			     uint8_t type);

#endif
