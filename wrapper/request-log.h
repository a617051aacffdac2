/*
 * Lines about a request: what its script writes to standard error, and what went
 * wrong. They go to the log, or as FCGI_STDERR to the client. This is the only
 * place that words the beginning of such a line.
 */
#ifndef REQUEST_LOG_H
#define REQUEST_LOG_H

#include "lines.h"
#include "service.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct request_log {
	struct client *client;
	uint16_t id;
	bool sent;     /* FCGI_STDERR was */
	bool ended;    /* the script's standard error is closed */
	char *label;   /* what the script is called; NULL: not known yet */
	pid_t pid;     /* 0: it does not run */
	struct lines lines;
};

/* Names the script: by a label such as "script /path"; by its path, once it is found.
 * Without memory the old name stays. */
void request_log_name(struct request_log *log, const char *label);
void request_log_found(struct request_log *log, const char *path);

/* Says what went wrong, behind the name of the script. *copy, if copy is not NULL, gets
 * the text. */
void request_log_say(struct request_log *log, char **copy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with a text that says by itself what it is about. */
void request_log_tell(struct request_log *log, char **copy, const char *text);

/* Whether there is room to read standard error; reads a piece: true if there
 * was one, and perhaps there is more. */
bool request_log_has_room(const struct request_log *log);
bool request_log_read(struct request_log *log, int errors);

/* After the script's exit: false if there is no room to take all that it has
 * written. Afterwards nothing more is expected. */
bool request_log_drain(struct request_log *log, int errors);

/* What the script said last, in the form "; it said: TEXT", or "". */
const char *request_log_last(const struct request_log *log, char *out, size_t size);

void request_log_free(struct request_log *log);

#endif
