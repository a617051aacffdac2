#include <config.h>

#include "parameters.h"

#include "params.h"
#include "record.h"
#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Records that grow, one behind the other. */
struct records {
	unsigned char *bytes;
	size_t size, room;
	size_t last; /* offset of the last record */
	bool failed; /* no memory */
};

static unsigned char *records_grow(struct records *r, size_t by)
{
	unsigned char *bytes;

	if (r->room - r->size < by) {
		r->room = r->size + by + 4096;
		bytes = realloc(r->bytes, r->room);
		if (!bytes) {
			r->failed = true;
			return NULL;
		}
		r->bytes = bytes;
	}
	r->size += by;
	return r->bytes + r->size - by;
}

static void records_begin(struct records *r, enum record_type type)
{
	unsigned char *header = r->failed ? NULL : records_grow(r, RECORD_HEADER_SIZE);

	if (!header)
		return;
	record_put_header(header, type, VERDICT_ID, 0);
	r->last = r->size - RECORD_HEADER_SIZE;
}

static size_t records_content(const struct records *r)
{
	return r->size - r->last - RECORD_HEADER_SIZE;
}

/* Adds to the last record, or to new ones of its type where that has no room. */
static void records_add(struct records *r, const unsigned char *bytes, size_t size)
{
	while (size > 0 && !r->failed) {
		enum record_type type = r->bytes[r->last + 1];
		size_t room = RECORD_CONTENT_MOST - records_content(r);
		size_t part = size < room ? size : room;
		unsigned char *to = records_grow(r, part);

		if (!to)
			return;
		memcpy(to, bytes, part);
		record_put_header(r->bytes + r->last, type, VERDICT_ID, records_content(r));
		bytes += part;
		size -= part;
		if (size > 0)
			records_begin(r, type);
	}
}

/* PHP wants each pair in one record. Only what is too long for that is cut, and it may lose what
 * follows. */
static void add_pair(struct records *r, const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + PARAMS_LENGTHS_MOST;
	unsigned char *pair = r->failed ? NULL : malloc(size);

	if (!pair) {
		r->failed = true;
		return;
	}
	size = params_put(pair, name, value);
	if (records_content(r) + size > RECORD_CONTENT_MOST)
		records_begin(r, FCGI_PARAMS);
	records_add(r, pair, size);
	free(pair);
}

/* Compares the name of a pair. */
static bool pair_is_named(const char *pair, const char *name)
{
	size_t size = strlen(name);

	return strncmp(pair, name, size) == 0 && pair[size] == '=';
}

const char *parameters_find(const struct parameters *parameters, const char *name)
{
	const char *found = NULL;

	for (char **pair = parameters->pairs; *pair; pair++)
		if (pair_is_named(*pair, name))
			found = strchr(*pair, '=') + 1;
	return found;
}

/* False without memory. */
static bool add_given(struct records *r, const struct parameters *p)
{
	for (char **pair = p->pairs; *pair; pair++) {
		char *name = strndup(*pair, strcspn(*pair, "="));
		const char *value = strchr(*pair, '=') + 1;

		if (!name)
			return false;
		if (parameters_find(p, name) == value)
			add_pair(r, name, value);
		free(name);
	}
	return true;
}

static void add_unless_given(struct records *r, const struct parameters *p, const char *name,
			     const char *value)
{
	if (!parameters_find(p, name))
		add_pair(r, name, value);
}

/* Adds what comes from script and query. False without memory. */
static bool add_script(struct records *r, const struct parameters *p)
{
	const char *mark = strchr(p->script, '?');
	const char *given = parameters_find(p, "QUERY_STRING");
	const char *query = given ? given : mark ? mark + 1 : "";
	size_t path_size = strcspn(p->script, "?");
	size_t above = p->root && strcmp(p->root, "/") != 0 ? strlen(p->root) : 0;
	char *path = strndup(p->script, path_size);
	char *uri = malloc(path_size + strlen(query) + 2);

	if (path && uri) {
		strcpy(uri, path + above);
		if (*query)
			strcat(strcat(uri, "?"), query);
		add_unless_given(r, p, "SCRIPT_FILENAME", path);
		add_unless_given(r, p, "SCRIPT_NAME", path + above);
		add_unless_given(r, p, "DOCUMENT_URI", path + above);
		add_unless_given(r, p, "QUERY_STRING", query);
		add_unless_given(r, p, "REQUEST_URI", uri);
		if (p->root)
			add_unless_given(r, p, "DOCUMENT_ROOT", p->root);
	}
	free(path);
	free(uri);
	return path && uri;
}

/* What web servers always send, of a request that comes from this machine. PHP may ask for
 * REDIRECT_STATUS, WSGI for the server, Go for method and protocol. */
static void add_usual(struct records *r, const struct parameters *p, int64_t body)
{
	char length[24], agent[64];
	const char *const usual[][2] = {
		{ "GATEWAY_INTERFACE", "CGI/1.1" },
		{ "SERVER_PROTOCOL", "HTTP/1.1" },
		{ "SERVER_SOFTWARE", agent },
		{ "SERVER_NAME", "localhost" },
		{ "SERVER_ADDR", "127.0.0.1" },
		{ "SERVER_PORT", "80" },
		{ "REQUEST_SCHEME", "http" },
		{ "REMOTE_ADDR", "127.0.0.1" },
		{ "REMOTE_PORT", "0" },
		{ "REDIRECT_STATUS", "200" },
		{ "HTTP_HOST", "localhost" },
		{ "HTTP_USER_AGENT", agent },
	};

	snprintf(agent, sizeof agent, "%s/%s", p->agent, PACKAGE_VERSION);
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		add_unless_given(r, p, usual[i][0], usual[i][1]);
	add_unless_given(r, p, "REQUEST_METHOD", body > 0 ? "POST" : "GET");
	snprintf(length, sizeof length, "%lld", (long long)body);
	if (body >= 0)
		add_unless_given(r, p, "CONTENT_LENGTH", length);
}

unsigned char *parameters_records(const struct parameters *p, int64_t body, size_t *size)
{
	static const unsigned char begin[RECORD_BODY_SIZE] = { 0, FCGI_RESPONDER };
	struct records r = { .bytes = NULL };

	records_begin(&r, FCGI_BEGIN_REQUEST);
	records_add(&r, begin, sizeof begin);
	records_begin(&r, FCGI_PARAMS);
	add_usual(&r, p, body);
	if (!add_script(&r, p) || !add_given(&r, p))
		r.failed = true;
	records_begin(&r, FCGI_PARAMS);
	if (body <= 0)
		records_begin(&r, FCGI_STDIN);
	if (r.failed) {
		free(r.bytes);
		return NULL;
	}
	*size = r.size;
	return r.bytes;
}
