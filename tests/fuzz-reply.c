/* Header blocks, sane and mad: what is made of them is in order, and stays as it is
 * when it is made again. */
#include <config.h>

#include "fuzz.h"
#include "reply.h"

#include <strings.h>

enum { BLOCK_MOST = 4096, GUARD = 32 };

static char block[BLOCK_MOST];
static size_t block_size;

static void put(const char *text, size_t size)
{
	if (size > sizeof block - block_size)
		size = sizeof block - block_size;
	memcpy(block + block_size, text, size);
	block_size += size;
}

#define PUT(text) put(text, sizeof(text) - 1)

static void put_line(void)
{
	static const char *const lines[] = {
		"Status: 404 Not Found", "Location: /there", "Content-Type: text/plain", "X-A:", "a:b",
		"HTTP/1.1 200 OK", "HTTP/1.0 302", "HTTP/", "Connection: close", "TE:x",
		"Transfer-Encoding: chunked", "Trailer: X", "connection:y", " folded", "\tfolded", " ",
		"no field", ":", ": empty name", "Bad Name: x", "X-R: a\rb", "X: \r", "status:200",
		"LOCATION:y", "Content-Length: 5", "content-length: 6", "Content-Length: x",
		"Transfer-Encoding: identity", "Variable-A: b", "<!--: spam", "X : y", "Status: 1",
	};
	const char *line = lines[fuzz_below(sizeof lines / sizeof *lines)];

	put(line, strlen(line));
	if (fuzz_chance(3))
		put("\0x", 2);
}

static void make_block(void)
{
	size_t lines;

	if (fuzz_given(block, sizeof block, &block_size))
		return;
	block_size = 0;
	lines = fuzz_below(12);
	for (; lines > 0; lines--) {
		put_line();
		if (fuzz_chance(40))
			PUT("\r\n");
		else if (fuzz_chance(5))
			PUT("\r\r\n");
		else if (fuzz_chance(95))
			PUT("\n");
	}
	if (fuzz_chance(70))
		PUT("\n");
	for (size_t changes = fuzz_chance(30) ? fuzz_below(6) : 0; block_size && changes; changes--)
		block[fuzz_below(block_size)] = (char)fuzz_next();
}

/* The model of reply_find_end(). */
static size_t end_of_block(void)
{
	bool empty = true;

	for (size_t i = 0; i < block_size; i++) {
		if (block[i] == '\n' && empty)
			return i + 1;
		empty = block[i] == '\n' || (empty && block[i] == '\r');
	}
	return 0;
}

/* One look at what has come so far, from memory of just its size. */
static bool find_in(size_t size, size_t *from, size_t *found)
{
	char *copy = malloc(size + !size);
	bool ended;

	memcpy(copy, block, size);
	ended = reply_find_end(copy, size, from, found);
	free(copy);
	return ended;
}

/* However the block comes, the end is seen as soon as it is there. */
static void find_in_pieces(size_t end)
{
	size_t longest = fuzz_chance(50) ? 3 : BLOCK_MOST;
	size_t size = 0, from = 0, found = 0;

	while (size < block_size && !found) {
		size += 1 + fuzz_below(longest);
		if (size > block_size)
			size = block_size;
		fuzz_expect(find_in(size, &from, &found) == (end && size >= end),
			    "the end of the block is seen too early or too late");
		fuzz_expect(from <= size, "the search goes on beyond what is there");
	}
	fuzz_expect(found == end, "the block ends elsewhere");
	from = found = 0;
	find_in(block_size, &from, &found);
	fuzz_expect(found == end, "in one piece it ends elsewhere");
}

static bool is_dropped(const char *line)
{
	static const char *const starts[] = {
		"Connection:", "Keep-Alive:", "Proxy-Connection:", "TE:", "Trailer:", "Upgrade:",
		"Transfer-Encoding: identity\r",
	};

	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (strncasecmp(line, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static bool is_field(const char *line)
{
	size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			     "!#$%&'*+-.^_`|~");

	return name > 0 && line[name] == ':';
}

/* A normalized block, with its NUL, line by line. */
static void check_lines(const char *text, size_t size)
{
	unsigned statuses = 0, lengths = 0;
	bool location = false;

	fuzz_expect(strlen(text) == size, "a NUL came through");
	while (*text && strcmp(text, "\r\n") != 0) {
		size_t length = strcspn(text, "\r\n");

		fuzz_expect(is_field(text), "a line is no field");
		fuzz_expect(!is_dropped(text), "a field of one connection came through");
		fuzz_expect(text[length] == '\r' && text[length + 1] == '\n', "a line ends oddly");
		statuses += strncasecmp(text, "Status:", 7) == 0;
		lengths += strncasecmp(text, "Content-Length:", 15) == 0;
		location |= strncasecmp(text, "Location:", 9) == 0;
		if (fuzz_fault)
			return;
		text += length + 2;
	}
	fuzz_expect(strcmp(text, "\r\n") == 0, "there is no empty line");
	fuzz_expect(statuses == 1 || (statuses == 0 && !location), "a Location has no Status");
	fuzz_expect(lengths <= 1, "there are several lengths");
}

static void check_notes(const struct reply_notes *notes, bool failed)
{
	fuzz_expect(failed == (notes->fault[0] != '\0'), "a fault is told without one");
	fuzz_expect((notes->dropped > 0) == (notes->first_dropped[0] != '\0'),
		    "a line is told that is not left out");
	fuzz_expect(notes->status >= 100 && notes->status <= 999, "the status is none");
	fuzz_expect(notes->content_length >= -1, "the length is negative");
}

/* What is made of a block, and a NUL, in memory that must be freed. */
static char *normalize(const char *bytes, size_t size, size_t *made, struct reply_notes *notes)
{
	static const char guard[GUARD];
	char *copy = malloc(size + !size);
	char *out = calloc(1, REPLY_NORMALIZED_MOST(size) + GUARD);

	memcpy(copy, bytes, size);
	*made = reply_normalize(copy, size, out, notes);
	fuzz_expect(*made <= REPLY_NORMALIZED_MOST(size) &&
		    !memcmp(out + REPLY_NORMALIZED_MOST(size), guard, GUARD),
		    "more is written than was promised");
	out[*made] = '\0';
	free(copy);
	return out;
}

static void check_block(const char *bytes, size_t size)
{
	struct reply_notes notes = { .mended = NULL };
	size_t made, made_again;
	char *out = normalize(bytes, size, &made, &notes), *again;

	check_notes(&notes, made == 0);
	if (made > 0 && !fuzz_fault) {
		check_lines(out, made);
		again = normalize(out, made, &made_again, &notes);
		fuzz_expect(made == 2 || (made == made_again && !memcmp(out, again, made)),
			    "it is not the same when it is made again");
		fuzz_expect(made == 2 || notes.dropped == 0, "a line is left out at last");
		free(again);
	}
	free(out);
}

static void one_round(void)
{
	size_t end;

	make_block();
	end = end_of_block();
	find_in_pieces(end);
	check_block(block, end ? end : block_size);
}

FUZZ_ENTRY("header blocks become what they should be", 20000, one_round)
