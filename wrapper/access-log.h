/*
 * The access log: a line for each request, at its end. Nobody waits for it: lines that a full disk,
 * a slow reader or a missing daemon does not take are counted, and that is told among the messages.
 */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include "access-format.h"
#include "environment.h"
#include "report.h"
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>

/* Opens it as the settings say, if they do. False after reporting. */
bool access_log_open(const struct settings *settings);
bool access_log_is_open(void);

/* Opens the file anew after a rotation, or keeps the old one after reporting. */
void access_log_reopen(void);

/* Before the end of a process: waits a little for a syslog daemon, and tells how many lines were
 * lost. */
void access_log_flush(void);

/* True if requests for this path (SCRIPT_NAME, or NULL) have no line, unless they fail. */
bool access_log_suppresses(const char *path);

/* Keeps what a line wants of the parameters: NULL without an open log, or memory. For
 * access_log_forget(). */
struct access_values *access_log_keep(const struct environment *sent);
void access_log_forget(struct access_values *values);

/* Keeps what it wants of the header of a response, which has CRLF lines. values may be NULL. */
void access_log_keep_header(void *values, const char *header, size_t size);

/* Writes a line; fields are for systemd's journal. Of the facts begun, pool and our processes are
 * filled in here. */
void access_log_write(struct access_facts *facts, const struct report_field *fields, size_t count);

#endif
