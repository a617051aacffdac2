/* FastCGI records: whatever the cut of the bytes, the same records come out. */
#include <config.h>

#include "record.h"
#include "tap.h"

#include <string.h>

/* What a reader told, as text: "B type/id/length", "C bytes", "E". */
static size_t read_all(const unsigned char *bytes, size_t size, size_t piece, char *told)
{
	struct record_reader reader = { .header_have = 0 };
	size_t n = 0;

	for (size_t at = 0; at < size; at += piece) {
		const unsigned char *in = bytes + at, *content;
		size_t left = size - at < piece ? size - at : piece, length;
		enum record_event event;

		while ((event = record_read(&reader, &in, &left, &content, &length))) {
			if (event == RECORD_BEGIN)
				n += (size_t)sprintf(told + n, "B%d/%d/%d ", reader.record.type,
						     reader.record.id, reader.record.content_length);
			else if (event == RECORD_END)
				n += (size_t)sprintf(told + n, "E ");
			else
				for (size_t i = 0; i < length; i++)
					n += (size_t)sprintf(told + n, "%c", content[i]);
		}
	}
	told[n] = '\0';
	return n;
}

int main(void)
{
	/* BEGIN of id 258 with padding, PARAMS "hello" unpadded, empty STDIN padded. */
	static const unsigned char stream[] = {
		1, 1, 1, 2, 0, 8, 7, 0, 'b', 'e', 'g', 'i', 'n', 'r', 'e', 'q', 0, 0, 0, 0, 0, 0, 0,
		1, 4, 1, 2, 0, 5, 0, 0, 'h', 'e', 'l', 'l', 'o',
		1, 5, 1, 2, 0, 0, 3, 0, 9, 9, 9,
		1, 9, 0, 0, 0, 0, 0, 0,
	};
	static const char expected[] =
		"B1/258/8 beginreqE B4/258/5 helloE B5/258/0 E B9/0/0 E ";
	unsigned char out[16];
	char told[512];

	for (size_t piece = 1; piece <= sizeof stream; piece++) {
		read_all(stream, sizeof stream, piece, told);
		ok(strcmp(told, expected) == 0, "a stream in pieces of %zu bytes is read the same", piece);
	}
	for (size_t cut = 1; cut < sizeof stream; cut++) {
		struct record_reader reader = { .header_have = 0 };
		const unsigned char *in = stream, *content;
		size_t left = cut, length;
		int ends = 0;

		while (record_read(&reader, &in, &left, &content, &length))
			ends += reader.content_left == 0 && reader.header_have == 8;
		left = sizeof stream - cut;
		while (record_read(&reader, &in, &left, &content, &length))
			ends += reader.content_left == 0 && reader.header_have == 8;
		ok(in == stream + sizeof stream && left == 0 && ends >= 4,
		   "a stream cut after %zu bytes is used up", cut);
	}

	{
		struct record_reader reader = { .header_have = 0 };
		const unsigned char *in = stream, *content;
		size_t left = 3, length;

		record_read(&reader, &in, &left, &content, &length);
		ok(record_until_next(&reader) == 5, "the rest of a header is known");
		left = 5;
		record_read(&reader, &in, &left, &content, &length);
		ok(record_content_left(&reader) == 8 && record_until_next(&reader) == 8 + 7 + 8,
		   "so is what comes before the end of the next one");
		record_skip_content(&reader, 8);
		ok(record_read(&reader, &in, &left, &content, &length) == RECORD_END,
		   "content that came another way ends like any other");
		ok(record_content_left(&reader) == 0 && record_until_next(&reader) == 7 + 8,
		   "and leaves its padding");
	}

	record_put_header(out, FCGI_STDOUT, 0x1234, 0xfffe);
	ok(memcmp(out, "\1\6\x12\x34\xff\xfe\0\0", 8) == 0, "a header is big-endian and unpadded");
	record_put_end(out, 1, 0x01020304, FCGI_UNKNOWN_ROLE);
	ok(memcmp(out, "\1\3\0\1\0\x8\0\0\1\2\3\4\3\0\0\0", 16) == 0,
	   "END_REQUEST has the application's status, big-endian, and the protocol's");
	record_put_unknown_type(out, 77);
	ok(memcmp(out, "\1\xb\0\0\0\x8\0\0M\0\0\0\0\0\0\0", 16) == 0,
	   "UNKNOWN_TYPE names the type, for id 0");
	return tap_done();
}
