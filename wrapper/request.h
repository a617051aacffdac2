/*
 * One FastCGI request: from its params to its END_REQUEST.
 *
 * Owned by a connection, which tells it what the client sent and lends it the
 * buffer that its records go to. Owns the program that it runs.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "asking.h"
#include "body.h"
#include "buffer.h"
#include "cgi.h"
#include "lines.h"
#include "queue.h"
#include "record.h"
#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	REQUEST_MOST = 256, /* at once on one connection */
	/* Kept free in the buffer by programs' output, so that a request can end
	 * and a question be answered. */
	REQUEST_RESERVE = 2048
};

enum request_phase {
	REQUEST_PARAMS,   /* its params are arriving */
	REQUEST_STARTING, /* its program may start, once its body allows it */
	REQUEST_WAITING,  /* for a place among the programs that run */
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
	bool keep_connection;
	enum request_phase phase;

	struct buffer *out;
	void (*changed)(void *owner); /* something happened: settle; may free the request */
	void *owner;

	struct asking *asking;

	struct queue_party *party;
	struct queue_entry turn;
	long place; /* among those that wait */

	struct body body;
	int64_t content_length; /* -1: not known before the end */
	int64_t received;
	bool stdin_ended;   /* by the client */
	bool stdin_refused; /* by the program: what still comes is dropped */
	bool lagging;       /* the program has not read for a while */
	bool full;          /* the program's pipe, by what has been moved there */
	bool moved, by_copy; /* something has been, or nothing can be */
	struct deadline lag;

	struct cgi *program;
	bool exited;
	bool head_only;
	char *head; /* the reply's header block while it is not whole */
	size_t head_size;
	bool replied; /* STDOUT was sent */
	bool is_bulk; /* its body comes in large pieces */
	bool output_ended, errors_ended;
	bool errors_sent; /* STDERR was sent */
	struct lines errors;
	struct deadline patience; /* in the queue; and with what exit and the end of
				   * output leave open */
	bool out_of_patience;
	struct deadline time;    /* the longest that the program may run */
	struct deadline silence; /* the longest that no byte may move */
	struct deadline stall;   /* the longest that its client may owe it something */
	struct deadline more_soon; /* set: more of its body is expected soon */

	int status;   /* of the document that answers it, 0: none */
	char *reason; /* for that document, or NULL */
	bool aborted; /* and ends as soon as the buffer lets it */
	bool cut;
	uint32_t app_status;
	enum record_end protocol_status;
};

/* Sets what all requests obey. The settings must stay. */
void request_open(const struct settings *settings);

/* Starts the programs of requests that wait, as far as there are places. To be
 * called when no request is being dealt with. */
void request_serve_queue(void);

/* A new request, or NULL if there is no memory. Its party is its connection's. */
struct request *request_new(uint16_t id, uint8_t role, bool keep_connection, struct buffer *out,
			    struct queue_party *party, void (*changed)(void *), void *owner);

/* Tells what the client sent; false if it may not say that now. */
bool request_tell(struct request *request, enum request_event event, const unsigned char *bytes,
		  size_t size);

/*
 * Has a part of its body move straight from the socket to its program, instead of
 * being read and told. request_can_move() says whether that is worth a try; then
 * request_move_stdin() returns how much was moved, 0 with the socket at its end,
 * or -1 with errno: EAGAIN if it has to wait, else it cannot be done that way.
 */
bool request_can_move(const struct request *request);
ssize_t request_move_stdin(struct request *request, int socket, size_t size);

/* Does what can be done: starts the program, feeds it, ends the request. */
enum request_state request_settle(struct request *request);

/* Whether it waits for nothing but the buffer. */
bool request_waits_for_buffer(const struct request *request);

/* Derives what its program's pipes wait for, and whether its client has to hurry. */
void request_want(struct request *request);

/* Whether its client may be kept waiting for a moment, since the program is
 * reading what has come. */
bool request_holds_back(const struct request *request);

/* Refuses the request since there are too many. */
void request_refuse(struct request *request);

/* Frees it; a program that still runs for it is stopped, or left alone, as the
 * settings say. */
void request_free(struct request *request);

#endif
