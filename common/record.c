#include <config.h>

#include "record.h"

#include <string.h>

const char *record_type_name(uint8_t type)
{
	static const char *const names[] = {
		[FCGI_BEGIN_REQUEST] = "FCGI_BEGIN_REQUEST",
		[FCGI_ABORT_REQUEST] = "FCGI_ABORT_REQUEST",
		[FCGI_END_REQUEST] = "FCGI_END_REQUEST",
		[FCGI_PARAMS] = "FCGI_PARAMS",
		[FCGI_STDIN] = "FCGI_STDIN",
		[FCGI_STDOUT] = "FCGI_STDOUT",
		[FCGI_STDERR] = "FCGI_STDERR",
		[FCGI_DATA] = "FCGI_DATA",
	};

	return type < sizeof names / sizeof *names && names[type] ? names[type] : "record";
}

static struct record decode_header(const unsigned char *h)
{
	return (struct record){
		.version = h[0],
		.type = h[1],
		.id = (uint16_t)(h[2] << 8 | h[3]),
		.content_length = (uint16_t)(h[4] << 8 | h[5]),
		.padding_length = h[6],
	};
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void advance(const unsigned char **in, size_t *size, size_t by)
{
	*in += by;
	*size -= by;
}

/* Takes header bytes; true when the header is whole. */
static bool read_header(struct record_reader *r, const unsigned char **in, size_t *size)
{
	size_t take = least(RECORD_HEADER_SIZE - r->header_have, *size);

	memcpy(r->header + r->header_have, *in, take);
	advance(in, size, take);
	r->header_have += take;
	if (r->header_have < RECORD_HEADER_SIZE)
		return false;
	r->record = decode_header(r->header);
	/* Plus one, since the last step is RECORD_END. */
	r->content_left = r->record.content_length + (size_t)1;
	r->padding_left = r->record.padding_length;
	return true;
}

enum record_event record_read(struct record_reader *r, const unsigned char **in, size_t *size,
			      const unsigned char **content, size_t *length)
{
	if (r->content_left > 1) {
		if (*size == 0)
			return RECORD_NOTHING;
		*content = *in;
		*length = least(r->content_left - 1, *size);
		r->content_left -= *length;
		advance(in, size, *length);
		return RECORD_CONTENT;
	}
	if (r->content_left == 1) {
		r->content_left = 0;
		return RECORD_END;
	}
	if (r->padding_left > 0) {
		size_t skip = least(r->padding_left, *size);

		advance(in, size, skip);
		r->padding_left -= skip;
		if (r->padding_left > 0)
			return RECORD_NOTHING;
	}
	if (r->header_have == RECORD_HEADER_SIZE)
		r->header_have = 0;
	return read_header(r, in, size) ? RECORD_BEGIN : RECORD_NOTHING;
}

size_t record_content_left(const struct record_reader *r)
{
	return r->content_left > 1 ? r->content_left - 1 : 0;
}

void record_skip_content(struct record_reader *r, size_t size)
{
	r->content_left -= size;
}

size_t record_until_next(const struct record_reader *r)
{
	return record_content_left(r) + r->padding_left + RECORD_HEADER_SIZE -
	       r->header_have % RECORD_HEADER_SIZE;
}

bool record_is_between(const struct record_reader *r)
{
	return r->content_left == 0 && r->padding_left == 0 &&
	       r->header_have % RECORD_HEADER_SIZE == 0;
}

void record_put_header(unsigned char out[RECORD_HEADER_SIZE], enum record_type type, uint16_t id,
		       size_t content_length)
{
	out[0] = RECORD_VERSION;
	out[1] = (unsigned char)type;
	out[2] = (unsigned char)(id >> 8);
	out[3] = (unsigned char)id;
	out[4] = (unsigned char)(content_length >> 8);
	out[5] = (unsigned char)content_length;
	out[6] = 0;
	out[7] = 0;
}

void record_put_end(unsigned char out[RECORD_HEADER_SIZE + RECORD_BODY_SIZE], uint16_t id, uint32_t app_status,
		    enum record_end protocol_status)
{
	record_put_header(out, FCGI_END_REQUEST, id, RECORD_BODY_SIZE);
	out += RECORD_HEADER_SIZE;
	out[0] = (unsigned char)(app_status >> 24);
	out[1] = (unsigned char)(app_status >> 16);
	out[2] = (unsigned char)(app_status >> 8);
	out[3] = (unsigned char)app_status;
	out[4] = (unsigned char)protocol_status;
	memset(out + 5, 0, 3);
}

void record_put_unknown_type(unsigned char out[RECORD_HEADER_SIZE + RECORD_BODY_SIZE],
			     uint8_t type)
{
	record_put_header(out, FCGI_UNKNOWN_TYPE, 0, RECORD_BODY_SIZE);
	memset(out + RECORD_HEADER_SIZE, 0, RECORD_BODY_SIZE);
	out[RECORD_HEADER_SIZE] = type;
}
