/*
 * The socket that the program will have, made where it is asked for: in sight
 * of this process, or inside the chroot of the program; or passed by a service
 * manager.
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
	bool bound; /* by us, perhaps in an earlier life, so that its file is ours to remove */
	struct listen_address address;
	struct listen_identity file; /* of a Unix socket that is bound */
	const char *root;            /* where the address holds; NULL: here */
	int janitor;       /* a channel to the process that will remove it; -1: none */
	bool out_of_reach; /* nobody can remove it any more */
};

/* Binds and listens. False after reporting; then nothing is left. */
bool listener_open(struct listener *out, const struct settings *settings,
		   const struct identity *identity);

/* Which of the sockets of LISTEN_FDS is to be served: that which --socket-name chooses, or the
 * only one; -1: none. False after reporting. */
bool listener_choose(const struct settings *settings, int *out);

/* Whether such a descriptor is a listening socket. False after reporting. */
bool listener_is_passed(int fd);

/*
 * Takes one of the sockets of LISTEN_FDS: that which --socket-name chooses, or the only
 * one; else, if the service manager has kept it from a life that ended without a stop,
 * our own; else opens a new one. False after reporting.
 */
bool listener_find(struct listener *out, const struct settings *settings,
		   const struct identity *identity);

/* Puts a new socket in the place of that of --socket, if it is bound by us: connections come to it
 * from now on. The descriptor that there was stays open. False after reporting; then all is as
 * before. */
bool listener_renew(struct listener *listener, const struct settings *settings,
		    const struct identity *identity);

/* Takes up one that an earlier life of this process has handed over. False after
 * reporting. */
bool listener_adopt(struct listener *out, const struct settings *settings, int fd, bool bound,
		    const struct listen_identity *file);

/* Under what name it is kept for us: that tells of the file, too. Reading is false if the
 * name is none of ours. */
void listener_name(const struct listener *listener, char name[LISTENER_NAME_SIZE]);
bool listener_read_name(const char *name, struct listen_identity *file);

/*
 * Before this process becomes the program: arranges that listener_remove works
 * even if that fails half-way, with root's rights given up already. Where it
 * has to, by another process, which ends as soon as the program runs.
 */
void listener_entrust(struct listener *listener, const struct settings *settings,
		      const struct identity *identity);

/* Removes the socket's file, if it is bound by us and stands there still. */
void listener_remove(struct listener *listener);

#endif
