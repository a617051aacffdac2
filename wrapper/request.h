/*
 * One FastCGI request: from its params to its END_REQUEST.
 *
 * Owned by a connection, which tells it what the client sent and lends it the
 * buffer that its records go to. Owns the program that it runs.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "body.h"
#include "buffer.h"
#include "cgi.h"
#include "environment.h"
#include "record.h"
#include "script.h"
#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Kept free in the buffer by programs' output, so that a request can end
	 * and a question be answered. */
	REQUEST_RESERVE = 2048,
	REQUEST_PARAMS_MOST = 128 * 1024
};

enum request_phase {
	REQUEST_PARAMS,   /* its params are arriving */
	REQUEST_STARTING, /* its program may start, once its body allows it */
	REQUEST_RUNNING,
	REQUEST_ENDING, /* its end is known, and waits for room in the buffer */
	REQUEST_PHASES
};

/* What the client can say of a request. */
enum request_event {
	REQUEST_GETS_PARAMS,
	REQUEST_ENDS_PARAMS,
	REQUEST_GETS_STDIN,
	REQUEST_ENDS_STDIN,
	REQUEST_ABORT,
	REQUEST_EVENTS
};

enum request_state { REQUEST_GOES_ON, REQUEST_ENDED, REQUEST_CUT /* nothing more can be said */ };

struct request {
	struct request *next; /* of the same connection */
	uint16_t id;
	uint8_t role;
	bool keep_connection;
	enum request_phase phase;

	struct buffer *out;
	void (*changed)(void *owner); /* something happened: settle; may free the request */
	void *owner;

	char *params; /* as they come; later what the environment points into */
	size_t params_size, params_room;
	struct environment environment;
	struct script script;

	struct body body;
	int64_t content_length; /* -1: not known before the end */
	int64_t received;
	bool stdin_ended;   /* by the client */
	bool stdin_refused; /* by the program: what still comes is dropped */

	struct cgi *program;
	bool exited;
	bool head_only;
	char *head; /* the reply's header block while it is not whole */
	size_t head_size;
	bool replied;     /* STDOUT was sent */
	bool output_ended, errors_ended;
	bool errors_sent; /* STDERR was sent */
	char *line; /* of standard error, not ended yet */
	size_t line_size;
	char last_line[160]; /* of standard error */
	struct deadline patience; /* with what exit and the end of output leave open */
	bool out_of_patience;

	int status; /* of the document that answers it, 0: none */
	bool cut;
	uint32_t app_status;
	enum record_end protocol_status;
};

/* Sets what all requests obey. The settings must stay. */
void request_open(const struct settings *settings);

/* A new request, or NULL if there is no memory. */
struct request *request_new(uint16_t id, uint8_t role, bool keep_connection, struct buffer *out,
			    void (*changed)(void *), void *owner);

/* Tells what the client sent; false if it may not say that now. */
bool request_tell(struct request *request, enum request_event event, const unsigned char *bytes,
		  size_t size);

/* Does what can be done: starts the program, feeds it, ends the request. */
enum request_state request_settle(struct request *request);

/* Derives what its program's pipes wait for. */
void request_want(struct request *request);

/* Frees it; a program that still runs for it is stopped. */
void request_free(struct request *request);

#endif
