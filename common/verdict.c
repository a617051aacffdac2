#include <config.h>

#include "verdict.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The header of the response. */

static size_t line_kept(const struct verdict *v)
{
	return v->line_size < sizeof v->line ? v->line_size : sizeof v->line - 1;
}

static bool is_decimal(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes "503 Service Unavailable". False if that is no status. */
static bool take_http_status(struct verdict *v, const char *text)
{
	text += strspn(text, " \t");
	if (text[0] < '1' || text[0] > '9' || !is_decimal(text[1]) || !is_decimal(text[2]) ||
	    is_decimal(text[3]))
		return false;
	v->status = (text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0';
	snprintf(v->reason, sizeof v->reason, "%s", text);
	return true;
}

/* Takes a line that is not empty. Web servers also know a line of HTTP as the first one, and lines
 * that continue the last one. */
static bool take_header_line(struct verdict *v)
{
	static const char field[] = "Status:", protocol[] = "HTTP/";
	const char *line = v->line, *blank = strchr(line, ' ');

	if (strncasecmp(line, field, sizeof field - 1) == 0)
		return take_http_status(v, line + sizeof field - 1);
	if (!v->later_line && strncmp(line, protocol, sizeof protocol - 1) == 0)
		return blank && take_http_status(v, blank);
	if (v->later_line && (line[0] == ' ' || line[0] == '\t'))
		return true;
	return line[0] != ':' && (strchr(line, ':') || v->line_size >= sizeof v->line);
}

static void end_header_line(struct verdict *v)
{
	size_t size = line_kept(v);

	if (size > 0 && size == v->line_size && v->line[size - 1] == '\r')
		size = --v->line_size;
	v->line[size] = '\0';
	if (size == 0)
		v->header = VERDICT_HEADER_WHOLE;
	else if (!take_header_line(v))
		v->header = VERDICT_HEADER_BAD;
	v->later_line = true;
	v->line_size = 0;
}

static void take_response(struct verdict *v, const unsigned char *bytes, size_t size)
{
	if (v->header == VERDICT_HEADER_NONE)
		v->header = VERDICT_HEADER_OPEN;
	for (size_t i = 0; i < size && v->header == VERDICT_HEADER_OPEN; i++) {
		if (bytes[i] == '\n') {
			end_header_line(v);
			continue;
		}
		if (v->line_size < sizeof v->line - 1)
			v->line[v->line_size] = (char)bytes[i];
		v->line_size++;
	}
}

/* Records. */

static enum verdict_event broken(struct verdict *v, const char *fault)
{
	snprintf(v->fault, sizeof v->fault, "%s", fault);
	return VERDICT_BROKEN;
}

/* Programs say more about themselves in management records (id 0) unasked; these are no fault. */
static enum verdict_event begin_answer(struct verdict *v)
{
	const struct record *r = &v->reader.record;

	if (r->version != RECORD_VERSION) {
		snprintf(v->fault, sizeof v->fault, "\"%.*s\" where a record should begin",
			 (int)sizeof v->reader.header, (const char *)v->reader.header);
		return VERDICT_BROKEN;
	}
	v->any = true;
	if (r->id == 0)
		return VERDICT_NOTHING;
	if (r->id != VERDICT_ID) {
		snprintf(v->fault, sizeof v->fault, "a record for request %u, which was not made",
			 r->id);
		return VERDICT_BROKEN;
	}
	if (r->type == FCGI_STDOUT)
		return v->output_ended && r->content_length > 0
		       ? broken(v, "FCGI_STDOUT after its end") : VERDICT_NOTHING;
	if (r->type == FCGI_STDERR)
		return VERDICT_NOTHING;
	if (r->type == FCGI_END_REQUEST)
		return r->content_length < RECORD_BODY_SIZE
		       ? broken(v, "an FCGI_END_REQUEST that is too short") : VERDICT_NOTHING;
	snprintf(v->fault, sizeof v->fault, "%s (type %u), which only web servers send or nobody",
		 record_type_name(r->type), r->type);
	return VERDICT_BROKEN;
}

static enum verdict_event take_piece(struct verdict *v, const unsigned char *bytes, size_t size)
{
	size_t room = sizeof v->end - v->end_have;

	if (v->reader.record.id == 0)
		return VERDICT_NOTHING;
	switch (v->reader.record.type) {
	case FCGI_STDOUT:
		take_response(v, bytes, size);
		return VERDICT_OUTPUT;
	case FCGI_STDERR:
		return VERDICT_ERROR;
	default:
		memcpy(v->end + v->end_have, bytes, size < room ? size : room);
		v->end_have += size < room ? size : room;
		return VERDICT_NOTHING;
	}
}

static enum verdict_event end_answer(struct verdict *v)
{
	const struct record *r = &v->reader.record;

	if (r->id == 0)
		return VERDICT_NOTHING;
	if (r->type == FCGI_STDOUT && r->content_length == 0)
		v->output_ended = true;
	if (r->type != FCGI_END_REQUEST)
		return VERDICT_NOTHING;
	v->ended = true;
	return VERDICT_END;
}

enum verdict_event verdict_take(struct verdict *v, const unsigned char **in, size_t *size,
				const unsigned char **piece, size_t *length)
{
	enum verdict_event event = VERDICT_NOTHING;

	while (event == VERDICT_NOTHING) {
		switch (record_read(&v->reader, in, size, piece, length)) {
		case RECORD_NOTHING:
			return VERDICT_NOTHING;
		case RECORD_BEGIN:
			event = begin_answer(v);
			break;
		case RECORD_CONTENT:
			event = take_piece(v, *piece, *length);
			break;
		case RECORD_END:
			event = end_answer(v);
			break;
		}
	}
	return event;
}

enum record_end verdict_protocol_status(const struct verdict *v)
{
	return (enum record_end)v->end[4];
}
