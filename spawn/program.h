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
 * Turns this process into the program: in the root directory, as the user, in the
 * working directory and with the environment and the limits asked for, with the
 * listening socket as descriptor 0 and 1 and 2 as they were, or else the output.
 * Those above 2 stay if they are not close-on-exec. When the parent that it is tied to ends,
 * it gets the stop signal; 0: it is tied to none. Returns only if that failed, after
 * reporting: the exit status to end with.
 */
int program_become(const struct settings *settings, const struct identity *identity,
		   int listener, int output, pid_t tied_to);

/* The first part of that: all but descriptors and limits. False after reporting. */
bool program_prepare(const struct settings *settings, const struct identity *identity);

/* What is executed, the program or the shell, and its words. False after reporting. */
bool program_find(const struct settings *settings, const char **path, char ***words);

/* Reports why a program cannot be executed, in this root directory. */
void program_explain(const char *path, const char *root, int error);

#endif
