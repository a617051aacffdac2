/*
 * Connections that are answered 503 in the program's place: as a responder of FastCGI that
 * never does anything else.
 */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

/* So many at a time. */
enum { REFUSALS_MOST = 128 };

/* How many more there may be now. */
size_t refusal_room(void);

/* How many there are. */
size_t refusal_count(void);

/* Takes up a connection, which is non-blocking; there is room. What it asks is often there
 * already, and is answered at once then. False with errno; then it is closed. */
bool refusal_begin(int fd);

/* Closes all that there are. */
void refusal_end_all(void);

#endif
