/*
 * Where lines go: a file, a syslog daemon, systemd's journal, or standard error. Nothing here
 * waits, but for a file system that does not answer.
 */
#ifndef SINK_H
#define SINK_H

#include "report.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct sink {
	enum { SINK_FILE, SINK_SYSLOG, SINK_JOURNAL, SINK_STANDARD_ERROR } kind;
	const char *option, *path; /* as given */
	int fd;
	bool is_socket;  /* as standard error of a systemd service */
	bool is_stamped; /* journald puts the time in front of lines */
	bool unended;    /* the last line was written in part */
	/* Told by sink_tell_others(), in memory that they share, and heeded so far; NULL: alone. */
	atomic_uint *told;
	unsigned heeded;
};

/* Opens "syslog", "journal", "-" for standard error, or a file by its path, which is not copied.
 * The option that says so is for messages. False after reporting. */
bool sink_open(struct sink *out, const char *option, const char *where);

/* True if sink_open() would succeed; changes nothing. False after reporting. */
bool sink_could_open(const char *option, const char *where);

/* Opens the file anew after a rotation, or keeps the old one after reporting; connects to syslog
 * or journal anew. True if the file is another one, or new. */
bool sink_reopen(struct sink *sink);

/* Has processes that were forked with the sink do the same before their next line, also those that
 * end soon: nobody keeps an old file for them. */
void sink_tell_others(struct sink *sink);

/* Writes a line, of which the first size bytes of text are for a file or standard error, and the
 * message for syslog and journal. False with errno if it was not taken, or only in part. */
bool sink_write(struct sink *sink, const char *text, size_t size,
		const struct report_message *message);

/* Before the end and before execve(2): gives a syslog daemon time for messages not taken yet. */
void sink_flush(struct sink *sink);

#endif
