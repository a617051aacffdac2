/*
 * A FastCGI responder for small answers: bytes of a client in, bytes for the client out. Pure:
 * knows neither descriptors nor time. One request at a time on a connection, answered as soon as
 * its parameters are known; a body is discarded.
 */
#ifndef RESPONDER_H
#define RESPONDER_H

#include "record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RESPONDER_PARAMS_MOST = 64 * 1024, /* bytes; more are answered 431 */
	RESPONDER_VALUES_MOST = 256        /* bytes of FCGI_GET_VALUES to look at */
};

/* Parameters of a request; "" for one that was not sent. */
struct responder_request {
	const char *script_name, *method, *query, *accept;
};

/* What all connections share. */
struct responder_plan {
	unsigned connections; /* said to be served at a time */
	/* Returns a CGI response in memory for free(), with *size; NULL without memory. */
	char *(*answer)(const struct responder_request *request, size_t *size);
};

/* A connection. Starts as all zero but for the plan. */
struct responder {
	const struct responder_plan *plan;
	struct record_reader reader;
	unsigned char begin[RECORD_BODY_SIZE];
	size_t begin_have;
	uint16_t id; /* of the request whose parameters come; 0: none */
	bool keeps;  /* the connection, after that request */
	char *params;
	size_t params_size, params_room;
	unsigned char values[RESPONDER_VALUES_MOST];
	size_t values_size;
	/* Output. The caller counts what was sent, and calls responder_sent_all() at the end. */
	unsigned char *out;
	size_t out_size, out_sent;
	bool closes; /* to be closed after the output; further input is of no interest */
};

/* Uses up input, advancing *in and reducing *size, until there is output, or all is used up.
 * False if the connection is to be closed: the bytes are not FastCGI, or there is no memory. */
bool responder_take(struct responder *responder, const unsigned char **in, size_t *size);

/* Frees the output. */
void responder_sent_all(struct responder *responder);

/* True between requests: nothing has come since the last answer, and no output is left. */
bool responder_rests(const struct responder *responder);

/* Frees all; the struct may be used again after being set to zero. */
void responder_close(struct responder *responder);

#endif
