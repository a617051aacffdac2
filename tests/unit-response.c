/* A script's response on its way to the buffer of its client. */
#include <config.h>

#include "record.h"
#include "tap.h"
#include "world.h"

#include "../wrapper/os.h"
#include "../wrapper/response.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ID = 7 };

static struct response response;
static struct buffer out;
static struct reply_notes notes;
static int output; /* our end of the script's standard output */
static int script; /* its own */
static char content[600 * 1024]; /* of the records in the buffer, joined */
static size_t content_size;
static char large[300 * 1024];

static void begin(void)
{
	struct settings settings = world_settings();
	int ends[2];

	world_open(&settings);
	os_pipe(ends, 0);
	output = ends[0];
	script = ends[1];
	response = (struct response){ .id = ID };
	out = (struct buffer){ .bytes = NULL };
	content_size = 0;
}

static void say(const char *text)
{
	os_write(script, text, strlen(text));
}

static enum response_outcome read_once(void)
{
	memset(&notes, 0, sizeof notes);
	return response_read(&response, output, &out, &notes);
}

/* Takes the records from the buffer: false if they are not all FCGI_STDOUT of our request. */
static bool take(void)
{
	struct record_reader reader = { .header_have = 0 };
	const unsigned char *in = out.bytes ? out.bytes + out.start : NULL, *bytes;
	size_t size = out.end - out.start, length;
	enum record_event event;
	bool right = true;

	while ((event = record_read(&reader, &in, &size, &bytes, &length)) != RECORD_NOTHING) {
		right &= reader.record.type == FCGI_STDOUT && reader.record.id == ID;
		if (event != RECORD_CONTENT)
			continue;
		memcpy(content + content_size, bytes, length);
		content_size += length;
	}
	buffer_free(&out);
	return right && record_is_between(&reader);
}

static bool has(const char *text)
{
	return take() && content_size == strlen(text) && memcmp(content, text, content_size) == 0;
}

static void end(const char *what)
{
	response_free(&response);
	buffer_free(&out);
	os_close(output);
	if (script >= 0)
		os_close(script);
	ok(world.descriptors == 0 && !world.fault, "%s: nothing is left", what);
}

static void close_script(void)
{
	os_close(script);
	script = -1;
}

static void test_header(void)
{
	begin();
	ok(read_once() == RESPONSE_MORE && !response.started, "nothing comes of nothing");
	say("Content-Type: text/plain\nX: 1\n");
	ok(read_once() == RESPONSE_MORE && buffer_is_empty(&out), "a header block waits for its end");
	say("\nbody");
	ok(read_once() == RESPONSE_HEADER && response.started && response.status == 200,
	   "then it is sent");
	ok(has("Content-Type: text/plain\r\nX: 1\r\n\r\nbody"),
	   "normalized, and with what has come of the body in the same record");
	say("more");
	ok(read_once() == RESPONSE_MORE && has("Content-Type: text/plain\r\nX: 1\r\n\r\nbodymore"),
	   "the rest as it comes");
	close_script();
	ok(read_once() == RESPONSE_END && response.ended, "to its end");
	end("header");

	begin();
	say("Status: 304 Not Modified\n\n");
	read_once();
	ok(response.status == 304 && response_is_whole(&response), "with some a status it is whole");
	end("status");

	begin();
	say("Content-Length: 6\n\n123");
	read_once();
	ok(!response_is_whole(&response) && response.length == 6 && response.sent == 3,
	   "with a length it is not");
	say("456");
	read_once();
	ok(response_is_whole(&response), "before so much has come");
	end("length");

	begin();
	say("no colon\n\n");
	ok(read_once() == RESPONSE_BAD_HEADER && notes.fault[0] && !response.started && buffer_is_empty(&out),
	   "what is no header block is refused, with a reason, and nothing of it is sent");
	end("bad header");

	begin();
	memset(large, 'x', sizeof large);
	memcpy(large, "X: ", 3);
	for (size_t at = 0; at < REPLY_HEADER_MOST; at += 32768) {
		os_write(script, large + at, 32768);
		if (read_once() == RESPONSE_BAD_HEADER)
			break;
	}
	ok(response.head_size < REPLY_HEADER_MOST && strstr(notes.fault, "no empty line"),
	   "and so is one without an end");
	end("endless header");
}

/* Takes what is in the buffer between two pieces, until nothing more comes. */
static void read_all(void)
{
	for (int i = 0; i < 100 && (i == 0 || !buffer_is_empty(&out)); i++) {
		take();
		if (response_has_room(&response, &out))
			read_once();
	}
	take();
}

/* Writes a header block of a hundred thousand bytes, and tells the size of what becomes of it. */
static void say_long_header(size_t *sent)
{
	size_t size = 0, lines = 0;

	for (; size < 100000; lines++)
		size += (size_t)sprintf(large + size, "X-Line: %05zu\n", size);
	large[size++] = '\n';
	for (size_t at = 0; at < size; at += 30000) {
		os_write(script, large + at, size - at < 30000 ? size - at : 30000);
		if (at + 30000 < size)
			read_once();
	}
	*sent = size + lines + 1;
}

static void test_long_header(void)
{
	size_t sent;

	begin();
	say_long_header(&sent);
	ok(read_once() == RESPONSE_HEADER && response_is_pending(&response),
	   "a header block longer than a record is sent in several");
	say("body");
	read_all();
	ok(!response_is_pending(&response) && content_size == sent + 4 &&
	   memcmp(content + content_size - 8, "\r\n\r\nbody", 8) == 0, "and its body comes behind it");
	end("long header");

	begin();
	response.head_only = true;
	say_long_header(&sent);
	read_once();
	ok(!response_is_whole(&response), "a response to HEAD is not whole before all of its header");
	read_all();
	ok(response_is_whole(&response) && content_size == sent, "has been sent");
	end("long header");
}

static void test_end_of_header(void)
{
	begin();
	say("X: 1\n");
	read_once();
	ok(!response_ends_in_header(&response), "a header block that waits for its empty line");
	close_script();
	read_once();
	ok(response_ends_in_header(&response), "has ended without it");
	ok(response_end_header(&response, &out, &notes) == RESPONSE_HEADER && has("X: 1\r\n\r\n"),
	   "and may be taken for whole");
	end("end of header");

	begin();
	close_script();
	ok(read_once() == RESPONSE_END && !response_ends_in_header(&response),
	   "where nothing came, there is no header block");
	end("no header");
}

static void test_body(void)
{
	size_t i = 0;

	begin();
	response.head_only = true;
	say("X: 1\n\nbody");
	read_once();
	say("more");
	ok(read_once() == RESPONSE_MORE && has("X: 1\r\n\r\n") && response_is_whole(&response),
	   "the body of a HEAD request is read and dropped");
	end("head");

	begin();
	say("X: 1\n\n");
	read_once();
	while (response_has_room(&response, &out) && i++ < 100) {
		os_write(script, large, 10000);
		read_once();
	}
	ok(buffer_space(&out) >= RESPONSE_RESERVE && i < 100,
	   "a body is read until the buffer has no room but the reserve");
	end("full");

	begin();
	say("Content-Length: 90000\n\n");
	read_once();
	world.can_splice = true;
	os_write(script, large, 40000);
	read_once();
	ok(response.bulk && !buffer_has_gap(&out), "a large piece promises more");
	take();
	os_write(script, large, 50000);
	ok(read_once() == RESPONSE_MORE && buffer_has_gap(&out) && out.gap == 50000,
	   "which is not read, but spliced");
	ok(!response_has_room(&response, &out), "and nothing can come before that");
	ok(response_is_whole(&response), "it counts as sent");
	out.gap = 0;
	end("splice");
}

static void test_failures(void)
{
	begin();
	world.refuse = world_refuse_reading;
	ok(read_once() == RESPONSE_UNREADABLE && errno == EIO, "output that cannot be read");
	end("unreadable");

	begin();
	say("X: 1\n\n");
	read_once();
	world.refuse = world_refuse_reading;
	ok(read_once() == RESPONSE_UNREADABLE && errno == EIO, "nor in the body");
	end("unreadable");

	begin();
	world.refuse = world_refuse_memory;
	say("X: 1\n");
	ok(read_once() == RESPONSE_NO_MEMORY, "no memory for a header block");
	end("memory");

	begin();
	world.refuse = world_refuse_memory;
	say("X: 1\n\n");
	ok(read_once() == RESPONSE_NO_MEMORY, "nor for the buffer");
	end("memory");
}

int main(void)
{
	test_header();
	test_long_header();
	test_end_of_header();
	test_body();
	test_failures();
	return tap_done();
}
