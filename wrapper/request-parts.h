/*
 * What the files of a request share: request.c (its phases), request-body.c (to
 * the program) and request-reply.c (from it).
 */
#ifndef REQUEST_PARTS_H
#define REQUEST_PARTS_H

#include "request.h"

extern const struct settings *request_settings;

/* How messages call it. */
const char *request_name(const struct request *request);

/* Says what went wrong, in the log or, if asked for, to the client. */
void request_complain(struct request *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Nothing more will happen to the request but its end. An error status makes a
 * document if nothing was sent yet; else the connection is cut, so that the
 * client does not take a part for the whole. A program that runs is stopped.
 */
void request_conclude(struct request *r, int status);

/* Complains, and concludes with the same text as the reason. */
void request_fail(struct request *r, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The program can no longer answer this request: it may go on without us. */
void request_dismiss(struct request *r);

/* A byte moved between program and client. */
void request_stir(struct request *r);

/* request-body.c */

/* What the client says; both are cells of the table in request.c. */
bool request_take_stdin(struct request *r, const unsigned char *bytes, size_t size);
bool request_end_stdin(struct request *r, const unsigned char *bytes, size_t size);

/* See request_move_stdin(). */
ssize_t request_fill(struct request *r, int socket, size_t size);

/* Whether all has come that the program is to read. */
bool request_has_all_stdin(const struct request *r);

/* Passes on what has been kept, and closes the program's input behind the last
 * byte. */
void request_feed(struct request *r);

/* request-reply.c */

bool request_has_room(const struct request *r, size_t size);
void request_put_record(struct request *r, enum record_type type, const char *bytes, size_t size);

/* The records that end the request; the caller has seen to the room. */
void request_put_end(struct request *r);

/* Whether there is room to read the program's output, or its standard error. */
bool request_has_room_for_output(const struct request *r);
bool request_has_room_for_errors(const struct request *r);

/* Reads a piece of them. */
void request_read_output(struct request *r);
void request_read_errors(struct request *r);

/* After the program's exit: whether all that it said on standard error was taken. */
bool request_drain_errors(struct request *r);

/* The output ends here, whether others hold it open or not. */
void request_end_output(struct request *r);

#endif
