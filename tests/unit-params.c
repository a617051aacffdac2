/* Name-value pairs: from bytes to the strings of an environment, in place. */
#include <config.h>

#include "params.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* Decodes a copy of exactly the right size, so that a checker of memory sees
 * every byte read or written beyond it. */
static bool decodes_to(const char *bytes, size_t size, const char *strings, size_t strings_size,
		       size_t want_count, bool want_complete)
{
	char *copy = malloc(size + !size);
	size_t count, out;
	bool complete, same;

	memcpy(copy, bytes, size);
	out = params_to_strings(copy, size, &count, &complete);
	same = count == want_count && complete == want_complete && out == strings_size &&
	       memcmp(copy, strings, out) == 0;
	free(copy);
	return same;
}

#define DECODES(bytes, strings, count, complete) \
	decodes_to(bytes, sizeof(bytes) - 1, strings, sizeof(strings) - 1, count, complete)

/* A pair with chosen forms of its lengths. */
static size_t put_pair(char *out, const char *name, const char *value, size_t value_size,
		       bool long_name, bool long_value)
{
	size_t n = 0, name_size = strlen(name);

	if (long_name) {
		out[n++] = (char)0x80;
		out[n++] = 0;
		out[n++] = 0;
	}
	out[n++] = (char)name_size;
	if (long_value) {
		out[n++] = (char)(0x80 | value_size >> 24);
		out[n++] = (char)(value_size >> 16);
		out[n++] = (char)(value_size >> 8);
	}
	out[n++] = (char)value_size;
	memcpy(out + n, name, name_size);
	memcpy(out + n + name_size, value, value_size);
	return n + name_size + value_size;
}

static void long_and_short_lengths(void)
{
	static char value[70000], bytes[70100], expected[70100];
	static const size_t sizes[] = { 0, 1, 127, 128, 255, 256, 65535, 65536, 70000 };

	memset(value, 'v', sizeof value);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (int form = 0; form < 4; form++) {
			bool long_value = form & 1 || sizes[i] > 127;
			size_t n = put_pair(bytes, "NAME", value, sizes[i], form & 2, long_value);

			memcpy(expected, "NAME=", 5);
			memcpy(expected + 5, value, sizes[i]);
			expected[5 + sizes[i]] = '\0';
			ok(decodes_to(bytes, n, expected, sizes[i] + 6, 1, true),
			   "a value of %zu bytes, %s name length, %s value length", sizes[i],
			   form & 2 ? "long" : "short", long_value ? "long" : "short");
		}
	}
}

static void writes_what_it_reads(void)
{
	static char text[70001];
	static unsigned char bytes[2 * sizeof text + PARAMS_LENGTHS_MOST];
	static const size_t sizes[] = { 1, 127, 128, 255, 256, 65535, 65536, 70000 };

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const unsigned char *in = bytes, *name, *value;
		size_t size, name_size, value_size;

		memset(text, 't', sizes[i]);
		text[sizes[i]] = '\0';
		size = params_put(bytes, text, text);
		ok(size == 2 * sizes[i] + (sizes[i] < 128 ? 2 : 8) &&
		   params_next(&in, &size, &name, &name_size, &value, &value_size) && size == 0 &&
		   name_size == sizes[i] && value_size == sizes[i] && value == name + name_size &&
		   memcmp(name, text, name_size) == 0 && memcmp(value, text, value_size) == 0,
		   "a name and a value of %zu bytes are read as they were written", sizes[i]);
	}
}

int main(void)
{
	static const char three[] = "\1\1Ab\4\0NAME\2\3CDxyz";
	static const size_t whole[] = { 0, 4, 10, 17 };
	unsigned char pair[64];

	ok(DECODES("", "", 0, true), "an empty stream is no pairs");
	ok(DECODES("\1\1Ab\4\0NAME\2\3CDxyz", "A=b\0NAME=\0CD=xyz\0", 3, true),
	   "pairs become strings in their order, empty values included");
	for (size_t cut = 0; cut < sizeof three - 1; cut++) {
		size_t pairs = 0, count, out;
		char copy[sizeof three];
		bool complete;

		while (whole[pairs + 1] <= cut)
			pairs++;
		memcpy(copy, three, sizeof three);
		out = params_to_strings(copy, cut, &count, &complete);
		ok(count == pairs && complete == (whole[pairs] == cut) && out <= cut,
		   "a stream that ends after %zu bytes has %zu whole pairs", cut, pairs);
	}
	long_and_short_lengths();
	ok(DECODES("\0\1x\1\1Ab", "A=b\0", 1, true), "a pair without a name is left out");
	ok(DECODES("\3\1A=Bc\1\1Ab", "A=b\0", 1, true), "a name with '=' is left out");
	ok(DECODES("\2\1A\0b\1\1Ab", "A=b\0", 1, true), "a name with a NUL is left out");
	ok(DECODES("\1\3Ab\0c\1\1Ab", "A=b\0", 1, true), "a value with a NUL is left out");
	ok(DECODES("\1\3Ab=c", "A=b=c\0", 1, true), "a value with '=' is kept");
	ok(DECODES("\xff\xff\xff\xff\1A", "", 0, false), "a length beyond the stream is no pair");
	ok(DECODES("\1\xff\xff\xff\xff" "A", "", 0, false), "nor is such a value");
	ok(DECODES("\x80", "", 0, false), "half a length is no pair");

	ok(params_put(pair, "FCGI_MAX_REQS", "10") == 17 &&
	   memcmp(pair, "\15\2FCGI_MAX_REQS10", 17) == 0, "a pair is written with short lengths");
	writes_what_it_reads();
	return tap_done();
}
