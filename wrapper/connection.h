/*
 * Connection from a web server: socket, requests by id, records in and out.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "service.h"

#include <stdbool.h>

/* Takes over a connected, non-blocking socket and serves its requests. False with errno, and
 * the socket closed, if the system has no memory or no room in the event loop. */
bool connection_new(struct service *service, int fd);

/* Updates dirty connections: acts, then derives interest and timers. False if no connection was
 * dirty. Call at the end of every turn of the loop. */
bool connection_update_all(struct service *service);

/* Lets every connection end: at once if idle, else after its requests. A connection without any
 * request so far gets a second for its first one. */
void connection_finish_all(struct service *service);

/* Frees all connections now: their requests get REQUEST_CLIENT_GONE. */
void connection_close_all(struct service *service);

#endif
