/*
 * Saying whether a command line would work, without changing anything.
 */
#ifndef CHECK_H
#define CHECK_H

#include "identity.h"
#include "settings.h"

/* Reports every obstacle, or prints that there is none. Returns the exit status. */
int check_run(const struct settings *settings, const struct identity *identity);

#endif
