/*
 * Supervision of the pool (--supervise).
 */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include "handover.h"
#include "identity.h"
#include "settings.h"

/* Opens the socket, starts the pool and supervises it, in the background unless -n is
 * given. If from is not NULL, goes on with the state handed over, or, for a trial, only
 * checks the state. Returns the exit status. */
int supervise(const struct settings *settings, const struct identity *identity, char **argv,
	      struct handover *from);

#endif
