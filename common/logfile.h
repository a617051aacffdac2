/*
 * Opening a log file in a place that other users may be able to change.
 */
#ifndef LOGFILE_H
#define LOGFILE_H

#include <stdbool.h>

/*
 * Opens a file for appending, or makes a regular one. Opens FIFOs and character devices, too,
 * and never waits. Symbolic links are followed only where nobody but root and our own user can
 * change them: not behind a directory writable by others (a sticky one keeps our links). In
 * such a directory the file must have no other name. /dev/stdout and the like, inherited, are
 * not checked. -1 with *why.
 *
 * *unended is set if the last line has no end.
 */
int logfile_open(const char *path, bool *unended, const char **why);

/* True if logfile_open() would succeed. Changes nothing, and so does not
 * notice a FIFO without reader. False with *why. */
bool logfile_could_open(const char *path, const char **why);

#endif
