/*
 * Looking at processes through /proc as the program's user: Linux alone.
 */
#ifndef LOOK_AS_H
#define LOOK_AS_H

#include "identity.h"

#include <stdbool.h>

/* Sets the file system uid and gid of this thread to the identity (begin), or back to our own. The
 * descriptors of a process are shown to its user, and to root only with all capabilities, not in a
 * container. A process hidden from its own user, as fcgiwrap is, is shown to root alone. */
void look_as(const struct identity *identity, bool begin);

#endif
