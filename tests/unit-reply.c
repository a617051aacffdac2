/* The header block of a reply: where it ends, how it is mended, and documents of our own. */
#include <config.h>

#include "../wrapper/reply.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* The size of the block at the start of the bytes, 0 if it has not ended. The copy has exactly
 * the right size, so that a checker of memory sees every byte read beyond it. */
static size_t end_of(const char *bytes, size_t size)
{
	char *copy = malloc(size + !size);
	size_t block_size = 0;

	memcpy(copy, bytes, size);
	if (!reply_find_end(copy, size, &block_size))
		block_size = 0;
	free(copy);
	return block_size;
}

#define END_OF(bytes) end_of(bytes, sizeof(bytes) - 1)

static void ends(void)
{
	static const char *const blocks[] = {
		"A: b\n\n", "A: b\r\n\r\n", "A: b\nC: d\r\n\n", "A: b\r\r\nC: d\n\r\r\n", "\n", "\r\n",
		"A: b\r\rC\n\n", "A\n \n\n",
	};

	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		size_t size = strlen(blocks[i]);
		char with_body[64];
		bool early = false;

		for (size_t cut = 0; cut < size; cut++)
			early |= end_of(blocks[i], cut) != 0;
		snprintf(with_body, sizeof with_body, "%sbody\n\nmore", blocks[i]);
		ok(!early && end_of(blocks[i], size) == size &&
		   end_of(with_body, strlen(with_body)) == size,
		   "block %zu ends with its empty line, not before and not behind", i + 1);
	}
	ok(END_OF("A: b\n\0\n\n") == 8, "a line that is a NUL is not empty");
	ok(END_OF("") == 0, "nothing has no end");
}

static char mended[REPLY_MENDED_MOST];
static struct reply_notes notes;

/* Mends a copy of exactly the right size. */
static size_t mend(const char *block, size_t size)
{
	char *copy = malloc(size + !size);
	size_t out;

	memcpy(copy, block, size);
	memset(mended, '#', sizeof mended);
	out = reply_mend(copy, size, mended, &notes);
	free(copy);
	return out;
}

static bool mends(const char *block, size_t size, const char *expected)
{
	size_t out = mend(block, size);

	if (out == strlen(expected) && memcmp(mended, expected, out) == 0)
		return true;
	printf("# %.*s\n", (int)out, mended);
	return false;
}

#define MENDS(block, expected) mends(block, sizeof(block) - 1, expected)

/* Whether the fault of a block is described by these words. */
static bool faults(const char *block, size_t size, const char *words)
{
	notes.fault[0] = '\0';
	return mend(block, size) == 0 && strstr(notes.fault, words);
}

#define FAULTS(block, words) faults(block, sizeof(block) - 1, words)

static void line_ends(void)
{
	ok(MENDS("Content-Type: a/b\nX: y\n\n", "Content-Type: a/b\r\nX: y\r\n\r\n"), "LF becomes CRLF");
	ok(MENDS("Content-Type: a/b\r\nX: y\r\n\r\n", "Content-Type: a/b\r\nX: y\r\n\r\n"),
	   "CRLF stays");
	ok(MENDS("Content-Type: a/b\r\r\nX: y\r\r\r\n\r\r\n", "Content-Type: a/b\r\nX: y\r\n\r\n"),
	   "more than one CR becomes one");
	ok(MENDS("Content-Type: a/b\nX: y\rEvil: z\n\n",
		 "Content-Type: a/b\r\nX: y Evil: z\r\n\r\n"), "a CR within a line ends no line");
	ok(MENDS("Content-Type: a/b\nX: y\n", "Content-Type: a/b\r\nX: y\r\n\r\n"),
	   "a missing empty line is added");
	ok(MENDS("Content-Type: a/b\nX: y", "Content-Type: a/b\r\nX: y\r\n\r\n"),
	   "so is a missing end of the last line");
	ok(MENDS("Content-Type: a/b\n\nX: y\n\n", "Content-Type: a/b\r\n\r\n"),
	   "nothing behind the empty line is taken");
	ok(MENDS("X:\nContent-Type:\n\n", "X:\r\nContent-Type:\r\n\r\n"), "a value may be empty");
}

static void statuses(void)
{
	ok(MENDS("Location: /x\n\n", "Status: 302 Found\r\nLocation: /x\r\n\r\n"),
	   "a Location without Status gets one");
	ok(MENDS("X: y\nlocation: /x\n\n", "Status: 302 Found\r\nX: y\r\nlocation: /x\r\n\r\n"),
	   "names are compared without case");
	ok(MENDS("Location: /x\nSTATUS: 301 Moved\n\n", "Location: /x\r\nSTATUS: 301 Moved\r\n\r\n"),
	   "a Location with Status stays");
	ok(MENDS("Locations: /x\nStatus-Code: 1\n\n", "Locations: /x\r\nStatus-Code: 1\r\n\r\n"),
	   "names are compared as a whole");
	ok(MENDS("HTTP/1.1 404 Not Found\nX: y\n\n", "Status: 404 Not Found\r\nX: y\r\n\r\n"),
	   "a status line becomes a Status");
	ok(MENDS("HTTP/1.0 200\n\n", "Status: 200\r\n\r\n"), "a status line needs no reason");
	ok(MENDS("HTTP/2 404\nX: y\n\n", "Status: 404\r\nX: y\r\n\r\n"), "nor a minor version");
	ok(MENDS("HTTP/1.1 303 See Other\nLocation: /x\n\n",
		 "Status: 303 See Other\r\nLocation: /x\r\n\r\n"),
	   "a status line is Status enough for a Location");
	ok(FAULTS("X: y\nHTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK"), "it has to be the first line");
}

static void continuations(void)
{
	ok(MENDS("Content-Type: a/b;\n c=d\n\te=f\nX: y\n\n",
		 "Content-Type: a/b; c=d\te=f\r\nX: y\r\n\r\n"), "continuation lines are joined");
	ok(MENDS("Status: 200 OK\r\nX: a\r\n b\r\n\r\n", "Status: 200 OK\r\nX: a b\r\n\r\n"),
	   "CRLF or not");
	ok(FAULTS(" Content-Type: a/b\n\n", "Content-Type"), "the first line continues nothing");
}

static void connection_fields(void)
{
	static const char *const names[] = {
		"Connection", "keep-alive", "Proxy-Connection", "TE", "TRAILER", "Transfer-Encoding",
		"Upgrade",
	};
	char block[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(block, sizeof block, "Content-Type: a/b\n%s: x\n folded\nX: y\n\n", names[i]);
		ok(mends(block, strlen(block), "Content-Type: a/b\r\nX: y\r\n\r\n"),
		   "%s is left out, with its continuation", names[i]);
	}
	ok(MENDS("Content-Type: a/b\nTEx: y\nDate: z\n\n", "Content-Type: a/b\r\nTEx: y\r\nDate: z\r\n\r\n"),
	   "other fields are kept");
}

static void blocks_that_are_none(void)
{
	ok(FAULTS("no header\nContent-Type: a/b\n\n", "\"no header\""), "a line without name is quoted");
	ok(FAULTS("Content-Type: a/b\n<html>\n\n", "\"<html>\""), "wherever it stands");
	ok(FAULTS(": x\n\n", ": x"), "a name is not empty");
	ok(FAULTS("A b: x\n\n", "A b: x"), "a name has no blank");
	ok(FAULTS("X: a\0b\n\n", "X: a"), "a value has no NUL");
	ok(FAULTS("HTTP/1.1 200 a\0b\n\n", "HTTP/1.1 200 a"), "nor has a status line");
	ok(FAULTS("X: a\n b\0c\n\n", " b"), "nor a continuation");
	ok(FAULTS("\nContent-Type: a/b\n\n", "empty line"), "the first line is not empty");
	ok(MENDS("a!#$%&'*+-.^_`|~9: x\nStatus: 200\n\n", "a!#$%&'*+-.^_`|~9: x\r\nStatus: 200\r\n\r\n"),
	   "all that is a token is a name");
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
	ok(MENDS("X: y\n\n", "X: y\r\n\r\n") && notes.warning, "a header that says nothing is warned of");
	ok(MENDS("Content-type: a\n\n", "Content-type: a\r\n\r\n") && !notes.warning,
	   "one with a type is not");
	ok(MENDS("Status: 204\n\n", "Status: 204\r\n\r\n") && !notes.warning, "nor with a Status");
	ok(mend("Location: /\n\n", 13) && !notes.warning, "nor with a Location");
}

/* The block that grows most: nothing but short lines. */
static void the_largest(void)
{
	static char block[REPLY_HEADER_MOST];
	size_t size = 0, out;

	size += (size_t)sprintf(block, "Location:\n");
	while (size + 4 <= sizeof block - 1)
		size += (size_t)sprintf(block + size, "a:\n");
	out = mend(block, size);
	ok(out > size && out <= REPLY_MENDED_MOST, "the largest block fits when it is mended");
}

static void documents(void)
{
	static const int statuses[] = { 400, 403, 404, 408, 413, 431, 500, 502, 503, 504, 599 };
	char document[REPLY_DOCUMENT_MOST + 1], header[REPLY_DOCUMENT_MOST + 1], start[32];
	char reason[2 * REPLY_DOCUMENT_MOST];
	size_t size, short_size;

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		size = reply_document(document, statuses[i], NULL, false);
		document[size] = '\0';
		short_size = reply_document(header, statuses[i], NULL, true);
		snprintf(start, sizeof start, "Status: %d ", statuses[i]);
		ok(strncmp(document, start, strlen(start)) == 0 && size > short_size &&
		   memcmp(document, header, short_size) == 0 &&
		   memcmp(header + short_size - 4, "\r\n\r\n", 4) == 0,
		   "document %d; for HEAD its header alone", statuses[i]);
	}
	size = reply_document(document, 404, NULL, false);
	document[size] = '\0';
	ok(strcmp(document, "Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\n404 Not Found\r\n")
	   == 0, "a document is its status");
	size = reply_document(document, 503, NULL, false);
	document[size] = '\0';
	ok(strstr(document, "\r\nRetry-After: "), "503 says when to come again");
	size = reply_document(document, 502, "it is broken", false);
	document[size] = '\0';
	ok(strstr(document, "\r\n502 Bad Gateway\r\nit is broken\r\n"), "a reason follows the status");
	memset(reason, 'r', sizeof reason);
	reason[sizeof reason - 1] = '\0';
	ok(reply_document(document, 502, reason, false) <= REPLY_DOCUMENT_MOST,
	   "a long reason is cut");
	ok(reply_document(document, 502, reason, true) ==
	   reply_document(document, 502, NULL, true), "and there is none for HEAD");
}

int main(void)
{
	ends();
	line_ends();
	statuses();
	continuations();
	connection_fields();
	blocks_that_are_none();
	a_long_line_is_quoted_in_part();
	warnings();
	the_largest();
	documents();
	return tap_done();
}
