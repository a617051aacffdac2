/*
 * Warm starts: a script need not wait for its interpreter to load modules.
 *
 * A template is an interpreter of Perl that has loaded modules, and forks a
 * process for each script. The process is a child of ours like any other, and
 * the script its main program. Not on every system: warm-linux.c or warm-none.c.
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

/* Starts the templates of this worker; they are ready some time later. Call after
 * loop_open() and launch_open(). */
void warm_start_templates(const struct settings *settings);

/*
 * Starts a script from a template, with these descriptors as 0 to 2. Returns the
 * process; or 0 if that is not possible, in which case nothing has run and the
 * script can be started in the usual way.
 */
pid_t warm_start(const struct launch_plan *plan, const int *descriptors);

#endif
