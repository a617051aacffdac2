/*
 * Refusing new connections to a listening TCP socket, while connections in the queue can
 * still be accepted: gate-linux.c, or gate-none.c where the system does not. A Unix socket
 * needs no gate: its file is removed.
 */
#ifndef GATE_H
#define GATE_H

#include <stdbool.h>

/* False with errno if the system refuses; then all is as before. */
bool gate_close(int listener);

/* Undoes gate_close(). False on failure: then nobody can connect to the socket. */
bool gate_open(int listener);

#endif
