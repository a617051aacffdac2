/*
 * What a supervisor hands over to itself when it executes its program anew: the
 * socket, the children, and how they are.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stdbool.h>

/* Whether something was handed over to this process. */
bool handover_is_pending(void);

/* Takes up the members. Returns the socket, or -1 after reporting; *bound tells
 * whether its file is ours. After member_open. */
int handover_socket(bool *bound);
void handover_take(void);

/* Executes our program anew with all that. Returns only if that failed, after
 * reporting; then everything is as before. */
void handover_execute(char **argv, int listener, bool bound);

#endif
