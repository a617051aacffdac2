/*
 * Lines about a request: the script's standard error, and errors. Lines go to the
 * log, or as FCGI_STDERR to the client (--stderr-to-client), and begin with the script and
 * the process. Refusals by script.c and reasons of a failed start name the script themselves.
 */
#ifndef REQUEST_LOG_H
#define REQUEST_LOG_H

#include "lines.h"
#include "report.h"
#include "service.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct request_log {
	struct client *client;
	uint16_t id;
	bool sent;     /* FCGI_STDERR was put into the buffer */
	bool ended;    /* the script's standard error is closed */
	char client_address[64];
	int status;    /* of the error response that a message is about; 0: none */
	char *tag;     /* id of the request, owned; NULL: none */
	char *label;   /* name of the script, owned; NULL: not known yet */
	pid_t pid;     /* 0: not started */
	struct lines lines;
};

/* Gives the request an id, which is copied: each line begins with "request ID: ". Without memory
 * there is none. */
void request_log_tag(struct request_log *log, const char *tag);

/* Names the script: by a label such as "script /path", which is copied; by path, once
 * found. Without memory the old name stays. */
void request_log_name(struct request_log *log, const char *label);
void request_log_found(struct request_log *log, const char *path);

/* Notes who has asked the web server; NULL: unknown. */
void request_log_client(struct request_log *log, const char *address);

/* Logs a message behind the name of the script, of the level that the format begins with; else a
 * warning if log->status is below 500, or an error. A debug message is never for the client.
 * *copy, if copy is not NULL, gets the text, which the caller frees; NULL without memory. */
void request_log_say(struct request_log *log, char **copy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with a text that names the script. */
void request_log_tell(struct request_log *log, char **copy, const char *text);

enum { REQUEST_LOG_FIELDS = 5 };

/* What is known of the request, for logs that have fields; it lasts as long as the log and out. */
struct request_log_fields {
	struct report_field of[REQUEST_LOG_FIELDS];
	char pid[16], status[16];
};
void request_log_fields(const struct request_log *log, struct request_log_fields *out);

/* The script's path as messages have it, or NULL: none is known. */
const char *request_log_script(const struct request_log *log);

/* True if the client's buffer has room to read a piece of standard error; reads and
 * logs a piece: true if bytes came, and more may follow. */
bool request_log_has_room(const struct request_log *log);
bool request_log_read(struct request_log *log, int errors);

/* Reads the rest at the end of a response, and logs a last line without LF. False if
 * the client's buffer has no room. */
bool request_log_drain(struct request_log *log, int errors);

/* Returns out with the script's last line, as "; it said: TEXT", or with "". */
const char *request_log_last(const struct request_log *log, char *out, size_t size);

void request_log_free(struct request_log *log);

#endif
