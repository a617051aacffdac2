/*
 * A trial: whether a program could be executed, without running any of its code.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>

struct trial {
	int error;  /* errno of execv(), or 0 */
	int signal; /* ended the process during the load, or 0 */
};

/* Has the system try; where it does not allow that, judges by mode and first line. Never finds the
 * signal then. */
void trial_run(struct trial *out, const char *path, char **words);

/* True for a file that the shell reads if execve(2) gives ENOEXEC. An unreadable file counts as
 * binary. */
bool trial_is_text(const char *path);

/* The part of the system: trial-linux.c or trial-none.c. Executes a program in a child, with the
 * limits of rlimits.h, and kills the child before the first instruction of the program. False if
 * the system does not allow that; a refusal of ptrace(2) is reported. */
bool trial_execute(struct trial *out, const char *path, char **words);

#endif
