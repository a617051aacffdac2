/*
 * Staying, to watch over the program.
 */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include "handover.h"
#include "identity.h"
#include "settings.h"

/* Opens the socket, starts the program and stays with it, in the background
 * unless told otherwise; or goes on with what was handed over to this process, or tries
 * whether it could. Returns the exit status. */
int supervise(const struct settings *settings, const struct identity *identity, char **argv,
	      struct handover *from);

#endif
