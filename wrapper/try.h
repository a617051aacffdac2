/*
 * fcgiwrap --try: one request for a script, by a worker of our own, and an explanation of what
 * happens to it.
 */
#ifndef TRY_H
#define TRY_H

#include "settings.h"

/* Makes the request of settings->try_script and try_pairs. Call after slots_open() and
 * launch_open(). The body of the response goes to standard output, everything else to standard
 * error. Returns the exit status: 0 for a whole response below 500. */
int try_run(const struct settings *settings);

#endif
