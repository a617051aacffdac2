/*
 * The socket that the program will have, made where it is asked for: in sight
 * of this process, or inside the chroot of the program.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "identity.h"
#include "listen.h"
#include "settings.h"

#include <stdbool.h>

struct listener {
	int fd;
	struct listen_address address;
	const char *root;  /* where the address holds; NULL: here */
	int janitor;       /* a channel to the process that will remove it; -1: none */
	bool out_of_reach; /* nobody can remove it any more */
};

/* Binds and listens. False after reporting; then nothing is left. */
bool listener_open(struct listener *out, const struct settings *settings,
		   const struct identity *identity);

/* Takes up one that is open already: bound by us, as the settings say, or
 * inherited, and then not ours to remove. False after reporting. */
bool listener_adopt(struct listener *out, const struct settings *settings, int fd, bool bound);

/*
 * Before this process becomes the program: arranges that listener_remove works
 * even if that fails half-way, with root's rights given up already. Where it
 * has to, by another process, which ends as soon as the program runs.
 */
void listener_entrust(struct listener *listener, const struct settings *settings,
		      const struct identity *identity);

/* Removes the socket's file, when nothing could be started. */
void listener_remove(struct listener *listener);

#endif
