/*
 * The pid file: tells a start script the processes to stop.
 */
#ifndef PIDFILE_H
#define PIDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pidfile {
	const char *path; /* NULL: no file wanted, the functions do nothing */
	bool claimed;     /* the server named by the old file is known to be gone */
};

/* True if the file can be written: links and special files are refused. Changes
 * nothing yet, since a running server may need the old file. False after reporting.
 * out keeps path. */
bool pidfile_open(struct pidfile *out, const char *path);

/* Notes that the socket is ours, so that an old file is out of date. */
void pidfile_claim(struct pidfile *file);

/* Replaces the file by a new one with the pids, a newline between two of them. Errors are
 * only reported, as the program runs already; an old file is then discarded. */
void pidfile_write(struct pidfile *file, const pid_t *pids, size_t count);

/* After a failed start: removes an old file that was claimed, unless a process named there
 * lives: another server may have the same file. */
void pidfile_discard(struct pidfile *file);

/* Removes a file of pidfile_write(), unless the first pid there is no longer pid. */
void pidfile_remove(const char *path, pid_t pid);

#endif
