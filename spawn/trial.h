/*
 * Executing a program without running it.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>

struct trial {
	int error;  /* of execv, or 0 */
	int signal; /* that ended the process while it was loaded, or 0 */
};

/* Lets the system load a program into a process with the limits of rlimits.h, which
 * is ended before it has run an instruction of the program. False if the system
 * does not do that. */
bool trial_execute(struct trial *out, const char *path, char **words);

#endif
