/*
 * One connection from a web server: its socket, its requests by id, records in
 * and records out.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "service.h"

#include <stdbool.h>

/* Takes over a connected, non-blocking socket and serves what comes on it. False
 * with errno, and the socket closed, if there is no room for it. */
bool connection_new(struct service *service, int fd);

/* Updates every connection in which something has happened: acts, and derives
 * what each of its descriptors waits for. False if there was none. To be called
 * at the end of every turn of the loop. */
bool connection_update_all(struct service *service);

/* Lets every connection end: at once where nothing runs, else after its requests. */
void connection_finish_all(struct service *service);

/* Ends them all now: their clients are gone, as far as their requests are concerned. */
void connection_close_all(struct service *service);

#endif
