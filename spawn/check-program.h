/*
 * Saying whether the program could be executed, without running any of its code.
 */
#ifndef CHECK_PROGRAM_H
#define CHECK_PROGRAM_H

#include "identity.h"
#include "settings.h"

/* Looks as the program's user, in the program's root and working directory, for good: call in
 * a child that does nothing else. False after reporting the obstacle. */
bool check_program(const struct settings *settings, const struct identity *identity);

#endif
