/*
 * The file that tells a start script which processes to stop.
 */
#ifndef PIDFILE_H
#define PIDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pidfile {
	const char *path; /* NULL: none is wanted, and the functions do nothing */
	bool claimed;     /* the server that the old file told of is known to be gone */
};

/* Whether the file can be written: links and special files are refused. Changes
 * nothing yet, since a server that runs may need the old one. False after reporting. */
bool pidfile_open(struct pidfile *out, const char *path);

/* Says that the socket is ours, so that an old file is out of date. */
void pidfile_claim(struct pidfile *file);

/* Puts a new file with the pids, a newline between two of them, in the place of an old
 * one. An error is reported and otherwise without consequence, as the program runs
 * already. */
void pidfile_write(struct pidfile *file, const pid_t *pids, size_t count);

/* After a start that failed: removes an old file that was claimed, unless it names
 * a process that lives: of another server, which has the same file. */
void pidfile_discard(struct pidfile *file);

/* Removes a file that pidfile_write has written, unless it names somebody else now. */
void pidfile_remove(const char *path, pid_t pid);

#endif
