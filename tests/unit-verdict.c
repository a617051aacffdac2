/* What a client makes of an answer: whole, cut anywhere, and wrong. */
#include <config.h>

#include "tap.h"
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static unsigned char stream[MOST];
static size_t stream_size;

/* What was told of it. */
static struct verdict verdict;
static char output[MOST], errors[MOST];
static enum verdict_event last;

static void put_record(unsigned type, unsigned id, const char *content, size_t size, size_t padding)
{
	record_put_header(stream + stream_size, (enum record_type)type, (uint16_t)id, size);
	stream[stream_size + 6] = (unsigned char)padding;
	stream_size += RECORD_HEADER_SIZE;
	memcpy(stream + stream_size, content, size);
	memset(stream + stream_size + size, 'p', padding);
	stream_size += size + padding;
}

static void put_text(unsigned type, const char *text)
{
	put_record(type, VERDICT_ID, text, strlen(text), 0);
}

static void put_end(unsigned char status)
{
	const char body[RECORD_BODY_SIZE] = { 0, 0, 0, 1, (char)status };

	put_record(FCGI_END_REQUEST, VERDICT_ID, body, sizeof body, 0);
}

/* Takes the stream in pieces of this size, each in memory of its own. */
static void take(size_t most)
{
	verdict = (struct verdict){ .header = VERDICT_HEADER_NONE };
	*output = *errors = '\0';
	last = VERDICT_NOTHING;
	for (size_t at = 0; at < stream_size && last < VERDICT_END;) {
		size_t size = stream_size - at < most ? stream_size - at : most, length;
		unsigned char *copy = malloc(size);
		const unsigned char *in = copy, *piece;

		memcpy(copy, stream + at, size);
		at += size;
		while ((last = verdict_take(&verdict, &in, &size, &piece, &length)))
			if (last == VERDICT_OUTPUT)
				strncat(output, (const char *)piece, length);
			else if (last == VERDICT_ERROR)
				strncat(errors, (const char *)piece, length);
			else
				break;
		free(copy);
	}
}

/* A response with this text as FCGI_STDOUT, taken whole and byte by byte. */
static bool has(const char *text, enum verdict_header header, long status, const char *reason)
{
	bool good = true;

	stream_size = 0;
	put_text(FCGI_STDOUT, text);
	put_end(FCGI_REQUEST_COMPLETE);
	for (size_t size = 1; size <= MOST; size += MOST - 1) {
		take(size);
		good &= last == VERDICT_END && verdict.header == header && verdict.status == status &&
			strcmp(verdict.reason, reason) == 0 && strcmp(output, text) == 0;
	}
	return good;
}

static void headers(void)
{
	char line[200];

	ok(has("", VERDICT_HEADER_NONE, 0, ""), "no response");
	ok(has("\n", VERDICT_HEADER_WHOLE, 0, ""), "a header without fields");
	ok(has("A: b\n\nc", VERDICT_HEADER_WHOLE, 0, ""), "a header without a status");
	ok(has("A: b\r\n\r\nStatus: 500\r\n", VERDICT_HEADER_WHOLE, 0, ""),
	   "a body with what looks like a status");
	ok(has("Status: 503 Busy\r\n\r\n", VERDICT_HEADER_WHOLE, 503, "503 Busy"), "a status");
	ok(has("A: b\nstatus:404\n\n", VERDICT_HEADER_WHOLE, 404, "404"),
	   "a status in other letters, without a blank or a reason");
	ok(has("HTTP/1.1 500 Oh\n\n", VERDICT_HEADER_WHOLE, 500, "500 Oh"), "a line of HTTP");
	ok(has("A: b\nHTTP/1.1 500 Oh\n\n", VERDICT_HEADER_BAD, 0, ""), "but only as the first line");
	ok(has("A: b\n c\n\n", VERDICT_HEADER_WHOLE, 0, ""), "a line that goes on");
	ok(has(" A: b\n\n", VERDICT_HEADER_WHOLE, 0, ""), "a blank in front");
	ok(has("A: b\n", VERDICT_HEADER_OPEN, 0, ""), "a header without an end");
	ok(has("A: b", VERDICT_HEADER_OPEN, 0, ""), "half a line");
	ok(has("hello\n\n", VERDICT_HEADER_BAD, 0, ""), "a line that is no field");
	ok(has(": b\n\n", VERDICT_HEADER_BAD, 0, ""), "a field without a name");
	ok(has("Status: 99\n\n", VERDICT_HEADER_BAD, 0, ""), "a status of two digits");
	ok(has("Status: 999 Oh\n\n", VERDICT_HEADER_WHOLE, 999, "999 Oh"), "the greatest of three");
	ok(has("Status: 5000\n\n", VERDICT_HEADER_BAD, 0, ""), "a status of four");
	ok(has("Status: Oh\n\n", VERDICT_HEADER_BAD, 0, ""), "a status without a number");
	ok(has("Status:\n\n", VERDICT_HEADER_BAD, 0, ""), "a status without anything");
	memset(line, 'x', sizeof line);
	memcpy(line + sizeof line - 8, ": y\n\nz", 7);
	ok(has(line, VERDICT_HEADER_WHOLE, 0, ""), "a name of nearly 200 letters");
	memcpy(line + sizeof line - 8, "xxx\nx\n", 7);
	ok(has(line, VERDICT_HEADER_BAD, 0, ""), "the line after a long one is its own");
}

static void every_cut(void)
{
	bool good = true;

	stream_size = 0;
	put_record(FCGI_GET_VALUES_RESULT, 0, "abc", 3, 5);
	put_record(FCGI_STDERR, VERDICT_ID, "e", 1, 0);
	put_record(FCGI_STDOUT, VERDICT_ID, "Status: 40", 10, 255);
	put_record(FCGI_STDERR, VERDICT_ID, "f", 1, 1);
	put_record(FCGI_STDOUT, VERDICT_ID, "4 No\r\n\r\nbody", 12, 0);
	put_record(FCGI_STDOUT, VERDICT_ID, "", 0, 3);
	put_record(FCGI_STDOUT, VERDICT_ID, "", 0, 0);
	put_record(FCGI_STDERR, VERDICT_ID, "", 0, 0);
	put_end(FCGI_REQUEST_COMPLETE);
	for (size_t size = 1; size <= stream_size; size++) {
		take(size);
		good &= last == VERDICT_END && verdict.status == 404 && verdict.ended &&
			strcmp(output, "Status: 404 No\r\n\r\nbody") == 0 && strcmp(errors, "ef") == 0;
	}
	ok(good, "records are the same in pieces of any size, between others and with padding");
}

static bool breaks(const char *fault)
{
	bool good = true;

	for (size_t size = 1; size <= MOST; size += MOST - 1) {
		take(size);
		good &= last == VERDICT_BROKEN && !verdict.ended && strstr(verdict.fault, fault);
	}
	if (!good)
		printf("# %s\n", verdict.fault);
	stream_size = 0;
	return good;
}

static void broken(void)
{
	stream_size = 20;
	memcpy(stream, "HTTP/1.1 400 Bad Req", 20);
	ok(breaks("\"HTTP/1.1\" where a record") && !verdict.any, "another protocol");
	put_text(FCGI_STDOUT, "\n");
	stream_size += 8;
	memset(stream + stream_size - 8, 0, 8);
	ok(breaks("\"\" where a record") && verdict.any, "a version of 0");
	put_record(FCGI_STDOUT, 2, "x", 1, 0);
	ok(breaks("request 2"), "another request");
	put_text(FCGI_STDIN, "x");
	ok(breaks("FCGI_STDIN"), "what only a client sends");
	put_text(77, "x");
	ok(breaks("type 77"), "a type that is none");
	put_text(FCGI_END_REQUEST, "1234567");
	ok(breaks("too short"), "half an end");
	put_text(FCGI_STDOUT, "");
	put_text(FCGI_STDOUT, "x");
	ok(breaks("after its end"), "a response that goes on after its end");
}

static void ends(void)
{
	for (unsigned char status = FCGI_REQUEST_COMPLETE; status <= FCGI_UNKNOWN_ROLE; status++) {
		stream_size = 0;
		put_end(status);
		put_text(FCGI_STDIN, "behind the end");
		take(MOST);
		ok(last == VERDICT_END && verdict_protocol_status(&verdict) == status,
		   "an end with protocol status %u; what follows is not looked at", status);
	}
	stream_size = 0;
	put_record(FCGI_END_REQUEST, VERDICT_ID, "\0\0\0\0\2\0\0\0more", 12, 0);
	take(3);
	ok(last == VERDICT_END && verdict_protocol_status(&verdict) == FCGI_OVERLOADED,
	   "an end that is longer");
}

int main(void)
{
	headers();
	every_cut();
	broken();
	ends();
	return tap_done();
}
