/*
 * Readiness of a program, seen from outside: ready-linux.c, or ready-none.c where the
 * system does not show the calls of other processes.
 */
#ifndef READY_H
#define READY_H

#include "identity.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * True if a child, run as this identity, or a process below the child is known to wait
 * for a connection on the socket. False if none does, or no certain answer is possible.
 */
bool ready_is_seen(pid_t child, int listener, const struct identity *identity);

#endif
