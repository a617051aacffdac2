/*
 * What a supervisor hands over to itself when it executes its program anew: the
 * socket, the children, and how they are.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include "listener.h"

#include <stdbool.h>

/* Whether something was handed over to this process. */
bool handover_is_pending(void);

/* Returns the socket, or -1; *bound tells whether it was bound by us, then *file which
 * file it has. */
int handover_socket(bool *bound, struct listen_identity *file);

/* Takes up the members. After member_open. */
void handover_take(void);

/* Executes our program anew with all that. Returns only if that failed, after
 * reporting; then everything is as before. */
void handover_execute(char **argv, const struct listener *listener);

#endif
