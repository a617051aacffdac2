/*
 * One FastCGI request: from its FCGI_PARAMS to its FCGI_END_REQUEST.
 *
 * A table says what each event means in each phase; the parts (what is asked for,
 * admission, upload, response, log, process) return outcomes, and are decided
 * upon here. Owned by a connection, which tells it what the client does.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "admission.h"
#include "asking.h"
#include "process.h"
#include "record.h"
#include "request-log.h"
#include "response.h"
#include "service.h"
#include "upload.h"

#include <stdbool.h>
#include <stdint.h>

enum { REQUEST_MOST = 256 /* at once on one connection */ };

enum request_phase {
	REQUEST_PARAMS,    /* FCGI_PARAMS arrive */
	REQUEST_BODY,      /* of unknown length: the script starts when it is whole */
	REQUEST_DUE,       /* its script is to start */
	REQUEST_WAITING,   /* for a slot */
	REQUEST_LAUNCHING, /* its script is being found and executed */
	REQUEST_RUNNING,
	REQUEST_ENDING,    /* its end is known, and waits for room in the buffer */
	REQUEST_PHASES
};

/* What the client does. */
enum request_event {
	REQUEST_GETS_PARAMS,
	REQUEST_ENDS_PARAMS,
	REQUEST_GETS_STDIN,
	REQUEST_ENDS_STDIN,
	REQUEST_ABORT,
	REQUEST_CLIENT_GONE,
	REQUEST_EVENTS
};

/* One timer, one meaning; see the table in request.c. */
enum request_timer {
	TIMER_QUEUE,   /* it waits for a slot */
	TIMER_LAUNCH,  /* its script has not been executed yet */
	TIMER_TIME,    /* its script runs */
	TIMER_SILENCE, /* no byte moves between script and client */
	TIMER_CLIENT,  /* only the client can bring it on */
	TIMER_EXIT,    /* the script has closed its output, and not exited */
	TIMER_DRAIN,   /* the script has exited, and others hold its output open */
	TIMER_MORE,    /* more of its body may come soon */
	TIMER_LAG,     /* the script has not taken the last piece of its body */
	REQUEST_TIMERS
};

enum request_state {
	REQUEST_GOES_ON,
	REQUEST_ENDED,
	REQUEST_CUT /* no end can be told: the client is to notice that */
};

struct request {
	struct request *next; /* of the same connection */
	struct client *client;
	uint16_t id;
	bool keep_connection;
	enum request_phase phase;
	long unfinished; /* its slot among requests that are not whole, or SLOT_NONE */
	struct asking *asking; /* until the script has started */
	struct ticket ticket;
	struct upload *upload;   /* the process's, once there is one; NULL: no body */
	struct process *process; /* from LAUNCHING on; NULL: it has let go of it */
	struct response response;
	struct request_log log;
	struct timer {
		struct deadline deadline;
		struct request *request;
	} timers[REQUEST_TIMERS];
	unsigned touched; /* timers to restart, as bits */
	bool stdin_ended, waited, overdue, exited, exit_waited, aborted;
	struct {
		int status;   /* of the document that answers it, 0: none */
		char *reason; /* for that document, or NULL */
		bool cut;
		uint32_t app_status;
	} end;
};

/* Starts the scripts of requests that wait, as far as there are slots. To be
 * called at the end of a turn. */
void request_serve_queue(struct service *service);

/* A new request, or NULL if there is no memory. */
struct request *request_new(struct client *client, uint16_t id, uint8_t role,
			    bool keep_connection);

/* Tells what the client does; false if it may not do that now. */
bool request_tell(struct request *request, enum request_event event, const unsigned char *bytes,
		  size_t size);

/*
 * Has a part of its body go straight from the socket to its script, instead of
 * being read and told. request_can_splice() says whether that is worth a try;
 * request_splice_stdin() is as splice_in().
 */
bool request_can_splice(const struct request *request);
ssize_t request_splice_stdin(struct request *request, int socket, size_t size);

/* Does what can be done: starts the script, feeds it, ends the request. */
enum request_state request_update(struct request *request);

/* Bytes of the request moved: to its client, or to or from its script. */
void request_touch(struct request *request);

/* Whether it waits for nothing but the buffer. */
bool request_waits_for_buffer(const struct request *request);

/* Derives what its script's pipes wait for, and its timers. */
void request_derive(struct request *request);

/* Whether its client may be kept waiting, since the script is reading what has
 * come, or there is no room for more. */
bool request_holds_back(const struct request *request);

/* Whether the client has sent all of it that its script reads. */
bool request_is_received(const struct request *request);

/* Refuses a new request with 503 if there are too many: beside so many others on its connection,
 * or in all that are not whole yet. */
void request_refuse_beyond(struct request *request, size_t on_connection);

/* A request that is REQUEST_CUT ends although its connection stays for others: the
 * record that says so, if the buffer has room. */
bool request_put_failed_end(struct request *request);

/* Frees it; it has ended, or its client is gone. */
void request_free(struct request *request);

#endif
