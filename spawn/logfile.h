/*
 * Opening a log file in a place that other users may be able to change.
 */
#ifndef LOGFILE_H
#define LOGFILE_H

#include <stdbool.h>

/*
 * Opens a file for appending, or makes it: a regular one, a FIFO or a character device,
 * and never waits for it. Symbolic links are followed only where nobody but root and our
 * own user can change them: not behind a directory that others may write to (a sticky one
 * keeps what is ours). In such a directory the file must have no other name. -1, with *why.
 *
 * *unended is set if it ends with a line without an end.
 */
int logfile_open(const char *path, bool *unended, const char **why);

/* Whether that would open it, or make it. Changes nothing, and so
 * does not find out whether a FIFO has a reader. False, with *why. */
bool logfile_could_open(const char *path, const char **why);

#endif
