/*
 * The listening socket of the program: made in sight of this process, or inside
 * the chroot of the program; or passed by a service manager.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "identity.h"
#include "listen.h"
#include "settings.h"

#include <stdbool.h>

enum { LISTENER_NAME_SIZE = 128 };

struct listener {
	int fd;
	bool bound; /* by us, perhaps in an earlier life: the file is ours to remove */
	struct listen_address address;
	struct listen_identity file; /* of a bound Unix socket */
	const char *root;            /* chroot of the address; NULL: none */
	int janitor;       /* a channel to the process that will remove the file; -1: none */
	bool out_of_reach; /* nobody can remove the file any more */
};

/* Binds and listens. False after reporting; then nothing is left. */
bool listener_open(struct listener *out, const struct settings *settings,
		   const struct identity *identity);

/* Chooses the socket of LISTEN_FDS to be served: by --socket-name, or the only one; -1: none.
 * Sockets of our own, kept by the service manager, do not count. False after reporting. */
bool listener_choose(const struct settings *settings, int *out);

/* True if a passed descriptor is a listening socket. False after reporting. */
bool listener_is_passed(int fd);

/*
 * Takes a socket of LISTEN_FDS, see listener_choose(); else our own, if the service manager
 * has kept one from a life that ended without a stop; else opens a new one. Closes all others
 * of LISTEN_FDS. False after reporting.
 */
bool listener_find(struct listener *out, const struct settings *settings,
		   const struct identity *identity);

/* Puts a new socket in the place of the one of --socket, for connections from now on. The old
 * descriptor stays open. False, and all as before, after reporting, or silently if there is no
 * such socket bound by us. */
bool listener_renew(struct listener *listener, const struct settings *settings,
		    const struct identity *identity);

/* Takes up a socket handed over by an earlier life of this process. False after
 * reporting. */
bool listener_adopt(struct listener *out, const struct settings *settings, int fd, bool bound,
		    const struct listen_identity *file);

/* The name under which a service manager keeps the socket, with the identity of the file.
 * Reading returns false if the name is none of ours. */
void listener_name(const struct listener *listener, char name[LISTENER_NAME_SIZE]);
bool listener_read_name(const char *name, struct listen_identity *file);

/*
 * Before this process becomes the program: arranges that listener_remove works
 * even after a failure half-way, with root's rights given up already; if need
 * be by another process, ending as soon as the program runs.
 */
void listener_entrust(struct listener *listener, const struct settings *settings,
		      const struct identity *identity);

/* Removes the socket's file, if bound by us and still there. */
void listener_remove(struct listener *listener);

#endif
