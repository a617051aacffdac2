/*
 * Whether a program waits for connections already, seen from outside:
 * ready-linux.c, or ready-none.c where the system does not show it.
 */
#ifndef READY_H
#define READY_H

#include "identity.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether a child, which runs as this identity, or a process that it has
 * started, is known to wait for a connection on the socket. False if none does,
 * or if that cannot be told for sure.
 */
bool ready_is_seen(pid_t child, int listener, const struct identity *identity);

#endif
