/*
 * The listening socket: passed by a service manager, made by -s, or standard input.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "acl.h"
#include "listen.h"
#include "settings.h"

#include <stdbool.h>

/* What -s and the options beside it ask for. */
struct source_plan {
	struct listen_address address;
	struct listen_file file; /* refers to acl */
	struct acl acl;
};

/* Looks up all names. False after reporting. */
bool source_plan(struct source_plan *out, const struct settings *settings);

/* Takes a socket passed by systemd, else makes the one of -s, else takes descriptor 0; with --try,
 * none. False after reporting. */
bool source_open(const struct settings *settings);
int source_listener(void); /* -1: none */

/* The same without making one: a descriptor, or -1 if -s asks for one to be made. *name is what
 * messages call it. Closes descriptors that nobody needs. */
int source_given(const struct settings *settings, const char **name);

/* False after reporting that a descriptor is no listening socket. */
bool source_is_socket(int fd, const char *name);

/* Any client can run any allowed script: warns if clients are not restricted, and refuses
 * restrictions without effect on the kind of socket. False after reporting. */
bool source_suits(const struct settings *settings, const struct sockaddr *address);

/* Removes the socket's file when a stop begins, so that new clients find a successor, or no
 * server. Spares the file of a successor. */
void source_leave(void);

#endif
