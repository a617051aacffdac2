/* Header blocks, sane and mad: what is mended is in order, and stays as it is
 * when it is mended again. */
#include <config.h>

#include "fuzz.h"
#include "reply.h"

#include <strings.h>

enum { BLOCK_MOST = 4096 };

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
		"LOCATION:y", "Content-Length: 5",
	};
	const char *line = lines[fuzz_below(sizeof lines / sizeof *lines)];

	put(line, strlen(line));
	if (fuzz_chance(3))
		put("\0x", 2);
}

static void make_block(void)
{
	size_t lines = fuzz_below(12);

	block_size = 0;
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

/* Whatever part has come, the end is seen as soon as it is there. */
static void find_in_parts(size_t end)
{
	size_t size = fuzz_below(block_size + 1), found = 0;
	char *copy = malloc(size + !size);

	memcpy(copy, block, size);
	fuzz_expect(reply_find_end(copy, size, &found) == (end && size >= end),
		    "the end of the block is seen too early or too late");
	fuzz_expect(!found || found == end, "the block ends elsewhere");
	free(copy);
}

static bool is_dropped(const char *line)
{
	static const char *const names[] = {
		"Connection:", "Keep-Alive:", "Proxy-Connection:", "TE:", "Trailer:",
		"Transfer-Encoding:", "Upgrade:",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static bool is_field(const char *line)
{
	size_t name = strcspn(line, ":\r\n \t");

	return name > 0 && line[name] == ':';
}

/* A mended block, with its NUL, line by line. */
static void check_lines(const char *text, size_t size)
{
	bool status = false, location = false;

	fuzz_expect(strlen(text) == size, "a NUL came through");
	while (*text && strcmp(text, "\r\n") != 0) {
		size_t length = strcspn(text, "\r\n");

		fuzz_expect(is_field(text), "a line is no field");
		fuzz_expect(!is_dropped(text), "a hop-by-hop field came through");
		fuzz_expect(text[length] == '\r' && text[length + 1] == '\n', "a line ends oddly");
		status |= strncasecmp(text, "Status:", 7) == 0;
		location |= strncasecmp(text, "Location:", 9) == 0;
		if (fuzz_fault)
			return;
		text += length + 2;
	}
	fuzz_expect(strcmp(text, "\r\n") == 0, "there is no empty line");
	fuzz_expect(status || !location, "a Location has no Status");
}

static void mend(const char *bytes, size_t size)
{
	char *copy = malloc(size + !size);
	char *out = malloc(REPLY_MENDED_MOST + 1), *again = malloc(REPLY_MENDED_MOST);
	struct reply_notes notes;
	size_t mended;

	memcpy(copy, bytes, size);
	mended = reply_mend(copy, size, out, &notes);
	fuzz_expect((mended == 0) == (notes.fault[0] != '\0'), "a fault is told without one");
	if (mended > 0) {
		out[mended] = '\0';
		check_lines(out, mended);
		fuzz_expect(mended == 2 || (reply_mend(out, mended, again, &notes) == mended &&
			    !memcmp(out, again, mended)), "it is not the same when mended again");
	}
	free(copy);
	free(out);
	free(again);
}

static void one_round(void)
{
	size_t end;

	make_block();
	end = end_of_block();
	find_in_parts(end);
	mend(block, end ? end : block_size);
}

int main(int argc, char **argv)
{
	return fuzz_run(argc, argv, "header blocks are mended", 20000, one_round, NULL);
}
