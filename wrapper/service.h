/*
 * What the connections and requests of a worker share.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "admission.h"
#include "buffer.h"
#include "queue.h"
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>

struct connection;

struct service {
	const struct settings *settings;
	struct admission admission;
	struct connection *connections;
	struct connection *dirty; /* to be updated at the end of this turn */
	size_t count;             /* of connections */
	size_t connections_most;  /* in all workers, for a client that asks */
	bool ending;              /* connections stay for no other request */
	bool tcp;
	void (*freed)(struct service *); /* a connection is gone */
};

/* A connection, as its requests see it. */
struct client {
	struct service *service;
	struct buffer out;
	struct queue_party party;
	bool has_left;
	void (*changed)(struct client *); /* something happened: update */
	/* Whether it has taken bytes since it was last asked that, from what the
	 * system holds for it. */
	bool (*has_read)(struct client *);
};

#endif
