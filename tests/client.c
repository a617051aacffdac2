#include <config.h>

#undef calloc
#undef realloc
#undef free

#include "client.h"

#include "params.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client_of_world client;

void client_open(const struct settings *settings)
{
	for (size_t i = 0; i < CLIENT_IDS; i++)
		free(client.answers[i].out);
	memset(&client, 0, sizeof client);
	for (size_t i = 0; i < CLIENT_IDS; i++)
		client.answers[i].out = calloc(1, 1);
	world_open(settings);
	client.fd = world_connect();
}

bool client_bytes(const void *bytes, size_t size)
{
	return world_put(client.fd, bytes, size) == (ssize_t)size;
}

bool client_record(unsigned type, uint16_t id, const void *content, size_t size)
{
	unsigned char header[RECORD_HEADER_SIZE];

	record_put_header(header, (enum record_type)type, id, size);
	return client_bytes(header, sizeof header) && client_bytes(content, size);
}

void client_ask(uint16_t id, long length, unsigned flags)
{
	const unsigned char begin[RECORD_BODY_SIZE] = {
		0, flags & CLIENT_AUTHORIZER ? FCGI_AUTHORIZER : FCGI_RESPONDER,
		flags & CLIENT_KEEP ? FCGI_KEEP_CONN : 0
	};
	unsigned char params[256];
	char number[24];
	size_t size = params_put(params, "SCRIPT_FILENAME", "/script");

	size += params_put(params + size, "REQUEST_METHOD",
			   flags & CLIENT_HEAD ? "HEAD" : length ? "POST" : "GET");
	if (flags & CLIENT_PAGE)
		size += params_put(params + size, "SCRIPT_NAME", WORLD_PAGE);
	if (client.address)
		size += params_put(params + size, "REMOTE_ADDR", client.address);
	snprintf(number, sizeof number, "%ld", length);
	if (length > 0)
		size += params_put(params + size, "CONTENT_LENGTH", number);
	client_record(FCGI_BEGIN_REQUEST, id, begin, sizeof begin);
	client_record(FCGI_PARAMS, id, params, size);
	client_record(FCGI_PARAMS, id, "", 0);
	world_turn();
}

void client_body(uint16_t id, const void *bytes, size_t size)
{
	client_record(FCGI_STDIN, id, bytes, size);
	world_turn();
}

void client_end_body(uint16_t id)
{
	client_record(FCGI_STDIN, id, "", 0);
	world_turn();
}

static void take_content(const unsigned char *bytes, size_t size)
{
	struct answer *a = &client.answers[client.reader.record.id % CLIENT_IDS];
	size_t most = sizeof client.content - client.content_size;

	memcpy(client.content + client.content_size, bytes, size < most ? size : most);
	client.content_size += size < most ? size : most;
	if (client.reader.record.type == FCGI_STDOUT) {
		a->out = realloc(a->out, a->size + size + 1);
		memcpy(a->out + a->size, bytes, size);
		a->size += size;
		a->out[a->size] = '\0';
	} else if (client.reader.record.type == FCGI_STDERR) {
		most = sizeof a->error - 1 - a->error_size;
		memcpy(a->error + a->error_size, bytes, size < most ? size : most);
		a->error_size += size < most ? size : most;
	}
}

static void take_record(void)
{
	struct answer *a = &client.answers[client.reader.record.id % CLIENT_IDS];
	const unsigned char *c = client.content;

	switch (client.reader.record.type) {
	case FCGI_STDERR:
		a->error_open = client.content_size > 0;
		break;
	case FCGI_END_REQUEST:
		world_expect(!a->error_open, "FCGI_STDERR does not end before its request");
		a->ends++;
		a->app_status = (uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 |
				(uint32_t)c[2] << 8 | c[3];
		a->protocol_status = c[4];
		break;
	case FCGI_GET_VALUES_RESULT:
		client.results++;
		memcpy(client.values, c, client.content_size);
		client.values_size = client.content_size;
		break;
	case FCGI_UNKNOWN_TYPE:
		client.unknown++;
		break;
	}
}

/* False if nothing came. */
static bool client_read(void)
{
	static unsigned char bytes[64 * 1024];
	const unsigned char *in = bytes, *content;
	ssize_t n = client.fd < 0 ? -1 : world_get(client.fd, bytes, sizeof bytes);
	size_t size = n > 0 ? (size_t)n : 0, length;
	enum record_event event;

	if (n == 0)
		client.closed = true;
	while ((event = record_read(&client.reader, &in, &size, &content, &length)))
		if (event == RECORD_BEGIN)
			client.content_size = 0;
		else if (event == RECORD_CONTENT)
			take_content(content, length);
		else
			take_record();
	return n > 0;
}

void client_run(void)
{
	do
		world_run();
	while (client_read());
}

struct answer *client_answer(uint16_t id)
{
	client_run();
	return &client.answers[id % CLIENT_IDS];
}

struct world_script *client_start(uint16_t id, unsigned flags)
{
	struct world_script *script;

	client_ask(id, 0, flags);
	script = world_start();
	client_run();
	return script;
}

void script_says(struct world_script *script, const char *text)
{
	if (world_put(script->ends[1], text, strlen(text)) != (ssize_t)strlen(text))
		world_expect(false, "a script cannot write");
	client_run();
}

void script_closes(struct world_script *script, int number)
{
	world_end_output(script, number);
	client_run();
}

void script_exits(struct world_script *script, int status)
{
	world_exit(script, status);
	client_run();
}

bool was_terminated(const struct world_script *script)
{
	return script->signals & (1u << SIGTERM | 1u << SIGKILL);
}

bool is_document(uint16_t id, int status)
{
	const struct answer *a = client_answer(id);
	char line[32];

	snprintf(line, sizeof line, "Status: %d ", status);
	return a->ends == 1 && strncmp(a->out, line, strlen(line)) == 0;
}

bool was_reported(const char *text)
{
	return strstr(world.report, text);
}

bool client_close(void)
{
	const char *left = NULL;

	world.refuse = NULL;
	if (client.fd >= 0)
		world_close(client.fd);
	client.fd = -1;
	for (int i = 0; i < 20 && !world.fault; i++) {
		while (world_start())
			world_run();
		for (struct world_script *s = world.scripts; s < world.scripts + WORLD_SCRIPTS; s++) {
			if (!s->pid)
				continue;
			if (s->job)
				world_tell(s);
			world_exit(s, 0);
			world_end_helpers(s);
		}
		world_pass(10000);
		left = world_find_remains();
		if (!left)
			break;
	}
	if (world.fault || left)
		printf("# %s\n", world.fault ? world.fault : left);
	return !world.fault && !left;
}
