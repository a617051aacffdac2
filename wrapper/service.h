/*
 * State shared by the connections and requests of a worker.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "admission.h"
#include "buffer.h"
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;

struct service {
	const struct settings *settings;
	struct admission admission;
	struct connection *connections;
	struct connection *dirty; /* update at the end of this turn */
	size_t count;             /* of connections */
	size_t connections_most;  /* in all workers, for FCGI_GET_VALUES */
	bool ending;              /* keep no connection for another request */
	bool tcp;
	uint64_t last_key; /* of a connection; begins with another number in each worker */
	void (*freed)(struct service *); /* a connection was freed */
};

/* A connection, as seen by requests. */
struct client {
	struct service *service;
	struct buffer out;
	uint64_t key; /* of the connection, for the turns of clients not known otherwise */
	void (*changed)(struct client *); /* marks the connection dirty */
	/* True if the socket's send queue is not empty, and shrank since the last call or
	 * was not measured yet. */
	bool (*has_read)(struct client *);
};

#endif
