/*
 * fcgiwrap --check: whether a command line would work, without changing anything.
 */
#ifndef CHECK_H
#define CHECK_H

#include "settings.h"

/* Prints what was found to standard output, a line each: fine, a note, or a fault with its remedy.
 * Returns the exit status: 0 without a fault. */
int check_run(const struct settings *settings);

#endif
