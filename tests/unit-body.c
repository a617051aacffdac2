/* A request body that waits: first in, first out, whether in memory or in a file. */
#include <config.h>

#include "../wrapper/body.h"
#include "../wrapper/slots.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct body body = { .file = -1 };
static uint32_t state = 1;
static size_t in, out; /* how many bytes went in, and came out */

static uint32_t chance(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % below;
}

/* The model: what byte number n is. */
static unsigned char byte_at(size_t n)
{
	return (unsigned char)(n * 2654435761u >> 13);
}

static bool put(size_t size)
{
	unsigned char *bytes = malloc(size + !size);
	bool taken;

	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(in + i);
	taken = body_append(&body, bytes, size);
	free(bytes);
	in += size;
	return taken;
}

/* Takes out at most so many bytes: false if they are not those that went in. */
static bool take(size_t most)
{
	while (most > 0 && !body_is_empty(&body)) {
		size_t size;
		const unsigned char *bytes = body_peek(&body, &size);

		if (!bytes || size == 0)
			return false;
		size = size < most ? size : most;
		for (size_t i = 0; i < size; i++)
			if (bytes[i] != byte_at(out + i))
				return false;
		body_consume(&body, size);
		out += size;
		most -= size;
	}
	return body_is_empty(&body) == (in == out);
}

static void begin_anew(void)
{
	body_free(&body);
	in = out = 0;
}

static off_t file_size(void)
{
	struct stat st;

	return body.file < 0 || fstat(body.file, &st) < 0 ? -1 : st.st_size;
}

static void small(void)
{
	ok(body_is_empty(&body), "a new body is empty");
	ok(put(0) && body_is_empty(&body), "nothing added is still empty");
	ok(put(1) && !body_is_empty(&body) && take(1) && body_is_empty(&body), "a byte comes back");
	ok(put(BODY_MEMORY) && body.file < 0 && take(BODY_MEMORY), "%d bytes need no file", BODY_MEMORY);
	begin_anew();
}

static void memory_then_file_then_memory(void)
{
	ok(put(BODY_MEMORY - 1) && body.file < 0, "memory is filled first");
	ok(put(2) && body.file >= 0 && file_size() == 1, "then a file");
	ok(take(1000) && put(10) && file_size() == 11, "and the file goes on, though memory has room");
	ok(take(BODY_MEMORY) && file_size() == 0, "when the file is used up it is emptied");
	ok(take(1000) && in == out && body_is_empty(&body), "all comes back in order");
	ok(put(100) && file_size() == 0 && take(100), "then memory serves again");
	begin_anew();
}

static void at_random(const char *manner, uint32_t most_in, uint32_t most_out, int rounds)
{
	bool sound = true;

	for (int i = 0; i < rounds && sound; i++)
		sound = put(chance(most_in)) && take(chance(most_out));
	ok(sound, "%s, after %zu bytes in and %zu bytes out", manner, in, out);
	ok(take(in) && in == out, "and the rest comes back");
	begin_anew();
}

static size_t count_files(const char *directory)
{
	DIR *d = opendir(directory);
	size_t count = 0;

	while (readdir(d))
		count++;
	closedir(d);
	return count - 2;
}

static void names(void)
{
	char directory[] = "/tmp/unit-body-XXXXXX";
	static char missing[5000];

	if (!mkdtemp(directory))
		abort();
	body_set_directory(directory);
	ok(put(2 * BODY_MEMORY) && body.file >= 0 && count_files(directory) == 0,
	   "the file has no name");
	begin_anew();
	rmdir(directory);
	errno = 0;
	ok(put(BODY_MEMORY) && !put(1) && errno == ENOENT && body_is_held(&body),
	   "where no file can be made, what comes is held in memory");
	errno = 0;
	ok(!put(BODY_MEMORY - 1) && errno == ENOENT, "and so is what comes behind it");
	ok(!put(1) && errno == ENOMEM, "up to %d bytes", BODY_MEMORY);
	in--;
	ok(take(in) && !body_is_held(&body), "and comes back in its turn");
	begin_anew();
	memset(missing, '/', sizeof missing - 1);
	body_set_directory(missing);
	ok(!put(BODY_MEMORY + 1) && errno == ENAMETOOLONG, "a directory's name may be too long");
	begin_anew();
	body_set_directory("/tmp");
}

static void file_that_fails(void)
{
	size_t size;

	put(3 * BODY_MEMORY);
	if (ftruncate(body.file, 10) < 0)
		abort();
	take(BODY_MEMORY + 10);
	ok(!body_is_empty(&body) && !body_peek(&body, &size), "a file that lost bytes is noticed");
	begin_anew();
}

int main(void)
{
	const size_t most[SLOT_KINDS] = { 1, 1, 1, 1 };

	slots_open(most, INT64_MAX, 1);
	small();
	memory_then_file_then_memory();
	at_random("a reader that keeps up", 40000, 80000, 400);
	at_random("a reader that is slower", 40000, 30000, 400);
	at_random("a writer of large pieces", 300000, 300000, 100);
	at_random("a writer of small pieces", 50, 60, 20000);
	names();
	file_that_fails();
	ok(body.file == -1 && !body.memory, "freed, nothing is left");
	return tap_done();
}
