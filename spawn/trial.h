/*
 * A trial: loading a program without running it.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>

struct trial {
	int error;  /* errno of execv(), or 0 */
	int signal; /* ended the process during the load, or 0 */
};

/* Executes a program in a child, with the limits of rlimits.h, and kills the child before
 * the first instruction of the program. False if the system does not allow that; a
 * refusal of ptrace(2) is reported. */
bool trial_execute(struct trial *out, const char *path, char **words);

#endif
