/* Records, whole, cut and broken: the reader tells the same as a look at all of
 * the bytes at once. */
#include <config.h>

#include "fuzz.h"
#include "record.h"

enum { STREAM_MOST = 200000, TOLD_MOST = 2 * STREAM_MOST };

static unsigned char stream[STREAM_MOST];
static size_t stream_size;

/* What was told of a stream: a letter, and what belongs to it. */
struct story {
	unsigned char bytes[TOLD_MOST];
	size_t size;
};

static struct story told, expected;

static void tell(struct story *s, const void *bytes, size_t size)
{
	memcpy(s->bytes + s->size, bytes, size);
	s->size += size;
}

static void tell_begin(struct story *s, const struct record *r)
{
	const unsigned char fields[] = {
		'B', r->version, r->type, (unsigned char)(r->id >> 8), (unsigned char)r->id,
		(unsigned char)(r->content_length >> 8), (unsigned char)r->content_length,
		r->padding_length,
	};

	tell(s, fields, sizeof fields);
}

static void make_stream(void)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 255, 256, 8192, 65535 };
	size_t records;

	if (fuzz_given(stream, sizeof stream, &stream_size))
		return;
	stream_size = 0;
	records = 1 + fuzz_below(8);
	for (; records > 0; records--) {
		size_t size = sizes[fuzz_below(sizeof sizes / sizeof *sizes)];
		size_t padding = fuzz_chance(50) ? 0 : fuzz_below(256);

		if (stream_size + RECORD_HEADER_SIZE + size + padding > sizeof stream)
			break;
		record_put_header(stream + stream_size, fuzz_below(13), (uint16_t)fuzz_next(), size);
		stream[stream_size + 6] = (unsigned char)padding;
		stream_size += RECORD_HEADER_SIZE;
		for (size += padding; size > 0; size--)
			stream[stream_size++] = (unsigned char)fuzz_next();
	}
	for (size_t changes = fuzz_chance(50) ? fuzz_below(10) : 0; changes > 0; changes--)
		stream[fuzz_below(stream_size)] = (unsigned char)fuzz_next();
	if (fuzz_chance(30))
		stream_size = fuzz_below(stream_size + 1);
}

/* The model. Whether the stream ends between two records. */
static bool expect_story(void)
{
	size_t at = 0;

	while (stream_size - at >= RECORD_HEADER_SIZE) {
		const unsigned char *h = stream + at;
		const struct record r = {
			h[0], h[1], (uint16_t)(h[2] * 256 + h[3]), (uint16_t)(h[4] * 256 + h[5]), h[6],
		};
		size_t left = stream_size - at - RECORD_HEADER_SIZE;

		tell_begin(&expected, &r);
		tell(&expected, h + RECORD_HEADER_SIZE,
		     left < r.content_length ? left : r.content_length);
		if (left >= r.content_length)
			tell(&expected, "E", 1);
		if (left < (size_t)r.content_length + r.padding_length)
			return false;
		at += RECORD_HEADER_SIZE + r.content_length + r.padding_length;
	}
	return at == stream_size;
}

/* Reads one cut, from memory of just its size. */
static void read_cut(struct record_reader *reader, const unsigned char *bytes, size_t size)
{
	unsigned char *copy = malloc(size + !size);
	const unsigned char *in = copy, *content;
	size_t length;

	memcpy(copy, bytes, size);
	for (;;) {
		switch (record_read(reader, &in, &size, &content, &length)) {
		case RECORD_NOTHING:
			fuzz_expect(size == 0, "something is left when nothing is");
			free(copy);
			return;
		case RECORD_BEGIN:
			tell_begin(&told, &reader->record);
			break;
		case RECORD_CONTENT:
			fuzz_expect(length > 0, "content is empty");
			tell(&told, content, length);
			break;
		case RECORD_END:
			tell(&told, "E", 1);
			break;
		}
	}
}

static void read_in_cuts(struct record_reader *reader)
{
	static const size_t most[] = { 2, 9, 300, 70000 };
	size_t longest = most[fuzz_below(4)];

	for (size_t at = 0; at < stream_size;) {
		size_t size = 1 + fuzz_below(longest);

		if (size > stream_size - at)
			size = stream_size - at;
		read_cut(reader, stream + at, size);
		at += size;
	}
}

static void one_round(void)
{
	struct record_reader reader = { .header_have = 0 };
	bool between;

	told.size = expected.size = 0;
	make_stream();
	between = expect_story();
	read_in_cuts(&reader);
	fuzz_expect(told.size == expected.size && !memcmp(told.bytes, expected.bytes, told.size),
		    "the story is another");
	fuzz_expect(record_is_between(&reader) == between, "the end of a record was missed");
}

FUZZ_ENTRY("records are read as they are, however cut", 400, one_round)
