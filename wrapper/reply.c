#include <config.h>

#include "reply.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Fields that concern one connection only: not the script's to send. */
static const char *const hop_by_hop[] = {
	"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
};

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 400, "Bad Request" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 408, "Request Timeout" },
	{ 413, "Content Too Large" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
};

struct line {
	const char *text;
	size_t length; /* without the line's end */
	size_t name_length; /* 0: not a field */
};

bool reply_find_end(const char *bytes, size_t size, size_t *block_size)
{
	const char *end = bytes + size;
	const char *line = bytes;

	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *last = newline;

		if (!newline)
			return false;
		while (last > line && last[-1] == '\r')
			last--;
		if (last == line) {
			*block_size = (size_t)(newline + 1 - bytes);
			return true;
		}
		line = newline + 1;
	}
	return false;
}

/* Cuts off the next line, advancing *block. */
static struct line next_line(const char **block, const char *end)
{
	const char *newline = memchr(*block, '\n', (size_t)(end - *block));
	const char *last = newline ? newline : end;
	struct line line = { .text = *block };

	*block = newline ? newline + 1 : end;
	while (last > line.text && last[-1] == '\r')
		last--;
	line.length = (size_t)(last - line.text);
	return line;
}

/* RFC 9110, section 5.6.2. */
static bool is_token(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void find_name(struct line *line)
{
	size_t n = 0;

	while (n < line->length && is_token((unsigned char)line->text[n]))
		n++;
	if (n < line->length && line->text[n] == ':')
		line->name_length = n;
}

static bool is_named(const struct line *line, const char *name)
{
	return line->name_length == strlen(name) && strncasecmp(line->text, name, strlen(name)) == 0;
}

static bool is_hop_by_hop(const struct line *line)
{
	for (size_t i = 0; i < sizeof hop_by_hop / sizeof *hop_by_hop; i++)
		if (is_named(line, hop_by_hop[i]))
			return true;
	return false;
}

/* "HTTP/1.1 404 Not Found", as a script writes that takes itself for a server. */
static bool is_status_line(const struct line *line)
{
	return line->length > 5 && memcmp(line->text, "HTTP/", 5) == 0 &&
	       memchr(line->text, ' ', line->length);
}

static size_t put(char *out, const char *text, size_t size)
{
	memcpy(out, text, size);
	return size;
}

/* A CR within a line, which some take for its end (RFC 9112, section 2.2),
 * becomes a space. */
static size_t put_line(char *out, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = text[i] == '\r' ? ' ' : text[i];
	return size + put(out + size, "\r\n", 2);
}

static size_t put_status_line(char *out, const struct line *line)
{
	const char *space = memchr(line->text, ' ', line->length);
	size_t n = put(out, "Status:", 7);

	return n + put_line(out + n, space, line->length - (size_t)(space - line->text));
}

static size_t fail(struct reply_notes *notes, const struct line *line)
{
	if (line->length == 0)
		snprintf(notes->fault, sizeof notes->fault, "its output begins with an empty line "
			 "instead of a header");
	else
		snprintf(notes->fault, sizeof notes->fault,
			 "it wrote \"%.*s\" where a header line is due",
			 (int)(line->length < 100 ? line->length : 100), line->text);
	return 0;
}

/* What has been seen of a header block, and what was made of it. */
struct mended {
	char *out;
	size_t size;
	bool status, location, type;
	bool dropped; /* the field that a continuation would belong to */
};

static void mend_field(struct mended *m, const struct line *line)
{
	m->dropped = is_hop_by_hop(line);
	if (m->dropped)
		return;
	m->status |= is_named(line, "Status");
	m->location |= is_named(line, "Location");
	m->type |= is_named(line, "Content-Type");
	m->size += put_line(m->out + m->size, line->text, line->length);
}

static void join_continuation(struct mended *m, const struct line *line)
{
	if (m->dropped)
		return;
	m->size -= 2; /* over the end of the line before */
	m->size += put_line(m->out + m->size, line->text, line->length);
}

/* False if it has no place in a header block. */
static bool mend_line(struct mended *m, struct line *line, bool first)
{
	if (memchr(line->text, '\0', line->length))
		return false;
	if (first && is_status_line(line)) {
		m->size += put_status_line(m->out + m->size, line);
		m->status = true;
		return true;
	}
	if (!first && (line->text[0] == ' ' || line->text[0] == '\t')) {
		join_continuation(m, line);
		return true;
	}
	find_name(line);
	if (line->name_length == 0)
		return false;
	mend_field(m, line);
	return true;
}

size_t reply_mend(const char *block, size_t size, char *out, struct reply_notes *notes)
{
	static const char found[] = "Status: 302 Found\r\n";
	const char *end = block + size;
	struct mended m = { .out = out, .size = sizeof found - 1 /* its place, if needed */ };

	*notes = (struct reply_notes){ .warning = NULL };
	for (const char *at = block; at < end;) {
		bool first = at == block;
		struct line line = next_line(&at, end);

		if (line.length == 0 && !first)
			break;
		if (!mend_line(&m, &line, first))
			return fail(notes, &line);
	}
	if (m.location && !m.status) {
		memcpy(out, found, sizeof found - 1);
	} else {
		m.size -= sizeof found - 1;
		memmove(out, out + sizeof found - 1, m.size);
	}
	if (!m.status && !m.location && !m.type)
		notes->warning = "its header has no Content-Type, Location or Status";
	return m.size + put(out + m.size, "\r\n", 2);
}

static const char *phrase_of(int status)
{
	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Error";
}

size_t reply_document(char *out, int status, const char *reason, bool head_only)
{
	const char *phrase = phrase_of(status);
	int n = snprintf(out, REPLY_DOCUMENT_MOST,
			 "Status: %d %s\r\n%sContent-Type: text/plain\r\n\r\n", status, phrase,
			 status == 503 ? "Retry-After: 5\r\n" : "");

	if (!head_only)
		n += snprintf(out + n, REPLY_DOCUMENT_MOST - (size_t)n, "%d %s\r\n%s%s", status,
			      phrase, reason ? reason : "", reason ? "\r\n" : "");
	return n < REPLY_DOCUMENT_MOST ? (size_t)n : REPLY_DOCUMENT_MOST - 1;
}
