/*
 * Becoming the FastCGI program.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "identity.h"
#include "settings.h"

/*
 * Turns this process into the program: in the root directory, as the user and
 * in the working directory asked for, with the listening socket as descriptor 0
 * and nothing else but 1 and 2, which are /dev/null unless it runs in place.
 * Returns only if that failed, after reporting: the exit status to end with.
 */
int program_become(const struct settings *settings, const struct identity *identity,
		   int listener);

#endif
