/*
 * Becoming the FastCGI program.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "identity.h"
#include "settings.h"

#include <stdbool.h>

/*
 * Turns this process into the program: in the root directory, as the user and
 * in the working directory asked for, with the listening socket as descriptor 0
 * and nothing else but 1 and 2, which are what they were, or else the output.
 * Returns only if that failed, after reporting: the exit status to end with.
 */
int program_become(const struct settings *settings, const struct identity *identity,
		   int listener, int output);

/* Whether this process, as which program_become would execute it, may do so.
 * False after reporting why not. */
bool program_is_executable(const struct settings *settings);

#endif
