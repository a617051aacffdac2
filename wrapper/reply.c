#include <config.h>

#include "reply.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Fields that concern one connection only: not the script's to send. */
static const char *const hop_by_hop[] = {
	"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade",
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
	{ 429, "Too Many Requests" },
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

/* A header block, rewritten so far. */
struct header {
	char *out;
	size_t size;
	struct reply_notes *notes;
	size_t fields; /* including fields left out by name */
	bool location, type, variable, encoding;
	bool drops_continuation;
};

/* The fields that count among several of one name. */
struct verdict {
	const char *status; /* line of the last Status, or NULL */
	const char *length; /* line of the first Content-Length, or NULL */
	bool lengths_differ;
};

bool reply_find_end(const char *bytes, size_t size, size_t *from, size_t *block_size)
{
	while (*from < size) {
		const char *newline = memchr(bytes + *from, '\n', size - *from);
		const char *last = newline;

		if (!newline) {
			*from = size;
			return false;
		}
		while (last > bytes && last[-1] == '\r')
			last--;
		*from = (size_t)(newline + 1 - bytes);
		if (last == bytes || last[-1] == '\n') {
			*block_size = *from;
			return true;
		}
	}
	return false;
}

bool reply_ends_with_line(const char *block, size_t size)
{
	return size > 0 && block[size - 1] == '\n';
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

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
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
	return line->name_length == strlen(name) &&
	       strncasecmp(line->text, name, line->name_length) == 0;
}

static bool is_hop_by_hop(const struct line *line)
{
	for (size_t i = 0; i < sizeof hop_by_hop / sizeof *hop_by_hop; i++)
		if (is_named(line, hop_by_hop[i]))
			return true;
	return false;
}

/* An authorizer's variable for an allowed request (FastCGI 1.0, section 6.3). */
static bool is_variable(const struct line *line)
{
	static const char prefix[] = "Variable-";

	return line->name_length >= sizeof prefix - 1 &&
	       strncasecmp(line->text, prefix, sizeof prefix - 1) == 0;
}

/* Returns the space of "HTTP/1.1 404 Not Found", which NPH scripts write (RFC 3875, section 5);
 * NULL in any other line. */
static const char *status_line_space(const struct line *line)
{
	size_t n = 5;

	if (line->length <= n || memcmp(line->text, "HTTP/", n) != 0)
		return NULL;
	while (n < line->length && line->text[n] && strchr("0123456789.", line->text[n]))
		n++;
	return n < line->length && line->text[n] == ' ' ? line->text + n : NULL;
}

/* Value of a field, without surrounding blanks. */
static struct line value_of(const struct line *field)
{
	struct line value = { .text = field->text + field->name_length + 1 };
	const char *end = field->text + field->length;

	while (value.text < end && is_blank(*value.text))
		value.text++;
	while (end > value.text && is_blank(end[-1]))
		end--;
	value.length = (size_t)(end - value.text);
	return value;
}

/* Number of a value such as "404 Not Found"; 200 unless of three digits. */
static int status_of(const struct line *value)
{
	const char *s = value->text;

	if (value->length < 3 || s[0] < '1' || s[0] > '9' || !isdigit((unsigned char)s[1]) ||
	    !isdigit((unsigned char)s[2]) || (value->length > 3 && isdigit((unsigned char)s[3])))
		return 200;
	return (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
}

static int64_t length_of(const struct line *value)
{
	int64_t n = 0;

	for (size_t i = 0; i < value->length; i++) {
		int digit = value->text[i] - '0';

		if (digit < 0 || digit > 9 || n > (INT64_MAX - digit) / 10)
			return -1;
		n = n * 10 + digit;
	}
	return value->length > 0 ? n : -1;
}

static size_t put_text(char *out, const char *text, size_t size)
{
	memcpy(out, text, size);
	return size;
}

static void tell_mended(const struct reply_notes *notes, const struct line *line, const char *how)
{
	if (notes->mended)
		notes->mended(line->text, line->length, how);
}

/* A CR within a line, which some take for a line end (RFC 9112, section 2.2), becomes a space. */
static void put_line(struct header *h, const char *text, size_t size)
{
	char *out = h->out + h->size;

	if (h->notes->mended && memchr(text, '\r', size))
		h->notes->mended(text, size, "a carriage return in it is sent as a space");
	for (size_t i = 0; i < size; i++)
		out[i] = text[i] == '\r' ? ' ' : text[i];
	h->size += size + put_text(out + size, "\r\n", 2);
}

/* Number of bytes of a line to quote. */
static int quoted_length(const struct line *line)
{
	const size_t most = sizeof(((struct reply_notes *)NULL)->first_dropped) - 1;

	return (int)(line->length < most ? line->length : most);
}

static void note_dropped(struct reply_notes *notes, const struct line *line)
{
	if (notes->dropped++ == 0)
		snprintf(notes->first_dropped, sizeof notes->first_dropped, "%.*s",
			 quoted_length(line), line->text);
}

static bool fault(struct reply_notes *notes, const struct line *line, const char *what)
{
	snprintf(notes->fault, sizeof notes->fault, "it wrote \"%.*s\" %s", quoted_length(line),
		 line->text, what);
	return false;
}

/* True for CR alone as line end: a CR in a block without LF, or CR CR in the first line. A single
 * CR before LF may be a slip; the last byte may be half of a CRLF still to come. */
static bool is_cr_alone(const char *block, size_t size)
{
	struct line first;
	const char *cr;

	if (size == 0)
		return false;
	if (!memchr(block, '\n', size))
		return memchr(block, '\r', size - 1);
	first = next_line(&block, block + size);
	cr = memchr(first.text, '\r', first.length);
	while (cr && cr[1] != '\r')
		cr = memchr(cr + 1, '\r', first.length - (size_t)(cr + 1 - first.text));
	return cr;
}

static void header_add_field(struct header *h, const struct line *line)
{
	h->fields++;
	h->drops_continuation = is_hop_by_hop(line);
	if (h->drops_continuation) {
		tell_mended(h->notes, line,
			    "left out: it is about one connection, which is not the script's");
		return;
	}
	h->location |= is_named(line, "Location");
	h->type |= is_named(line, "Content-Type");
	h->variable |= is_variable(line);
	put_line(h, line->text, line->length);
}

static void header_add_status_line(struct header *h, const struct line *line, const char *space)
{
	h->fields++;
	tell_mended(h->notes, line, "sent as a Status");
	h->size += put_text(h->out + h->size, "Status:", 7);
	put_line(h, space, line->length - (size_t)(space - line->text));
}

static void header_join(struct header *h, const struct line *line)
{
	if (h->drops_continuation)
		return;
	tell_mended(h->notes, line, "joined to the line before it");
	h->size -= 2; /* overwrite the CRLF of the line before */
	put_line(h, line->text, line->length);
}

/* False with notes->fault if the line has no place in a header block. */
static bool header_add(struct header *h, struct line *line, bool is_first)
{
	const char *space = status_line_space(line);

	if (memchr(line->text, '\0', line->length))
		return fault(h->notes, line, "and a NUL behind it in its header");
	find_name(line);
	if (!is_first && is_blank(line->text[0])) {
		header_join(h, line);
	} else if (is_first && space) {
		header_add_status_line(h, line, space);
	} else if (line->name_length > 0) {
		header_add_field(h, line);
	} else if (space || memchr(line->text, ':', line->length)) {
		note_dropped(h->notes, line);
		tell_mended(h->notes, line,
			    space ? "left out: a status line must be the first"
				  : "left out: no name of a field is before the colon");
		h->drops_continuation = true;
	} else {
		return fault(h->notes, line, "where a header line is due");
	}
	return true;
}

/* Finds the fields that count; continuation lines are joined by now. */
static struct verdict header_judge(struct header *h, const char *from)
{
	struct reply_notes *notes = h->notes;
	struct verdict v = { .status = NULL };

	for (const char *at = from; at < h->out + h->size;) {
		struct line line = next_line(&at, h->out + h->size);
		struct line value;

		find_name(&line);
		value = value_of(&line);
		if (is_named(&line, "Status")) {
			v.status = line.text;
			notes->status = status_of(&value);
		} else if (is_named(&line, "Content-Length")) {
			int64_t length = length_of(&value);

			v.lengths_differ |= v.length && length != notes->content_length;
			v.length = v.length ? v.length : line.text;
			notes->content_length = length;
		}
	}
	return v;
}

static bool is_overruled(const struct line *line, const struct verdict *v)
{
	if (is_named(line, "Status"))
		return line->text != v->status;
	return is_named(line, "Content-Length") && (v->lengths_differ || line->text != v->length);
}

static bool is_identity(const struct line *value)
{
	return value->length == 8 && strncasecmp(value->text, "identity", 8) == 0;
}

/* Removes overruled fields, and Transfer-Encoding: identity. */
static void header_settle(struct header *h, char *from, const struct verdict *v)
{
	const char *end = h->out + h->size;
	char *to = from;

	for (const char *at = from; at < end;) {
		struct line line = next_line(&at, end);
		struct line value;

		find_name(&line);
		value = value_of(&line);
		if (is_overruled(&line, v)) {
			note_dropped(h->notes, &line);
			tell_mended(h->notes, &line,
				    v->lengths_differ && is_named(&line, "Content-Length")
					    ? "left out: another one contradicts it"
					    : "left out: another one counts");
			continue;
		}
		if (is_named(&line, "Transfer-Encoding")) {
			if (is_identity(&value)) {
				tell_mended(h->notes, &line, "left out: it says nothing");
				continue;
			}
			h->encoding = true;
		}
		memmove(to, line.text, line.length + 2);
		to += line.length + 2;
	}
	h->size = (size_t)(to - h->out);
}

/* Takes lines up to the empty line. False with notes->fault. */
static bool header_read(struct header *h, const char *block, const char *end)
{
	struct line line = { .text = block };

	if (is_cr_alone(block, (size_t)(end - block))) {
		snprintf(h->notes->fault, sizeof h->notes->fault,
			 "its header lines end in carriage returns alone");
		return false;
	}
	for (const char *at = block; at < end;) {
		bool is_first = at == block;

		line = next_line(&at, end);
		if (line.length == 0 && is_first) {
			snprintf(h->notes->fault, sizeof h->notes->fault, "its output begins with "
				 "an empty line instead of a header");
			return false;
		}
		if (line.length == 0)
			break;
		if (!header_add(h, &line, is_first))
			return false;
	}
	if (h->fields == 0 && h->notes->dropped > 0) {
		line = (struct line){ h->notes->first_dropped, strlen(h->notes->first_dropped), 0 };
		return fault(h->notes, &line, "where a header line is due");
	}
	return true;
}

size_t reply_normalize(const char *block, size_t size, char *out, struct reply_notes *notes)
{
	static const char found[] = "Status: 302 Found\r\n";
	const size_t gap = sizeof found - 1; /* room for found in front */
	struct header h = { .out = out, .size = gap, .notes = notes };
	struct verdict v;

	*notes = (struct reply_notes){ .mended = notes->mended, .sent = notes->sent,
				       .context = notes->context, .added = notes->added,
				       .status = 200, .content_length = -1 };
	if (!header_read(&h, block, block + size))
		return 0;
	v = header_judge(&h, out + gap);
	header_settle(&h, out + gap, &v);
	if (v.lengths_differ || h.encoding)
		notes->content_length = -1;
	if (v.lengths_differ)
		notes->warning = "its Content-Length fields contradict each other";
	else if (h.encoding)
		notes->warning = "it has a Transfer-Encoding, which some web servers do not decode";
	else if (!v.status && !h.location && !h.type && !h.variable)
		notes->warning = "its header has no Content-Type, Location or Status";
	if (h.location && !v.status) {
		memcpy(out, found, gap);
		notes->status = 302;
		tell_mended(notes, &(struct line){ "Location", 8, 0 },
			    "a Status of 302 Found is added to it");
	} else {
		h.size -= gap;
		memmove(out, out + gap, h.size);
	}
	if (notes->added)
		h.size += put_text(out + h.size, notes->added, strlen(notes->added));
	return h.size + put_text(out + h.size, "\r\n", 2);
}

static const char *phrase_of(int status)
{
	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Error";
}

size_t reply_document(char *out, const struct reply_error *e)
{
	const char *phrase = phrase_of(e->status), *tag = e->tag ? e->tag : "";
	int n = snprintf(out, REPLY_DOCUMENT_MOST,
			 "Status: %d %s\r\n%s%s%s%s%sContent-Type: text/plain\r\n"
			 "X-Content-Type-Options: nosniff\r\n\r\n", e->status, phrase,
			 e->status == 503 || e->status == 429 ? "Retry-After: 5\r\n" : "",
			 e->added ? e->added : "", *tag ? "X-Request-Id: " : "", tag,
			 *tag ? "\r\n" : "");

	if (!e->head_only)
		n += snprintf(out + n, REPLY_DOCUMENT_MOST - (size_t)n, "%d %s\r\n%s%s%s%s%s",
			      e->status, phrase, *tag ? "request " : "", tag, *tag ? "\r\n" : "",
			      e->reason ? e->reason : "", e->reason ? "\r\n" : "");
	return n < REPLY_DOCUMENT_MOST ? (size_t)n : REPLY_DOCUMENT_MOST - 1;
}
