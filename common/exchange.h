/*
 * A client's side of one FastCGI request: its records and its body go out while the answer comes
 * in, and is passed on, whatever is ready first, so that nobody waits for the other.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "parameters.h"
#include "record.h"
#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	EXCHANGE_IN = 64 * 1024,  /* bytes received at once */
	EXCHANGE_BODY = 32 * 1024 /* of a record of the body, as nginx sends them */
};

/* Bytes on the way to a standard stream. */
struct outlet {
	int fd;
	size_t start, end;
	unsigned char bytes[EXCHANGE_IN];
};

struct exchange {
	/* Set by the caller. */
	struct parameters parameters;
	const char *peer; /* for messages */
	int64_t timeout;  /* milliseconds for all; 0: no limit */
	int socket;       /* connected, non-blocking; the caller's to close */
	/* Takes a piece of the response, at most EXCHANGE_IN bytes in a row, while the outlets are
	 * empty; NULL: it is dropped, and FCGI_STDERR too. */
	void (*take)(struct exchange *exchange, const unsigned char *piece, size_t size);

	/* Afterwards: how it went. */
	struct verdict verdict;
	bool broken; /* see verdict.fault */
	bool closed; /* the connection, by the peer */
	int error;   /* that it was closed with, or 0 */

	/* Its own. */
	int64_t deadline; /* milliseconds of CLOCK_MONOTONIC; 0: none */
	FILE *spool;       /* for a body of unknown size, or NULL */
	int body;          /* what is sent is read from this descriptor; -1: no more */
	int64_t body_size; /* -1: there is none, and nothing is said of it */
	int64_t body_left; /* bytes to be read */
	unsigned char *records;     /* up to the end of the parameters */
	const unsigned char *sends; /* what is being sent, of records or chunk */
	size_t unsent;
	unsigned char chunk[RECORD_HEADER_SIZE + EXCHANGE_BODY + RECORD_HEADER_SIZE];
	struct outlet output, errors;
	bool error_line; /* has begun, and not ended */
};

enum exchange_outcome {
	EXCHANGE_GOES_ON,
	EXCHANGE_OVER,  /* the request or the connection has ended, or the answer is broken */
	EXCHANGE_LATE,  /* the time is over; reported */
	EXCHANGE_FAILED /* a standard stream, or the system; reported */
};

/* Begins the time, and makes the request. A body of unknown size is read from standard input until
 * it ends. EXCHANGE_GOES_ON if all is ready. */
enum exchange_outcome exchange_prepare(struct exchange *exchange);

/* Milliseconds; 0 when the time is over, -1 without a limit. */
int exchange_time_left(const struct exchange *exchange);

/* Makes the exchange, and returns when what has come is written. */
enum exchange_outcome exchange_run(struct exchange *exchange);

/* Puts bytes of a piece on the way to standard output; for take(). */
void exchange_put_output(struct exchange *exchange, const unsigned char *bytes, size_t size);

void exchange_free(struct exchange *exchange);

#endif
