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
	int fd;
	bool ours; /* not one that a running server may still need */
};

/* Creates the file, or opens one that exists without changing it yet. Links and
 * special files are refused. False after reporting. */
bool pidfile_open(struct pidfile *out, const char *path);

/* Empties the file: the processes it names are known to be gone. */
void pidfile_claim(struct pidfile *file);

/* Writes the pids, a newline between two of them, and closes the file. An error
 * is reported and otherwise without consequence, as the program runs already. */
void pidfile_write(struct pidfile *file, const pid_t *pids, size_t count);

/* Removes a file that pidfile_write has written, unless it names somebody else now. */
void pidfile_remove(const char *path, pid_t pid);

/* Closes the file, and removes it if it was created or claimed. */
void pidfile_discard(struct pidfile *file);

#endif
