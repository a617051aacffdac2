/*
 * Warm starts: a script need not wait for its interpreter to load modules.
 *
 * A template is an interpreter that has loaded modules, and forks a process for
 * each script. The process is a child of ours like any other, and the script its
 * main program. Not on every system: warm.c or warm-none.c.
 */
#ifndef WARM_H
#define WARM_H

#include "launch.h"
#include "settings.h"

#include <stdbool.h>
#include <sys/types.h>

/* Takes rules "INTERPRETER=MODULE[,MODULE...]", which must stay. False after
 * reporting one that is no good. */
bool warm_open(const struct option_list *rules);

/* Starts the templates of this worker; they are ready some time later. In the
 * loop's thread, after loop_open() and launch_open(), before any other thread. */
void warm_start_templates(const struct settings *settings);

/* Starts, ends and replaces templates as starts have found them. In the loop's
 * thread, once a turn. */
void warm_tick(void);

/*
 * Starts a script from a template, with these descriptors as 0 to 2, as a member
 * of the process group, which must be there in this session, and not its leader.
 * Returns the process, which is the caller's to reap; or 0 if that is not possible,
 * in which case nothing of the script has run and it can be started cold.
 *
 * Any thread may call this, several at once. It may read the script, and waits for
 * a template that does not answer for 2 seconds at most, once. A new process that
 * was not used ends by itself, and must be reaped as any unknown child.
 */
pid_t warm_start(const struct launch_plan *plan, const int descriptors[3], pid_t group);

#endif
