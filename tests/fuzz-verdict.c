/* Answers to a client, good, cut and broken: the verdict is the same however the bytes come, what it
 * tells is bounded, and a good answer is told as it was made. */
#include <config.h>

#include "fuzz.h"
#include "verdict.h"

enum { STREAM_MOST = 20000, PARTS_MOST = 30 };

static unsigned char stream[STREAM_MOST];
static size_t stream_size;
static unsigned char made[STREAM_MOST]; /* FCGI_STDOUT of a stream without a fault */
static size_t made_size;
static bool good;

struct story {
	struct verdict verdict;
	enum verdict_event last;
	unsigned char output[STREAM_MOST], errors[STREAM_MOST];
	size_t output_size, errors_size;
};

static struct story whole, cut;

static void put_part(unsigned type, const void *content, size_t size)
{
	size_t padding = fuzz_chance(50) ? 0 : fuzz_below(256);

	if (stream_size + RECORD_HEADER_SIZE + size + padding > sizeof stream)
		return;
	record_put_header(stream + stream_size, (enum record_type)type, VERDICT_ID, size);
	stream[stream_size + 6] = (unsigned char)padding;
	memcpy(stream + stream_size + RECORD_HEADER_SIZE, content, size);
	stream_size += RECORD_HEADER_SIZE + size;
	for (; padding > 0; padding--)
		stream[stream_size++] = (unsigned char)fuzz_next();
	if (type != FCGI_STDOUT)
		return;
	memcpy(made + made_size, content, size);
	made_size += size;
}

static void put_some(void)
{
	static const char *const texts[] = {
		"Status: 503 Busy\r\n", "Status:404\n", "Content-Type: text/plain\r\n", "\r\n", "\n",
		"HTTP/1.1 500 Oh\r\n", "Status: ", " x", ":", "hello", "Status: 99\n", "a\tb\0c",
	};
	char line[200];
	const char *text = texts[fuzz_below(sizeof texts / sizeof *texts)];

	memset(line, 'x', sizeof line);
	if (fuzz_chance(10))
		put_part(FCGI_STDOUT, line, 1 + fuzz_below(sizeof line));
	else
		put_part(fuzz_chance(80) ? FCGI_STDOUT : FCGI_STDERR, text, 1 + fuzz_below(strlen(text)));
}

static void make_stream(void)
{
	unsigned char end[RECORD_BODY_SIZE] = { 0, 0, 0, 0, fuzz_below(5) };

	stream_size = made_size = 0;
	good = false;
	if (fuzz_given(stream, sizeof stream, &stream_size))
		return;
	for (size_t parts = fuzz_below(PARTS_MOST); parts > 0; parts--)
		put_some();
	put_part(FCGI_STDOUT, "", 0);
	put_part(FCGI_END_REQUEST, end, sizeof end);
	good = true;
	if (fuzz_chance(50))
		return;
	good = false;
	for (size_t changes = fuzz_below(5); changes > 0; changes--)
		stream[fuzz_below(stream_size)] = (unsigned char)fuzz_next();
	if (fuzz_chance(50))
		stream_size = fuzz_below(stream_size + 1);
}

static void tell(unsigned char *to, size_t *have, const unsigned char *piece, size_t size)
{
	fuzz_expect(size > 0 && *have + size <= STREAM_MOST, "a piece is empty, or told twice");
	if (fuzz_fault)
		return;
	memcpy(to + *have, piece, size);
	*have += size;
}

/* Takes one cut, from memory of just its size. */
static void take_cut(struct story *s, const unsigned char *bytes, size_t size)
{
	unsigned char *copy = malloc(size);
	const unsigned char *in = copy, *piece = NULL;
	size_t length = 0;

	memcpy(copy, bytes, size);
	while (!fuzz_fault && (s->last = verdict_take(&s->verdict, &in, &size, &piece, &length))) {
		if (s->last == VERDICT_OUTPUT)
			tell(s->output, &s->output_size, piece, length);
		else if (s->last == VERDICT_ERROR)
			tell(s->errors, &s->errors_size, piece, length);
		else
			break;
	}
	free(copy);
}

static void take_stream(struct story *s, size_t longest)
{
	memset(s, 0, sizeof *s);
	for (size_t at = 0; at < stream_size && s->last < VERDICT_END && !fuzz_fault;) {
		size_t size = 1 + fuzz_below(longest);

		if (size > stream_size - at || longest == STREAM_MOST)
			size = stream_size - at;
		take_cut(s, stream + at, size);
		at += size;
	}
}

static void one_round(void)
{
	static const size_t most[] = { 1, 9, 300 };

	make_stream();
	take_stream(&whole, STREAM_MOST);
	take_stream(&cut, most[fuzz_below(3)]);
	fuzz_expect(whole.last == cut.last && whole.output_size == cut.output_size &&
		    whole.errors_size == cut.errors_size &&
		    memcmp(whole.output, cut.output, whole.output_size) == 0 &&
		    memcmp(whole.errors, cut.errors, whole.errors_size) == 0,
		    "cuts change what is told");
	fuzz_expect(whole.verdict.header == cut.verdict.header &&
		    whole.verdict.status == cut.verdict.status &&
		    strcmp(whole.verdict.reason, cut.verdict.reason) == 0 &&
		    strcmp(whole.verdict.fault, cut.verdict.fault) == 0, "cuts change the verdict");
	fuzz_expect(whole.verdict.status == 0 ||
		    (whole.verdict.status >= 100 && whole.verdict.status <= 999), "a strange status");
	fuzz_expect(!good || (whole.last == VERDICT_END && whole.output_size == made_size &&
			      memcmp(whole.output, made, made_size) == 0),
		    "a good answer is not told as it was made");
}

FUZZ_ENTRY("the verdict on an answer does not depend on how its bytes come", 3000, one_round)
