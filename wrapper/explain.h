/*
 * What happens to a request and its script, in lines on standard error for the person who tries the
 * script (try.h), while it goes on. Without explain_open() the calls do nothing.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "launcher.h"
#include "os.h"

#include <stdbool.h>
#include <stddef.h>

/* Turns messages of this process into lines, with their remedies. */
void explain_open(void);
bool explain_is_open(void);

/* Begins to count the time. */
void explain_clock(void);

/* Writes a line: what it is about, in up to 10 characters, and a text, sanitized. */
void explain(const char *about, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Milliseconds since explain_clock(). */
double explain_time(void);

/* A start has ended, well or not: what was found, and by whom it runs. */
void explain_start(const struct launch_job *job);

/* fcgiwrap answers in the place of a script; whether it has. */
void explain_failure(void);
bool explain_is_failure(void);

/* The script has written a line to standard error. False without explain_open(). */
bool explain_said(const char *line, size_t size);

/* A line of its header was not sent as it was written; for reply_notes.mended. */
void explain_mended(const char *line, size_t size, const char *how);

/* What the script has used; and it has ended, with a status from wait(2). */
void explain_usage(const struct os_usage *usage);
void explain_exit(int status);

#endif
