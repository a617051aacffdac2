#include <config.h>

#include "responder.h"

#include "params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMS_ROOM = 4096, END_SIZE = RECORD_HEADER_SIZE + RECORD_BODY_SIZE };

static const char too_large[] =
	"Status: 431 Request Header Fields Too Large\r\n"
	"Content-Type: text/plain\r\n"
	"\r\n"
	"431 Request Header Fields Too Large\r\n";

/* Output. */

/* Each bool function returns false if the connection is to be closed. There is no output yet. */
static bool put(struct responder *r, const unsigned char *bytes, size_t size)
{
	r->out = malloc(size);
	if (!r->out)
		return false;
	memcpy(r->out, bytes, size);
	r->out_size = size;
	return true;
}

static bool put_end(struct responder *r, uint16_t id, enum record_end how)
{
	unsigned char end[END_SIZE];

	record_put_end(end, id, 0, how);
	return put(r, end, sizeof end);
}

/* A response as FCGI_STDOUT records, their empty one, and FCGI_END_REQUEST. */
static bool put_response(struct responder *r, const char *text, size_t size)
{
	size_t records = size / RECORD_CONTENT_MOST + 2;
	unsigned char *at = malloc(size + records * RECORD_HEADER_SIZE + END_SIZE);

	if (!at)
		return false;
	r->out = at;
	while (size > 0) {
		size_t part = size < RECORD_CONTENT_MOST ? size : RECORD_CONTENT_MOST;

		record_put_header(at, FCGI_STDOUT, r->id, part);
		memcpy(at + RECORD_HEADER_SIZE, text, part);
		at += RECORD_HEADER_SIZE + part;
		text += part;
		size -= part;
	}
	record_put_header(at, FCGI_STDOUT, r->id, 0);
	record_put_end(at + RECORD_HEADER_SIZE, r->id, 0, FCGI_REQUEST_COMPLETE);
	r->out_size = (size_t)(at + RECORD_HEADER_SIZE + END_SIZE - r->out);
	return true;
}

/* Requests. */

static void forget_params(struct responder *r)
{
	free(r->params);
	r->params = NULL;
	r->params_size = r->params_room = 0;
}

static void end_request(struct responder *r)
{
	forget_params(r);
	r->closes = !r->keeps;
	r->id = 0;
}

static const char *find_param(const char *strings, size_t count, const char *name)
{
	const size_t length = strlen(name);

	for (; count > 0; count--, strings += strlen(strings) + 1)
		if (strncmp(strings, name, length) == 0 && strings[length] == '=')
			return strings + length + 1;
	return "";
}

static bool answer_request(struct responder *r)
{
	struct responder_request request;
	size_t count = 0, size = 0;
	bool complete = true, done;
	char *text;

	if (r->params)
		params_to_strings(r->params, r->params_size, &count, &complete);
	if (!complete)
		return false;
	request = (struct responder_request){
		.script_name = find_param(r->params, count, "SCRIPT_NAME"),
		.method = find_param(r->params, count, "REQUEST_METHOD"),
		.query = find_param(r->params, count, "QUERY_STRING"),
		.accept = find_param(r->params, count, "HTTP_ACCEPT"),
	};
	text = r->plan->answer(&request, &size);
	done = text ? put_response(r, text, size) : put_end(r, r->id, FCGI_OVERLOADED);
	free(text);
	end_request(r);
	return done;
}

static bool refuse_params(struct responder *r)
{
	bool done = put_response(r, too_large, sizeof too_large - 1);

	end_request(r);
	r->closes = true;
	return done;
}

static bool keep_params(struct responder *r, const unsigned char *bytes, size_t size)
{
	if (size > RESPONDER_PARAMS_MOST - r->params_size)
		return refuse_params(r);
	if (size > r->params_room - r->params_size) {
		size_t room = r->params_room ? r->params_room : PARAMS_ROOM;
		char *params;

		while (room < r->params_size + size)
			room *= 2;
		params = realloc(r->params, room);
		if (!params)
			return false;
		r->params = params;
		r->params_room = room;
	}
	memcpy(r->params + r->params_size, bytes, size);
	r->params_size += size;
	return true;
}

static bool begin_request(struct responder *r)
{
	const uint16_t id = r->reader.record.id;
	const unsigned role = (unsigned)r->begin[0] << 8 | r->begin[1];
	const bool keeps = r->begin[2] & FCGI_KEEP_CONN;

	if (id == r->id)
		return false;
	if (r->id != 0)
		return put_end(r, id, FCGI_CANT_MPX_CONN);
	if (role != FCGI_RESPONDER) {
		r->closes = !keeps;
		return put_end(r, id, FCGI_UNKNOWN_ROLE);
	}
	r->id = id;
	r->keeps = keeps;
	return true;
}

static bool abort_request(struct responder *r)
{
	bool done = put_end(r, r->id, FCGI_REQUEST_COMPLETE);

	end_request(r);
	return done;
}

/* Management records. */

static void keep_values(struct responder *r, const unsigned char *bytes, size_t size)
{
	if (size > sizeof r->values - r->values_size)
		size = sizeof r->values - r->values_size;
	memcpy(r->values + r->values_size, bytes, size);
	r->values_size += size;
}

static bool answer_values(struct responder *r)
{
	static const char *const known[] = { "FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS" };
	enum { KNOWN = sizeof known / sizeof *known, PAIR_MOST = 48 };
	const unsigned char *at = r->values, *name, *value;
	size_t left = r->values_size, name_length, value_length, size = RECORD_HEADER_SIZE;
	unsigned char result[RECORD_HEADER_SIZE + KNOWN * PAIR_MOST];
	bool said[KNOWN] = { false };
	char number[16];

	while (params_next(&at, &left, &name, &name_length, &value, &value_length))
		for (size_t i = 0; i < KNOWN; i++)
			if (!said[i] && name_length == strlen(known[i]) &&
			    memcmp(name, known[i], name_length) == 0) {
				said[i] = true;
				snprintf(number, sizeof number, "%u",
					 i < 2 ? r->plan->connections : 0);
				size += params_put(result + size, known[i], number);
			}
	record_put_header(result, FCGI_GET_VALUES_RESULT, 0, size - RECORD_HEADER_SIZE);
	return put(r, result, size);
}

static bool answer_unknown_type(struct responder *r)
{
	unsigned char unknown[END_SIZE];

	record_put_unknown_type(unknown, r->reader.record.type);
	return put(r, unknown, sizeof unknown);
}

/* Records. Those of an inactive request are ignored (FastCGI 1.0, section 3.3). */

static bool begin_record(struct responder *r)
{
	const struct record *record = &r->reader.record;

	r->begin_have = r->values_size = 0;
	return record->version == RECORD_VERSION &&
	       (record->type != FCGI_BEGIN_REQUEST || record->id == 0 ||
		record->content_length == RECORD_BODY_SIZE);
}

static bool take_content(struct responder *r, const unsigned char *bytes, size_t size)
{
	const struct record *record = &r->reader.record;

	if (record->id == 0) {
		if (record->type == FCGI_GET_VALUES)
			keep_values(r, bytes, size);
	} else if (record->type == FCGI_BEGIN_REQUEST) {
		memcpy(r->begin + r->begin_have, bytes, size);
		r->begin_have += size;
	} else if (record->type == FCGI_PARAMS && record->id == r->id) {
		return keep_params(r, bytes, size);
	}
	return true;
}

static bool end_record(struct responder *r)
{
	const struct record *record = &r->reader.record;

	if (record->id == 0)
		return record->type == FCGI_GET_VALUES ? answer_values(r) : answer_unknown_type(r);
	if (record->type == FCGI_BEGIN_REQUEST)
		return begin_request(r);
	if (record->id != r->id)
		return true;
	if (record->type == FCGI_ABORT_REQUEST)
		return abort_request(r);
	return record->type != FCGI_PARAMS || record->content_length > 0 || answer_request(r);
}

bool responder_take(struct responder *r, const unsigned char **in, size_t *size)
{
	const unsigned char *content;
	size_t length;
	bool fine = true;

	while (fine && !r->out) {
		if (r->closes) {
			*in += *size;
			*size = 0;
			return true;
		}
		switch (record_read(&r->reader, in, size, &content, &length)) {
		case RECORD_NOTHING:
			return true;
		case RECORD_BEGIN:
			fine = begin_record(r);
			break;
		case RECORD_CONTENT:
			fine = take_content(r, content, length);
			break;
		case RECORD_END:
			fine = end_record(r);
			break;
		}
	}
	return fine;
}

void responder_sent_all(struct responder *r)
{
	free(r->out);
	r->out = NULL;
	r->out_size = r->out_sent = 0;
}

bool responder_rests(const struct responder *r)
{
	return r->id == 0 && !r->out && record_is_between(&r->reader);
}

void responder_close(struct responder *r)
{
	responder_sent_all(r);
	forget_params(r);
}
