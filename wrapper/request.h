/*
 * A FastCGI request, from FCGI_PARAMS to FCGI_END_REQUEST.
 *
 * A table has a function for each event in each phase; the parts (asking,
 * admission, upload, response, log, process) return outcomes, on which the request
 * decides. A connection owns its requests, and passes the client's events on.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "access-log.h"
#include "admission.h"
#include "asking.h"
#include "describer.h"
#include "process.h"
#include "record.h"
#include "request-log.h"
#include "response.h"
#include "scoreboard.h"
#include "service.h"
#include "upload.h"

#include <stdbool.h>
#include <stdint.h>

enum { REQUEST_MOST = 256 /* at once on one connection */ };

enum request_phase {
	REQUEST_PARAMS,    /* FCGI_PARAMS arrive */
	REQUEST_BODY,      /* body of unknown length: no start before FCGI_STDIN has ended */
	REQUEST_DUE,       /* script is to start */
	REQUEST_WAITING,   /* for a slot */
	REQUEST_LAUNCHING, /* script is being found and executed */
	REQUEST_RUNNING,
	REQUEST_ENDING,    /* end is known, and waits for room in the buffer */
	REQUEST_PHASES
};

/* Events from the client. */
enum request_event {
	REQUEST_GETS_PARAMS,
	REQUEST_ENDS_PARAMS,
	REQUEST_GETS_STDIN,
	REQUEST_ENDS_STDIN,
	REQUEST_ABORT,
	REQUEST_CLIENT_GONE,
	REQUEST_EVENTS
};

/* See the table of timers in request.c. */
enum request_timer {
	TIMER_QUEUE,   /* the request waits for a slot */
	TIMER_LAUNCH,  /* the script has not been executed yet */
	TIMER_TIME,    /* the script runs */
	TIMER_SLOW,    /* the script runs, and has not been described */
	TIMER_SILENCE, /* no byte moves between script and client */
	TIMER_CLIENT,  /* only the client can go on */
	TIMER_EXIT,    /* the script has closed output and error, and not exited */
	TIMER_DRAIN,   /* the script has exited, and others hold its output open */
	TIMER_MORE,    /* more of the body may come soon */
	TIMER_LAG,     /* the script does not take the body */
	REQUEST_TIMERS
};

enum request_state {
	REQUEST_GOES_ON,
	REQUEST_ENDED,
	REQUEST_CUT /* no regular end: the client must notice a cut response */
};

struct request {
	struct request *next; /* of the same connection */
	struct client *client;
	uint16_t id;
	bool keep_connection;
	enum request_phase phase;
	long unfinished; /* slot of SLOT_UNFINISHED, or SLOT_NONE */
	struct asking *asking; /* NULL while the process owns it */
	struct ticket ticket;
	struct upload *upload;   /* the process's while there is one; NULL: no body */
	struct process *process; /* from LAUNCHING on; NULL: detached or terminated */
	struct response response;
	struct request_log log;
	struct score score;
	bool slow; /* for --slow-log */
	struct description *description; /* in the making, or NULL */
	struct {
		struct access_values *values; /* NULL: none is kept */
		bool suppressed, warm;
		bool ended; /* the script, with what follows */
		int how;    /* as wait(2) says it */
		struct os_usage usage;
	} access;
	struct timer {
		struct deadline deadline;
		struct request *request;
	} timers[REQUEST_TIMERS];
	unsigned touched; /* timers to restart, as bits */
	bool stdin_ended, waited, overdue, exited, exit_waited, aborted;
	struct {
		int status;   /* of an error response; 0: none */
		char *reason; /* for an error response, or NULL */
		char *page;   /* status page, with its header; NULL: none */
		size_t page_size, page_at;
		bool cut;
		uint32_t app_status;
	} end;
};

/* Starts scripts of waiting requests, as far as there are slots. Call at the end of
 * a turn. */
void request_serve_queue(struct service *service);

/* Returns a new request, for request_free(); NULL without memory. */
struct request *request_new(struct client *client, uint16_t id, uint8_t role,
			    bool keep_connection);

/* Handles an event; false if the client breaks the protocol by it. */
bool request_tell(struct request *request, enum request_event event, const unsigned char *bytes,
		  size_t size);

/* True if request_splice_stdin() is worth a try. */
bool request_can_splice(const struct request *request);

/*
 * Moves a part of the body from the socket to the script by splice_in(), without
 * request_tell(). Returns the number of bytes, 0
 * at the end of the socket, or -1 with errno: EAGAIN if socket or pipe has to be waited
 * for, ENOTSUP if the body has to be read.
 */
ssize_t request_splice_stdin(struct request *request, int socket, size_t size);

/* Goes on as far as possible: starts the script, feeds the body, ends the request. */
enum request_state request_update(struct request *request);

/* Touches TIMER_SILENCE: bytes moved to the client, or to or from the script. */
void request_touch(struct request *request);

/* True if the request waits for nothing but room in the buffer. */
bool request_waits_for_buffer(const struct request *request);

/* Derives interest in the script's pipes, and timers. */
void request_derive(struct request *request);

/* True if the client may be kept waiting, since the script still reads the body
 * received so far, or there is no room for more. */
bool request_holds_back(const struct request *request);

/* True if the client has sent all that the script reads. */
bool request_is_received(const struct request *request);

/* Refuses a new request with 503, if there are too many others on the connection, or too many
 * requests in all that are not whole yet. */
void request_refuse_beyond(struct request *request, size_t on_connection);

/* Puts FCGI_END_REQUEST with FCGI_OVERLOADED for a REQUEST_CUT request, whose connection
 * stays for others. False without room in the buffer. */
bool request_put_failed_end(struct request *request);

/* Frees a request that has ended, or was told REQUEST_CLIENT_GONE. */
void request_free(struct request *request);

#endif
