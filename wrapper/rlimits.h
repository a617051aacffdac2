/*
 * What a script may use: resource limits and priority.
 */
#ifndef RLIMITS_H
#define RLIMITS_H

#include <stdbool.h>

/* Adds a limit "NAME=VALUE", NAME being cpu (seconds), nofile, nproc (numbers),
 * as, data, fsize or core (bytes, with k m g). False after reporting. */
bool rlimits_add(const char *text);

/* Sets how much lower the priority is than ours. */
void rlimits_set_nice(int increment);

/* Applies them to this process. Async-signal-safe. False with errno. */
bool rlimits_apply(void);

/* The limit that a signal which ended a script points to, or NULL. */
const char *rlimits_explain(int signal);

#endif
