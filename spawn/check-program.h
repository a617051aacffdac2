/*
 * Saying whether the program could be executed, without running anything of it.
 */
#ifndef CHECK_PROGRAM_H
#define CHECK_PROGRAM_H

#include "identity.h"
#include "settings.h"

/* Looks as who the program would run as, and where: for a process that does nothing
 * else after it. False after reporting what is in the way. */
bool check_program(const struct settings *settings, const struct identity *identity);

#endif
