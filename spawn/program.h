/*
 * Becoming the FastCGI program.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "identity.h"
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Turns this process into the program, with the root directory, user, working directory,
 * environment and limits of the settings, the listening socket as descriptor 0, and output
 * as 1 and 2 (-1: unchanged). Descriptors above 2 stay unless close-on-exec. When the
 * parent tied_to ends, the program gets the stop signal; 0: no tie. Returns only on
 * failure, with the exit status to end with, after reporting, unless the parent is gone.
 */
int program_become(const struct settings *settings, const struct identity *identity,
		   int listener, int output, pid_t tied_to);

/* Does the first part of program_become(), all but descriptors and limits. False after
 * reporting. */
bool program_prepare(const struct settings *settings, const struct identity *identity);

/* Finds the path to execute, of the program or the shell, and its argv; neither is to be
 * freed. False after reporting. */
bool program_find(const struct settings *settings, const char **path, char ***words);

/* Reports why execv() failed with error. root is the chroot, or NULL. */
void program_explain(const char *path, const char *root, int error);

#endif
