/*
 * Saying whether a command line would work, without doing anything.
 */
#ifndef CHECK_H
#define CHECK_H

#include "identity.h"
#include "settings.h"

/* Reports all that is in the way, or else says that nothing is. Returns the exit
 * status. */
int check_run(const struct settings *settings, const struct identity *identity);

#endif
