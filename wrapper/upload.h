/*
 * A request body, from FCGI_STDIN to the script's standard input. It belongs to
 * the request until the script starts, and to the script from then on: what
 * has come is fed to it to the end, whether there still is a request or not.
 *
 * Knows no request: its outcomes are for the caller to decide on.
 */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "body.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum upload_outcome {
	UPLOAD_OK,
	UPLOAD_TOO_LARGE,  /* more than allowed */
	UPLOAD_NO_SPACE,   /* bytes of it are lost; errno */
	UPLOAD_SHORT,      /* it has ended before its announced length */
	UPLOAD_UNREADABLE, /* what was kept cannot be read back; errno */
	UPLOAD_BROKEN      /* the script's standard input cannot be written to; errno */
};

/* How the script takes it. */
enum upload_flow {
	UPLOAD_FLOWING,
	UPLOAD_FULL,   /* its pipe is full, or it is about to start */
	UPLOAD_LAGGING /* and not for a while: what comes is stored */
};

struct upload {
	struct body body;
	int64_t length; /* -1: not known before the end */
	int64_t received;
	bool ended;   /* by the client */
	bool refused; /* by the script: what still comes is dropped */
	bool by_copy; /* it cannot be spliced */
	bool grown;   /* the pipe was made larger for it */
	enum upload_flow flow;
};

/* A body of that length, or NULL if there is no memory. */
struct upload *upload_new(int64_t length);
void upload_free(struct upload *upload); /* NULL is fine */

/* Takes a piece of at most most bytes in all; passes it to stdin, the script's
 * standard input, as far as that takes it (-1: it has not started). */
enum upload_outcome upload_take(struct upload *upload, int stdin_fd, const unsigned char *bytes,
				size_t size, int64_t most);

/* The client has ended it. */
enum upload_outcome upload_end(struct upload *upload);

/* Passes on what has been kept. */
enum upload_outcome upload_feed(struct upload *upload, int stdin_fd);

/* Whether a piece may go from the socket to standard input without being read; and
 * does that, as splice_in(). */
bool upload_can_splice(const struct upload *upload);
ssize_t upload_splice(struct upload *upload, int socket, int stdin_fd, size_t size);

/* The script is about to start, and takes nothing before; its pipe has room again; and
 * it has had none for a while. */
void upload_wait(struct upload *upload);
void upload_room(struct upload *upload);
void upload_lag(struct upload *upload);

/* Whether all of it has come; and whether all of it has been passed on, or is not
 * wanted, so that standard input is to be closed. */
bool upload_has_all(const struct upload *upload);
bool upload_is_done(const struct upload *upload);

/* Whether bytes wait for room in the pipe. */
bool upload_wants_room(const struct upload *upload);

/* Whether a client that sends nothing else should wait: the script, if there is one, is
 * reading what has come or soon will, or there is no room for more. */
bool upload_holds_back(const struct upload *upload, bool has_script);

#endif
