/*
 * Connections answered 503 in the program's place, as by a FastCGI responder that never does
 * anything else.
 */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

/* Connections at a time. */
enum { REFUSALS_MOST = 128 };

/* Number of connections that may be taken up now. */
size_t refusal_room(void);

/* Number of connections under way. */
size_t refusal_count(void);

/* Takes over fd, a non-blocking connection; refusal_room() must not be 0. A request that is
 * already there is answered at once. False with errno; fd is closed then. */
bool refusal_begin(int fd);

/* Closes all connections. */
void refusal_end_all(void);

#endif
