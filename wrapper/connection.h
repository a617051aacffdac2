/*
 * One connection from a web server: its socket, its requests by id, records in
 * and records out.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>

/* Prepares for connections. The settings must stay; a client that asks is told
 * how many there may be in all workers (FastCGI 1.0, section 4.1); freed() is
 * called whenever one is gone. */
void connection_open_all(const struct settings *settings, size_t most, void (*freed)(void));

/* Takes over a connected, non-blocking socket and serves what comes on it. False
 * with errno, and the socket closed, if there is no room for it. */
bool connection_new(int fd);

size_t connection_count(void);

/* Settles every connection in which something has happened: acts, and derives
 * what each of its descriptors waits for. False if there was none. To be called
 * at the end of every turn of the loop; connections are freed only here. */
bool connection_settle_all(void);

/* Lets every connection end: at once where nothing runs, else after its requests. */
void connection_finish_all(void);

/* Ends them all now; programs that run for them are stopped. */
void connection_close_all(void);

#endif
