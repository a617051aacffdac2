/*
 * responder.h: requests of any pieces are answered one after the other, by the rules of FastCGI
 * 1.0; what is no FastCGI, and what is too much, ends the connection.
 */
#include <config.h>

#include "params.h"
#include "record.h"
#include "responder.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 18, MUTATIONS = 3000 };

static struct responder r;
static unsigned char in[ROOM], out[ROOM];
static size_t in_size, out_size;
static char asked[256];
static size_t answer_size;
static bool no_answer;

static char *answer(const struct responder_request *q, size_t *size)
{
	char *text = no_answer ? NULL : malloc(answer_size + 1);

	snprintf(asked, sizeof asked, "%s|%s|%s|%s", q->script_name, q->method, q->query,
		 q->accept);
	if (text)
		memset(text, 'a', answer_size);
	*size = answer_size;
	return text;
}

static const struct responder_plan plan = { .connections = 16, .answer = answer };

static void begin_test(void)
{
	responder_close(&r);
	r = (struct responder){ .plan = &plan };
	in_size = out_size = 0;
	asked[0] = '\0';
	answer_size = 10;
	no_answer = false;
}

/* What the client sends. */

static void send_record(unsigned type, unsigned id, const void *content, size_t size)
{
	record_put_header(in + in_size, (enum record_type)type, (uint16_t)id, size);
	if (size > 0)
		memcpy(in + in_size + RECORD_HEADER_SIZE, content, size);
	in_size += RECORD_HEADER_SIZE + size;
}

static void send_begin(unsigned id, unsigned role, bool keep)
{
	const unsigned char body[RECORD_BODY_SIZE] = { 0, (unsigned char)role, keep };

	send_record(FCGI_BEGIN_REQUEST, id, body, sizeof body);
}

static void send_param(unsigned id, const char *name, const char *value)
{
	unsigned char pair[256];

	send_record(FCGI_PARAMS, id, pair, params_put(pair, name, value));
}

static void send_request(unsigned id, bool keep)
{
	send_begin(id, FCGI_RESPONDER, keep);
	send_param(id, "SCRIPT_NAME", "/status");
	send_param(id, "QUERY_STRING", "json&full");
	send_record(FCGI_PARAMS, id, NULL, 0);
	send_record(FCGI_STDIN, id, NULL, 0);
}

/* Takes all in pieces, and collects the output. False if the connection is to be closed. */
static bool serve(size_t piece)
{
	for (size_t at = 0; at < in_size;) {
		const unsigned char *bytes = in + at;
		size_t left = piece < in_size - at ? piece : in_size - at;

		at += left;
		if (!responder_take(&r, &bytes, &left))
			return false;
		at -= left;
		if (out_size + r.out_size <= sizeof out && r.out)
			memcpy(out + out_size, r.out, r.out_size);
		out_size += r.out_size;
		responder_sent_all(&r);
	}
	in_size = 0;
	return true;
}

/* The records that came: "6:1:10 6:1:0 3:1:8", type, id and size of each; of one that ends a
 * request also how, "3:1:8=0". */
static const char *received(void)
{
	static char text[512];
	struct record_reader reader = { .header_have = 0 };
	const unsigned char *at = out, *content;
	size_t left = out_size, length, used = 0;
	enum record_event event;

	text[0] = '\0';
	while ((event = record_read(&reader, &at, &left, &content, &length)) != RECORD_NOTHING) {
		if (event == RECORD_BEGIN)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s%u:%u:%u",
						 used ? " " : "", reader.record.type,
						 reader.record.id, reader.record.content_length);
		else if (event == RECORD_CONTENT && reader.record.type == FCGI_END_REQUEST)
			used += (size_t)snprintf(text + used, sizeof text - used, "=%u",
						 content[4]);
	}
	return text;
}

static bool receives(const char *records)
{
	bool same = strcmp(received(), records) == 0;

	if (!same)
		printf("# received %s\n", received());
	return same;
}

static void answers(void)
{
	begin_test();
	send_request(1, false);
	ok(serve(ROOM) && receives("6:1:10 6:1:0 3:1:8=0"), "a request is answered");
	ok(strcmp(asked, "/status||json&full|") == 0, "its parameters are told");
	ok(r.closes, "and then the connection is to be closed");
	send_request(2, false);
	out_size = 0;
	ok(serve(ROOM) && out_size == 0, "what comes behind it is no request");

	begin_test();
	send_request(1, false);
	ok(serve(1) && receives("6:1:10 6:1:0 3:1:8=0"), "the same in single bytes");

	begin_test();
	send_request(1, true);
	send_request(1, true);
	send_request(7, false);
	ok(serve(ROOM) && receives("6:1:10 6:1:0 3:1:8=0 6:1:10 6:1:0 3:1:8=0 6:7:10 6:7:0 3:7:8=0"),
	   "several in one piece are answered in turn");
	ok(r.closes, "and the last one says whether the connection stays");

	begin_test();
	send_request(1, true);
	ok(serve(ROOM) && !r.closes && responder_rests(&r), "a connection that is kept rests");
	send_begin(1, FCGI_RESPONDER, true);
	ok(serve(ROOM) && !responder_rests(&r), "until the next request begins");

	begin_test();
	answer_size = 2 * RECORD_CONTENT_MOST + 1;
	send_request(1, true);
	ok(serve(ROOM) && receives("6:1:65535 6:1:65535 6:1:1 6:1:0 3:1:8=0"),
	   "a long response is as many records as needed");

	begin_test();
	no_answer = true;
	send_request(1, true);
	ok(serve(ROOM) && receives("3:1:8=2"), "without memory the request is overloaded");

	begin_test();
	send_begin(1, FCGI_RESPONDER, false);
	send_record(FCGI_PARAMS, 1, NULL, 0);
	ok(serve(ROOM) && receives("6:1:10 6:1:0 3:1:8=0") && strcmp(asked, "|||") == 0,
	   "a request may have no parameters");
}

static void protocol(void)
{
	char names[16 * 16];

	begin_test();
	send_begin(1, FCGI_RESPONDER, true);
	send_begin(2, FCGI_RESPONDER, true);
	ok(serve(ROOM) && receives("3:2:8=1"), "a second request at a time is refused");
	send_record(FCGI_PARAMS, 1, NULL, 0);
	out_size = 0;
	ok(serve(ROOM) && receives("6:1:10 6:1:0 3:1:8=0"), "and the first one goes on");

	begin_test();
	send_begin(1, FCGI_AUTHORIZER, true);
	ok(serve(ROOM) && receives("3:1:8=3") && !r.closes, "another role is unknown");
	send_begin(1, FCGI_FILTER, false);
	out_size = 0;
	ok(serve(ROOM) && receives("3:1:8=3") && r.closes, "and ends the connection if not kept");

	begin_test();
	send_begin(1, FCGI_RESPONDER, true);
	send_record(FCGI_ABORT_REQUEST, 1, NULL, 0);
	ok(serve(ROOM) && receives("3:1:8=0") && responder_rests(&r), "an aborted request ends");

	begin_test();
	send_record(FCGI_ABORT_REQUEST, 1, NULL, 0);
	send_record(FCGI_PARAMS, 1, NULL, 0);
	send_record(FCGI_STDIN, 1, "body", 4);
	send_record(99, 1, "any", 3);
	ok(serve(ROOM) && out_size == 0, "records of no request are ignored");

	begin_test();
	send_record(FCGI_GET_VALUES, 0, "\x0e\x00" "FCGI_MAX_CONNS" "\x0f\x00" "FCGI_MPXS_CONNS"
		    "\x04\x00" "NONE", 16 + 17 + 6);
	ok(serve(3) && receives("10:0:36") && memcmp(out + 8, "\x0e\x02" "FCGI_MAX_CONNS16", 18) == 0,
	   "values are told, unknown ones are left out");

	begin_test();
	send_record(FCGI_GET_VALUES, 0, in + ROOM / 2, 60000);
	ok(serve(ROOM) && receives("10:0:0"), "a long question is cut");

	begin_test();
	for (size_t i = 0; i < sizeof names; i += 16)
		memcpy(names + i, "\x0e\x00" "FCGI_MAX_CONNS", 16);
	send_record(FCGI_GET_VALUES, 0, names, sizeof names);
	ok(serve(ROOM) && receives("10:0:18"), "a name that comes again is told once");

	begin_test();
	send_record(55, 0, "any", 3);
	ok(serve(ROOM) && receives("11:0:8") && out[8] == 55, "another type is unknown");
}

static void refusals(void)
{
	static char value[65000];

	begin_test();
	in[in_size++] = 2;
	in_size = 8;
	ok(!serve(ROOM), "another version of FastCGI ends the connection");

	begin_test();
	send_record(FCGI_BEGIN_REQUEST, 1, "\0\1\0", 3);
	ok(!serve(ROOM), "and so does a short begin");

	begin_test();
	send_begin(1, FCGI_RESPONDER, true);
	send_begin(1, FCGI_RESPONDER, true);
	ok(!serve(ROOM), "a second begin of the same request");

	begin_test();
	send_begin(1, FCGI_RESPONDER, true);
	send_record(FCGI_PARAMS, 1, "\x0e\x00" "FCGI", 6);
	send_record(FCGI_PARAMS, 1, NULL, 0);
	ok(!serve(ROOM), "and parameters that are cut off");

	begin_test();
	send_begin(1, FCGI_RESPONDER, true);
	memset(value, 'v', sizeof value);
	send_record(FCGI_PARAMS, 1, "\x01\x80\x00\xfd\xe8n", 6);
	send_record(FCGI_PARAMS, 1, value, sizeof value);
	send_param(1, "SCRIPT_NAME", "/status");
	send_record(FCGI_PARAMS, 1, NULL, 0);
	ok(serve(1000) && receives("6:1:10 6:1:0 3:1:8=0") && strcmp(asked, "/status|||") == 0,
	   "parameters of nearly 64 kB are taken");

	begin_test();
	send_begin(1, FCGI_RESPONDER, true);
	send_record(FCGI_PARAMS, 1, value, sizeof value);
	send_record(FCGI_PARAMS, 1, value, sizeof value);
	ok(serve(1000) && r.closes &&
	   memcmp(out + 8, "Status: 431 ", 12) == 0 && !r.params, "more are refused");
}

/* Whatever comes: it ends, and is used up, or the connection is closed. */
static void mutations(void)
{
	unsigned seed = 1;
	bool fine = true;

	for (int i = 0; i < MUTATIONS; i++) {
		begin_test();
		send_request(1, true);
		send_record(FCGI_GET_VALUES, 0, "\x0e\x00" "FCGI_MAX_CONNS", 16);
		send_request(1, true);
		for (int j = 0; j < 3; j++) {
			seed = seed * 1103515245 + 12345;
			in[(seed >> 8) % in_size] = (unsigned char)(seed >> 24);
		}
		fine &= !serve(1 + seed % 50) || in_size == 0;
		fine &= out_size < 1024;
	}
	ok(fine, "any bytes are used up, or end the connection");
}

int main(void)
{
	answers();
	protocol();
	refusals();
	mutations();
	responder_close(&r);
	return tap_done();
}
