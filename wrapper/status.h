/*
 * The page of --status and the answer to --ping, from the scoreboard and the slots.
 */
#ifndef STATUS_H
#define STATUS_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>

/* True if a script's name (SCRIPT_NAME, or NULL) is a path of --status or --ping. */
bool status_is_at(const struct settings *settings, const char *name);

/* Makes the response to a request that status_is_at(): header fields and body, for free(). query
 * (QUERY_STRING) and accept (HTTP_ACCEPT) may be NULL. NULL without memory. */
char *status_respond(const struct settings *settings, const char *name, const char *query,
		     const char *accept, bool head_only, size_t *size);

#endif
