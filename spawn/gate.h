/*
 * Refusing those who would connect to a listening TCP socket from now on, while those who
 * wait in its queue can still be accepted: gate-linux.c, or gate-none.c where that is not
 * possible. A Unix socket needs no gate: its file is removed.
 */
#ifndef GATE_H
#define GATE_H

#include <stdbool.h>

/* False, with errno, if the system does not do that; then all is as before. */
bool gate_close(int listener);

/* Undoes that. False if it cannot be undone: then nobody can connect to this socket. */
bool gate_open(int listener);

#endif
