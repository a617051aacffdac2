/*
 * A client of a world (world.h), for tests that read as conversations: it sends records, and keeps
 * what comes by request.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "record.h"
#include "world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT_IDS = 300 };

/* What has come for a request. */
struct answer {
	char *out; /* of FCGI_STDOUT, with a NUL behind it; never NULL */
	size_t size;
	char error[512]; /* of FCGI_STDERR, its beginning */
	size_t error_size;
	bool error_open; /* it has begun, and not ended */
	unsigned ends; /* END_REQUEST records */
	uint32_t app_status;
	unsigned protocol_status;
};

struct client_of_world {
	int fd;      /* -1: it has closed, or was closed */
	bool closed; /* by the program */
	const char *address; /* told as REMOTE_ADDR from now on, or NULL */
	struct record_reader reader;
	struct answer answers[CLIENT_IDS]; /* of the request that has the id now */
	unsigned char content[64]; /* of the record that comes, its beginning */
	size_t content_size;
	unsigned results, unknown; /* GET_VALUES_RESULT and UNKNOWN_TYPE records */
	char values[256];          /* the content of the last result */
	size_t values_size;
};

/* A world with these settings and one client that is connected. */
extern struct client_of_world client;
void client_open(const struct settings *settings);

/* Sends a record, or bytes as they are: false if not all of it was taken. No turn is made. */
bool client_record(unsigned type, uint16_t id, const void *content, size_t size);
bool client_bytes(const void *bytes, size_t size);

/* A request up to the end of its FCGI_PARAMS, and a turn of the loop. Its method is POST if it is
 * to have a body: of so many bytes, -1 if that is not told. CLIENT_PAGE is for WORLD_PAGE. */
enum { CLIENT_KEEP = 1, CLIENT_HEAD = 2, CLIENT_AUTHORIZER = 4, CLIENT_PAGE = 8 };
void client_ask(uint16_t id, long length, unsigned flags);

/* A part of the body; its end. Each with a turn. */
void client_body(uint16_t id, const void *bytes, size_t size);
void client_end_body(uint16_t id);

/* Has the loop run, and reads all that comes, until nothing does. */
void client_run(void);

/* The answer so far, after client_run(). */
struct answer *client_answer(uint16_t id);

/* A request without a body whose script runs. */
struct world_script *client_start(uint16_t id, unsigned flags);

/* What a script does, and then client_run(). */
void script_says(struct world_script *script, const char *text);
void script_closes(struct world_script *script, int number);
void script_exits(struct world_script *script, int status);

/* Whether a script was told to end, and whether a document with this status came. */
bool was_terminated(const struct world_script *script);
bool is_document(uint16_t id, int status);

/* Whether the last report has this text in it. */
bool was_reported(const char *text);

/* All that is left ends: a test begins with a clean world. False, with a line of the report of
 * tests, if something remains or the world has found a fault. */
bool client_close(void);

#endif
