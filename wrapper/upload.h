/*
 * A request body, from FCGI_STDIN to the script's standard input. The request owns it until
 * process_start(), the process from then on: bytes received are fed to the script even
 * after the request has ended.
 *
 * Knows no request: the caller acts on the outcomes.
 */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "body.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum upload_outcome {
	UPLOAD_OK,
	UPLOAD_TOO_LARGE,  /* larger than allowed */
	UPLOAD_NO_SPACE,   /* bytes cannot be stored; errno */
	UPLOAD_SHORT,      /* ended before its announced length */
	UPLOAD_UNREADABLE, /* stored bytes cannot be read back; errno */
	UPLOAD_BROKEN      /* error of standard input, but not EPIPE; errno */
};

/* State of standard input. */
enum upload_flow {
	UPLOAD_FLOWING,
	UPLOAD_FULL,   /* pipe is full, or the script is about to start */
	UPLOAD_LAGGING /* full for a while: further bytes are stored */
};

struct upload {
	struct body body;
	int64_t length; /* -1: not known before the end */
	int64_t received;
	bool ended;   /* by the client */
	bool refused; /* by the script: further bytes are dropped */
	bool by_copy; /* splicing failed */
	bool grown;   /* splice_grow() enlarged the pipe */
	enum upload_flow flow;
};

/* Returns an upload of length bytes, -1 if unknown; NULL without memory. */
struct upload *upload_new(int64_t length);
void upload_free(struct upload *upload); /* NULL is fine */

/* Takes a piece of a body of at most most bytes in all. Writes to stdin_fd as much as the
 * pipe takes (-1: not started), and stores the rest. */
enum upload_outcome upload_take(struct upload *upload, int stdin_fd, const unsigned char *bytes,
				size_t size, int64_t most);

/* Takes the end of FCGI_STDIN. */
enum upload_outcome upload_end(struct upload *upload);

/* Writes stored bytes, as much as the pipe takes. */
enum upload_outcome upload_feed(struct upload *upload, int stdin_fd);

/* True if bytes may go from the socket to standard input without being read.
 * upload_splice() moves some: as splice_in(), but with errno EAGAIN if either end has to
 * wait, else ENOTSUP. */
bool upload_can_splice(const struct upload *upload);
ssize_t upload_splice(struct upload *upload, int socket, int stdin_fd, size_t size);

/* State of standard input: the script is about to start; the pipe has room; the pipe has
 * been full for a while. */
void upload_wait(struct upload *upload);
void upload_room(struct upload *upload);
void upload_lag(struct upload *upload);

/* upload_has_all(): the whole body has arrived. upload_is_done(): standard input is to be
 * closed, since all of the body was written, or the script refused it. */
bool upload_has_all(const struct upload *upload);
bool upload_is_done(const struct upload *upload);

/* True if the loop should watch the pipe for room. */
bool upload_wants_room(const struct upload *upload);

/* True if reading from the client should pause, unless the connection has other requests:
 * nothing more can be stored, or a script (has_script) has a full pipe, and should read
 * soon. */
bool upload_holds_back(const struct upload *upload, bool has_script);

#endif
