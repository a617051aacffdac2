/* Name-value pairs, whole, cut and broken: the strings that they become in place
 * are those that a decoder with memory of its own makes. */
#include <config.h>

#include "fuzz.h"
#include "params.h"

enum { PAIRS_MOST = 40, VALUE_MOST = 300, STREAM_MOST = PAIRS_MOST * 2 * (VALUE_MOST + 4) };

static unsigned char stream[STREAM_MOST];
static size_t stream_size;
static char expected[2 * STREAM_MOST];
static size_t expected_size, expected_count;

static void put_length(size_t length)
{
	if (length > 127 || fuzz_chance(20)) {
		stream[stream_size++] = (unsigned char)(0x80 | length >> 24);
		stream[stream_size++] = (unsigned char)(length >> 16);
		stream[stream_size++] = (unsigned char)(length >> 8);
	}
	stream[stream_size++] = (unsigned char)length;
}

static void put_text(size_t length)
{
	static const char letters[] = "ABCabc019_=\0 \xff";
	size_t most = fuzz_chance(70) ? 10 : sizeof letters;

	while (length-- > 0)
		stream[stream_size++] = (unsigned char)letters[fuzz_below(most)];
}

static void make_stream(void)
{
	size_t pairs;

	if (fuzz_given(stream, sizeof stream, &stream_size))
		return;
	stream_size = 0;
	pairs = fuzz_below(PAIRS_MOST);
	for (; pairs > 0; pairs--) {
		size_t name = fuzz_below(fuzz_chance(90) ? 12 : VALUE_MOST);
		size_t value = fuzz_below(fuzz_chance(70) ? 12 : VALUE_MOST);

		put_length(name);
		put_length(value);
		put_text(name + value);
	}
	for (size_t changes = fuzz_chance(50) ? fuzz_below(6) : 0; stream_size && changes; changes--)
		stream[fuzz_below(stream_size)] = (unsigned char)fuzz_next();
	if (fuzz_chance(30))
		stream_size = fuzz_below(stream_size + 1);
}

/* The model: a length at *at, or -1 if the stream ends before its end. */
static long length_at(size_t *at)
{
	const unsigned char *p = stream + *at;
	size_t bytes = *at < stream_size && *p >= 0x80 ? 4 : 1;

	if (stream_size - *at < bytes)
		return -1;
	*at += bytes;
	return bytes == 1 ? *p : (p[0] - 0x80L) * 0x1000000 + p[1] * 0x10000L + p[2] * 0x100L + p[3];
}

static bool fits_environment(const unsigned char *name, long name_length, long value_length)
{
	for (long i = 0; i < name_length + value_length; i++)
		if (!name[i] || (i < name_length && name[i] == '='))
			return false;
	return name_length > 0;
}

/* Whether the stream ends behind a pair. */
static bool expect_strings(void)
{
	size_t at = 0;

	expected_size = expected_count = 0;
	while (at < stream_size) {
		long name = length_at(&at);
		long value = name < 0 ? -1 : length_at(&at);

		if (value < 0 || (size_t)name + (size_t)value > stream_size - at)
			return false;
		if (fits_environment(stream + at, name, value)) {
			expected_size += (size_t)sprintf(expected + expected_size, "%.*s=%.*s", (int)name,
							 stream + at, (int)value, stream + at + name);
			expected[expected_size++] = '\0';
			expected_count++;
		}
		at += (size_t)name + (size_t)value;
	}
	return true;
}

static void one_round(void)
{
	char *copy;
	size_t size, count;
	bool whole, complete;

	make_stream();
	whole = expect_strings();
	copy = malloc(stream_size + !stream_size);
	memcpy(copy, stream, stream_size);
	size = params_to_strings(copy, stream_size, &count, &complete);
	fuzz_expect(size <= stream_size, "the strings are longer than the pairs");
	fuzz_expect(complete == whole, "the end of a pair was missed");
	fuzz_expect(count == expected_count && size == expected_size &&
		    !memcmp(copy, expected, size), "the strings are others");
	free(copy);
}

FUZZ_ENTRY("pairs become the right strings", 20000, one_round)
