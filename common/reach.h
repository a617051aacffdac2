/*
 * Whether a user, such as that of the web server, could connect to a Unix socket: the modes of the
 * socket and of all directories above it, groups, and the access control list that it is given. As
 * root, the system is asked as that user, so that lists that are there count, too.
 */
#ifndef REACH_H
#define REACH_H

#include "listen.h"

#include <stdbool.h>

struct reach {
	const char *user; /* name or number */
	const char *path; /* of the socket */
	/* What the file will be, unless a server listens there now; NULL: it stays. */
	const struct listen_file *made;
	const char *remedy; /* of a socket that is closed to the user */
};

/* False after reporting what is in the way. */
bool reach_check(const struct reach *reach);

#endif
