/*
 * Warm starts: scripts need not wait until their interpreter has loaded modules.
 *
 * A template is an interpreter with modules loaded, and forks a process for each script.
 * The process is a child of the worker, and the script its main program. warm.c, or
 * warm-none.c where system calls are missing.
 */
#ifndef WARM_H
#define WARM_H

#include "launch.h"
#include "settings.h"

#include <stdbool.h>
#include <sys/types.h>

/* Takes rules "INTERPRETER=MODULE[,MODULE...]", without copying the texts. False after
 * reporting an unusable rule. */
bool warm_open(const struct option_list *rules);

/* Starts the templates of this worker, which are ready some time later. Call in the loop's
 * thread, after loop_open() and launch_enter(), before the first script is started. */
void warm_start_templates(const struct settings *settings);

/* True if every template is ready, or cannot be had now. Call in the loop's thread. */
bool warm_is_settled(void);

/* Starts, kills and replaces templates on findings of starts. Call in the loop's thread,
 * once a turn. */
void warm_tick(void);

/*
 * Starts a script from a template, with descriptors as 0 to 2, as a member of a process
 * group of this session. The group must exist, and not be led by the script. Returns the
 * pid, to be reaped by the caller; 0 if a warm start failed: then nothing of the script has
 * run, and a cold start is possible.
 *
 * Any number of threads may call this at once. Reads the script, and waits at most 2
 * seconds in all for a template. An unused new process exits by itself, to be reaped like
 * any unknown child.
 */
pid_t warm_start(const struct launch_plan *plan, const int descriptors[3], pid_t group);

#endif
