/*
 * What a program that is started may use: resource limits and priority.
 */
#ifndef RLIMITS_H
#define RLIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* Adds a limit "NAME=VALUE", NAME being cpu (seconds), nofile, nproc (numbers),
 * as, data, fsize or core (bytes, with k m g). False after reporting. */
bool rlimits_add(const char *text);

/* Sets how much lower the priority is than ours. */
void rlimits_set_nice(int increment);

/* Applies them to this process; but not the one on processor time if it is to
 * outlast many programs. Async-signal-safe. False with errno. */
bool rlimits_apply(bool lasting);

/* The limits on processor time, soft and hard, of a program. False: there is none. */
bool rlimits_cpu(uint64_t *soft, uint64_t *hard);

/* The limit that a signal which ended a program points to, or NULL. */
const char *rlimits_explain(int signal);

#endif
