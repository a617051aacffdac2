/* The header block of a response: where it ends, what is made of it, and documents of our own. */
#include <config.h>

#include "../wrapper/reply.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* The size of the block at the start of the bytes, 0 if it has not ended. The copy has exactly
 * the right size, so that a checker of memory sees every byte read beyond it. */
static size_t end_from(const char *bytes, size_t size, size_t *from)
{
	char *copy = malloc(size + !size);
	size_t block_size = 0;

	memcpy(copy, bytes, size);
	if (!reply_find_end(copy, size, from, &block_size))
		block_size = 0;
	free(copy);
	return block_size;
}

static size_t end_of(const char *bytes, size_t size)
{
	size_t from = 0;

	return end_from(bytes, size, &from);
}

#define END_OF(bytes) end_of(bytes, sizeof(bytes) - 1)

static void ends(void)
{
	static const char *const blocks[] = {
		"A: b\n\n", "A: b\r\n\r\n", "A: b\nC: d\r\n\n", "A: b\r\r\nC: d\n\r\r\n", "\n", "\r\n",
		"A: b\r\rC\n\n", "A\n \n\n",
	};

	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		size_t size = strlen(blocks[i]), from = 0;
		char with_body[64];
		bool early = false;

		for (size_t cut = 0; cut < size; cut++)
			early |= end_of(blocks[i], cut) != 0;
		snprintf(with_body, sizeof with_body, "%sbody\n\nmore", blocks[i]);
		ok(!early && end_of(blocks[i], size) == size &&
		   end_of(with_body, strlen(with_body)) == size,
		   "block %zu ends with its empty line, not before and not behind", i + 1);
		for (size_t cut = 0; cut < size; cut++)
			early |= end_from(blocks[i], cut, &from) != 0 || from != cut;
		ok(!early && end_from(blocks[i], size, &from) == size,
		   "so it does when it comes byte by byte, each looked at once");
	}
	ok(END_OF("A: b\n\0\n\n") == 8, "a line that is a NUL is not empty");
	ok(END_OF("") == 0, "nothing has no end");
}

static void ends_with_line(void)
{
	ok(reply_ends_with_line("A: b\n", 5) && reply_ends_with_line("A: b\r\n", 6),
	   "a block without an empty line ends with a line");
	ok(!reply_ends_with_line("A: b\nC: d", 9), "or within one");
	ok(!reply_ends_with_line("A: b\r", 5), "a CR alone does not end it");
	ok(!reply_ends_with_line("", 0), "nothing has no line");
}

static char result[REPLY_NORMALIZED_MOST(REPLY_HEADER_MOST)];
static struct reply_notes notes;

/* Normalizes a copy of exactly the right size. */
static size_t normalize(const char *block, size_t size)
{
	char *copy = malloc(size + !size);
	size_t out;

	memcpy(copy, block, size);
	memset(result, '#', sizeof result);
	out = reply_normalize(copy, size, result, &notes);
	free(copy);
	return out;
}

static bool becomes(const char *block, size_t size, const char *expected)
{
	size_t out = normalize(block, size);

	if (out == strlen(expected) && memcmp(result, expected, out) == 0)
		return true;
	printf("# %.*s%s\n", (int)out, result, notes.fault);
	return false;
}

#define BECOMES(block, expected) becomes(block, sizeof(block) - 1, expected)

/* Whether the fault of a block is described by these words. */
static bool faults(const char *block, size_t size, const char *words)
{
	notes.fault[0] = '\0';
	return normalize(block, size) == 0 && strstr(notes.fault, words);
}

#define FAULTS(block, words) faults(block, sizeof(block) - 1, words)

static void line_ends(void)
{
	ok(BECOMES("Content-Type: a/b\nX: y\n\n", "Content-Type: a/b\r\nX: y\r\n\r\n"), "LF becomes CRLF");
	ok(BECOMES("Content-Type: a/b\r\nX: y\r\n\r\n", "Content-Type: a/b\r\nX: y\r\n\r\n"),
	   "CRLF stays");
	ok(BECOMES("Content-Type: a/b\r\r\nX: y\r\r\r\n\r\r\n", "Content-Type: a/b\r\nX: y\r\n\r\n"),
	   "more than one CR becomes one");
	ok(BECOMES("Content-Type: a/b\nX: y\rEvil: z\n\n",
		 "Content-Type: a/b\r\nX: y Evil: z\r\n\r\n"), "a CR within a line ends no line");
	ok(BECOMES("Content-Type: a/b\nX: y\n", "Content-Type: a/b\r\nX: y\r\n\r\n"),
	   "a missing empty line is added");
	ok(BECOMES("Content-Type: a/b\nX: y", "Content-Type: a/b\r\nX: y\r\n\r\n"),
	   "so is a missing end of the last line");
	ok(BECOMES("Content-Type: a/b\n\nX: y\n\n", "Content-Type: a/b\r\n\r\n"),
	   "nothing behind the empty line is taken");
	ok(BECOMES("X:\nContent-Type:\n\n", "X:\r\nContent-Type:\r\n\r\n"), "a value may be empty");
}

static void statuses(void)
{
	ok(BECOMES("Location: /x\n\n", "Status: 302 Found\r\nLocation: /x\r\n\r\n"),
	   "a Location without Status gets one");
	ok(BECOMES("X: y\nlocation: /x\n\n", "Status: 302 Found\r\nX: y\r\nlocation: /x\r\n\r\n"),
	   "names are compared without case");
	ok(BECOMES("Location: /x\nSTATUS: 301 Moved\n\n", "Location: /x\r\nSTATUS: 301 Moved\r\n\r\n"),
	   "a Location with Status stays");
	ok(BECOMES("Locations: /x\nStatus-Code: 1\n\n", "Locations: /x\r\nStatus-Code: 1\r\n\r\n"),
	   "names are compared as a whole");
	ok(BECOMES("HTTP/1.1 404 Not Found\nX: y\n\n", "Status: 404 Not Found\r\nX: y\r\n\r\n"),
	   "a status line becomes a Status");
	ok(BECOMES("HTTP/1.0 200\n\n", "Status: 200\r\n\r\n"), "a status line needs no reason");
	ok(BECOMES("HTTP/2 404\nX: y\n\n", "Status: 404\r\nX: y\r\n\r\n"), "nor a minor version");
	ok(BECOMES("HTTP/1.1 303 See Other\nLocation: /x\n\n",
		 "Status: 303 See Other\r\nLocation: /x\r\n\r\n"),
	   "a status line is Status enough for a Location");
	ok(FAULTS("HTTP/1.1\n\n", "HTTP/1.1") && FAULTS("HTTP/x 404\n\n", "HTTP/x"),
	   "without version and blank it is none");
}

static void continuations(void)
{
	ok(BECOMES("Content-Type: a/b;\n c=d\n\te=f\nX: y\n\n",
		 "Content-Type: a/b; c=d\te=f\r\nX: y\r\n\r\n"), "continuation lines are joined");
	ok(BECOMES("Status: 200 OK\r\nX: a\r\n b\r\n\r\n", "Status: 200 OK\r\nX: a b\r\n\r\n"),
	   "CRLF or not");
	ok(FAULTS(" folded\nContent-Type: a/b\n\n", " folded"), "the first line continues nothing");
}

static void connection_fields(void)
{
	static const char *const names[] = {
		"Connection", "keep-alive", "Proxy-Connection", "TE", "TRAILER", "Upgrade",
	};
	char block[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(block, sizeof block, "Content-Type: a/b\n%s: x\n folded\nX: y\n\n", names[i]);
		ok(becomes(block, strlen(block), "Content-Type: a/b\r\nX: y\r\n\r\n") &&
		   notes.dropped == 0, "%s is left out, with its continuation", names[i]);
	}
	ok(BECOMES("Content-Type: a/b\nTEx: y\nDate: z\n\n",
		   "Content-Type: a/b\r\nTEx: y\r\nDate: z\r\n\r\n"), "other fields are kept");
}

static void transfer_encoding(void)
{
	ok(BECOMES("Status: 200\nTransfer-Encoding: chunked\nContent-Length: 5\n\n",
		   "Status: 200\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n") &&
	   notes.warning && strstr(notes.warning, "Transfer-Encoding"),
	   "a Transfer-Encoding is passed on, with a warning");
	ok(notes.content_length == -1, "and no Content-Length counts beside it");
	ok(BECOMES("Status: 200\nTransfer-Encoding: identity\nContent-Length: 5\n\n",
		   "Status: 200\r\nContent-Length: 5\r\n\r\n") && !notes.warning &&
	   notes.dropped == 0 && notes.content_length == 5, "one that says nothing is left out");
	ok(BECOMES("Status: 200\ntransfer-encoding:\n\tIDENTITY \n\n", "Status: 200\r\n\r\n"),
	   "in any case, and continued");
	ok(BECOMES("Status: 200\nTransfer-Encoding: identity, chunked\n\n",
		   "Status: 200\r\nTransfer-Encoding: identity, chunked\r\n\r\n"),
	   "but only if that is all it says");
}

static void blocks_that_are_none(void)
{
	ok(FAULTS("no header\nContent-Type: a/b\n\n", "\"no header\""), "a line without name is quoted");
	ok(FAULTS("Content-Type: a/b\n<html>\n\n", "\"<html>\""), "wherever it stands");
	ok(FAULTS("X: a\0b\n\n", "\"X: a\" and a NUL"), "a value has no NUL");
	ok(FAULTS("HTTP/1.1 200 a\0b\n\n", "HTTP/1.1 200 a"), "nor has a status line");
	ok(FAULTS("X: a\n b\0c\n\n", " b"), "nor a continuation");
	ok(FAULTS("Status: 200\nA b: x\0\n\n", "A b: x"), "nor a line that would be left out");
	ok(FAULTS("\nContent-Type: a/b\n\n", "empty line"), "the first line is not empty");
	ok(FAULTS("Content-Type: a/b\r\rbody\nmore\n\n", "carriage returns alone"),
	   "CR alone ends no lines, with LF in the body");
	ok(FAULTS("Content-Type: a/b\rX: y\r\rbody", "carriage returns alone"), "or without any");
	ok(FAULTS("Content-Type: a/b\r\r", "carriage returns alone"), "or without a body");
	ok(BECOMES("Content-Type: a/b\r", "Content-Type: a/b\r\n\r\n"), "half a line end is none");
}

static void lines_left_out(void)
{
	ok(BECOMES("<!--: spam\nContent-Type: a/b\n\n", "Content-Type: a/b\r\n\r\n") &&
	   notes.dropped == 1 && strcmp(notes.first_dropped, "<!--: spam") == 0,
	   "a line with a colon, but no name, is left out and noted");
	ok(BECOMES("Content-Type: a/b\nX(c): 2\n: x\n\n", "Content-Type: a/b\r\n\r\n") &&
	   notes.dropped == 2 && strcmp(notes.first_dropped, "X(c): 2") == 0,
	   "wherever it stands; the first is quoted");
	ok(BECOMES("Content-Type: a/b\nX : y\n folded\nZ: z\n\n",
		   "Content-Type: a/b\r\nZ: z\r\n\r\n") && notes.dropped == 1,
	   "a blank before the colon makes no name; the continuation goes too");
	ok(BECOMES(" X: y\n\tfolded\nContent-Type: a/b\n\n", "Content-Type: a/b\r\n\r\n") &&
	   notes.dropped == 1, "so does a blank before the first name");
	ok(BECOMES("HTTP/1.1 404 Not Found\nHTTP/1.1 200 OK\nX: y\n\n",
		   "Status: 404 Not Found\r\nX: y\r\n\r\n") && notes.dropped == 1 &&
	   notes.status == 404, "a second status line is left out");
	ok(BECOMES("X: y\nStatus: 201\nHTTP/1.1 200 OK\n\n", "X: y\r\nStatus: 201\r\n\r\n") &&
	   notes.dropped == 1, "and one that is not the first line");
	ok(FAULTS("Results so far: 5\n\n", "\"Results so far: 5\" where a header line is due"),
	   "nothing but lines to leave out is no header");
	ok(BECOMES("Status: 200\nX: y\n\n", "Status: 200\r\nX: y\r\n\r\n") && notes.dropped == 0 &&
	   !notes.first_dropped[0], "nothing is noted if nothing is left out");
	ok(BECOMES("a!#$%&'*+-.^_`|~9: x\nStatus: 200\n\n",
		   "a!#$%&'*+-.^_`|~9: x\r\nStatus: 200\r\n\r\n"), "all that is a token is a name");
}

static void noted_status(void)
{
	static const struct {
		const char *block;
		int status;
	} cases[] = {
		{ "X: y\n\n", 200 }, { "Status: 404 Not Found\n\n", 404 },
		{ "status:204\n\n", 204 }, { "Status:\t 503\t\n\n", 503 },
		{ "Status: OK\n\n", 200 }, { "Status: 20\n\n", 200 },
		{ "Status: 2000\n\n", 200 }, { "Status: 099\n\n", 200 },
		{ "Status: 404abc\n\n", 404 },
		{ "Status:\n 403\n\n", 403 }, { "Status:\n\n", 200 }, { "Location: /\n\n", 302 },
		{ "Location: /\nStatus: 301\n\n", 301 }, { "HTTP/1.1 410 Gone\n\n", 410 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ok(normalize(cases[i].block, strlen(cases[i].block)) > 0 &&
		   notes.status == cases[i].status, "status %d is noted", cases[i].status);
	ok(BECOMES("Status: 404\n folded\nX: y\nStatus: 201\n\n", "X: y\r\nStatus: 201\r\n\r\n") &&
	   notes.status == 201 && notes.dropped == 1 &&
	   strcmp(notes.first_dropped, "Status: 404 folded") == 0, "of several the last counts");
	ok(BECOMES("HTTP/1.1 404 Not Found\nStatus: 200 OK\n\n", "Status: 200 OK\r\n\r\n") &&
	   notes.status == 200, "also after a status line");
}

static void noted_length(void)
{
	static const struct {
		const char *value;
		int64_t length;
	} cases[] = {
		{ " 5", 5 }, { "0", 0 }, { " 007\t", 7 }, { " 9223372036854775807", INT64_MAX },
		{ " 9223372036854775808", -1 }, { " -1", -1 }, { " +5", -1 }, { " 5x", -1 },
		{ " ", -1 }, { "", -1 }, { " 5, 5", -1 }, { " 5\n 6", -1 }, { "\n 6", 6 },
	};
	char block[64];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(block, sizeof block, "Content-Length:%s\n\n", cases[i].value);
		ok(normalize(block, strlen(block)) > 0 && notes.content_length == cases[i].length &&
		   notes.dropped == 0, "length %lld is noted", (long long)cases[i].length);
	}
	ok(normalize("Status: 200\n\n", 13) && notes.content_length == -1, "-1 if there is none");
	ok(BECOMES("Content-Length: 5\nX: y\ncontent-length: 05\n\n",
		   "Content-Length: 5\r\nX: y\r\n\r\n") && notes.content_length == 5 &&
	   notes.dropped == 1, "of several that are equal one is left");
	ok(BECOMES("Status: 200\nContent-Length: 5\nX: y\nContent-Length: 6\n\n",
		   "Status: 200\r\nX: y\r\n\r\n") && notes.content_length == -1 &&
	   notes.dropped == 2 && notes.warning && strstr(notes.warning, "contradict"),
	   "of several that differ none, with a warning");
	ok(BECOMES("Status: 200\nContent-Length: 5\nContent-Length: 6\nContent-Length: 6\n\n",
		   "Status: 200\r\n\r\n"), "even if the last ones are equal");
}

static void a_long_line_is_quoted_in_part(void)
{
	static char line[5000];

	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\n';
	ok(faults(line, sizeof line, "xxx") && strlen(notes.fault) < sizeof notes.fault,
	   "a long line is quoted in part");
}

static void warnings(void)
{
	ok(BECOMES("X: y\n\n", "X: y\r\n\r\n") && notes.warning,
	   "a header that says nothing is warned of");
	ok(normalize("X-Long-Name: y\n\n", 16) && notes.warning, "whatever it does not say");
	ok(BECOMES("Content-type: a\n\n", "Content-type: a\r\n\r\n") && !notes.warning,
	   "one with a type is not");
	ok(BECOMES("Status: 204\n\n", "Status: 204\r\n\r\n") && !notes.warning, "nor with a Status");
	ok(normalize("Location: /\n\n", 13) && !notes.warning, "nor with a Location");
	ok(BECOMES("Variable-A: b\nvariable-c: d\n\n", "Variable-A: b\r\nvariable-c: d\r\n\r\n") &&
	   !notes.warning, "nor an authorizer's variables alone");
}

/* The block that grows most: nothing but short lines. */
static void the_largest(void)
{
	static char block[REPLY_HEADER_MOST];
	size_t size = 0, out;

	size += (size_t)sprintf(block, "Location:\n");
	while (size + 4 <= sizeof block - 1)
		size += (size_t)sprintf(block + size, "a:\n");
	out = normalize(block, size);
	ok(out > size && out <= REPLY_NORMALIZED_MOST(size), "the largest block fits");
}

/* What is told of lines that are mended. */

static char told[1024];

static void tell(const char *line, size_t size, const char *how)
{
	size_t at = strlen(told);

	snprintf(told + at, sizeof told - at, "%.*s|%.8s|%s\n", (int)size, line, how,
		 strrchr(how, ' ') + 1);
}

static bool tells(const char *block, const char *expected)
{
	*told = '\0';
	notes.mended = tell;
	normalize(block, strlen(block));
	notes.mended = NULL;
	if (strcmp(told, expected) != 0)
		printf("# %s\n", told);
	return strcmp(told, expected) == 0;
}

static void mended_lines(void)
{
	ok(tells("Content-Type: a/b\r\nX: y\n\n", ""), "of a good header nothing is told");
	ok(tells("HTTP/1.1 404 No\n\n", "HTTP/1.1 404 No|sent as |Status\n"),
	   "a status line that becomes a Status is told");
	ok(tells("Keep-Alive: 1\n more\nX: y\n z\n\n",
		 "Keep-Alive: 1|left out|script's\n z|joined t|it\n"),
	   "a field of the connection is, and a line that is joined");
	ok(tells("X: a\rb\n\n", "X: a\rb|a carria|space\n"), "a CR within a line is");
	ok(tells("<: a\nX: y\n\n", "<: a|left out|colon\n"), "a line without a name is");
	ok(tells("X: y\nHTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK|left out|first\n"),
	   "a late status line is");
	ok(tells("Status: 200\nStatus: 404\n\n", "Status: 200|left out|counts\n"),
	   "a Status that is overruled is");
	ok(tells("Content-Length: 1\nContent-Length: 2\n\n",
		 "Content-Length: 1|left out|it\nContent-Length: 2|left out|it\n"),
	   "lengths that contradict each other are");
	ok(tells("X: y\nTransfer-Encoding: identity\n\n", "Transfer-Encoding: identity|left out|nothing\n"),
	   "an encoding that is none is");
	ok(tells("Location: /x\n\n", "Location|a Status|it\n"), "a Status that is added is");
}

static void documents(void)
{
	static const int statuses[] = { 400, 403, 404, 408, 413, 429, 431, 500, 502, 503, 504, 599 };
	char document[REPLY_DOCUMENT_MOST + 1], header[REPLY_DOCUMENT_MOST + 1], start[32];
	char reason[2 * REPLY_DOCUMENT_MOST];
	size_t size, short_size;
	bool fits = true;

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		size = reply_document(document, &(struct reply_error){ .status = statuses[i] });
		document[size] = '\0';
		short_size = reply_document(header, &(struct reply_error){ .status = statuses[i], .head_only = true });
		snprintf(start, sizeof start, "Status: %d ", statuses[i]);
		ok(strncmp(document, start, strlen(start)) == 0 && size > short_size &&
		   memcmp(document, header, short_size) == 0 &&
		   memcmp(header + short_size - 4, "\r\n\r\n", 4) == 0,
		   "document %d; for HEAD its header alone", statuses[i]);
	}
	size = reply_document(document, &(struct reply_error){ .status = 404 });
	document[size] = '\0';
	ok(strcmp(document, "Status: 404 Not Found\r\nContent-Type: text/plain\r\n"
		  "X-Content-Type-Options: nosniff\r\n\r\n404 Not Found\r\n") == 0,
	   "a document is its status");
	size = reply_document(document, &(struct reply_error){ .status = 503 });
	document[size] = '\0';
	ok(strstr(document, "\r\nRetry-After: "), "503 says when to come again");
	reply_document(document, &(struct reply_error){ .status = 429 });
	ok(strstr(document, "429 Too Many Requests\r\n") && strstr(document, "\r\nRetry-After: "),
	   "so does 429");
	size = reply_document(document, &(struct reply_error){ .status = 502, .reason = "it is broken" });
	document[size] = '\0';
	ok(strstr(document, "\r\n502 Bad Gateway\r\nit is broken\r\n"), "a reason follows the status");
	memset(reason, 'r', sizeof reason);
	for (size_t length = sizeof reason - 1; length > 0; length--) {
		reason[length] = '\0';
		size = reply_document(document, &(struct reply_error){ .status = 502, .reason = reason });
		fits &= size <= REPLY_DOCUMENT_MOST && !memchr(document, '\0', size);
	}
	ok(fits, "a long reason is cut");
	ok(reply_document(document, &(struct reply_error){ .status = 502, .reason = "it is broken", .head_only = true }) ==
	   reply_document(document, &(struct reply_error){ .status = 502, .head_only = true }),
	   "and there is none for HEAD");
	size = reply_document(document, &(struct reply_error){ .status = 404, .tag = "a1",
							       .added = "Server-Timing: queue;dur=1\r\n" });
	document[size] = '\0';
	ok(strcmp(document, "Status: 404 Not Found\r\nServer-Timing: queue;dur=1\r\n"
		  "X-Request-Id: a1\r\nContent-Type: text/plain\r\n"
		  "X-Content-Type-Options: nosniff\r\n\r\n404 Not Found\r\nrequest a1\r\n") == 0,
	   "a document has the id of the request, in its header and in words, and what is added");
}

int main(void)
{
	ends();
	ends_with_line();
	line_ends();
	statuses();
	continuations();
	connection_fields();
	transfer_encoding();
	blocks_that_are_none();
	lines_left_out();
	noted_status();
	noted_length();
	a_long_line_is_quoted_in_part();
	warnings();
	the_largest();
	mended_lines();
	documents();
	return tap_done();
}
