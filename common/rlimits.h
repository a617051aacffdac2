/*
 * Resource limits and priority of scripts and programs.
 */
#ifndef RLIMITS_H
#define RLIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* Adds a limit "NAME=VALUE", NAME being cpu (seconds), nofile, nproc (numbers),
 * as, data, fsize or core (bytes, with k m g). False after reporting. */
bool rlimits_add(const char *text);

/* Sets the increment of nice(2) for rlimits_apply(). */
void rlimits_set_nice(int increment);

/* Applies limits and priority to this process; all but cpu if lasting (a template, which
 * outlasts many scripts). Async-signal-safe. False with errno. */
bool rlimits_apply(bool lasting);

/* Gives the soft and hard limit on CPU time, in seconds. False if there is none. */
bool rlimits_cpu(uint64_t *soft, uint64_t *hard);

/* Returns the limit behind a signal that ended a script or program, in words, or NULL. */
const char *rlimits_explain(int signal);

#endif
