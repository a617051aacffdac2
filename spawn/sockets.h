/*
 * The listening socket and its connections, shown by the kernel even to processes
 * without a descriptor of them: by netlink (diag.h), or in /proc/net.
 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include "listen.h"
#include "overload.h"

#include <stdbool.h>
#include <stddef.h>

struct sockets_own {
	int fd;
	unsigned long inode;
	struct listen_address address;
};

/* A socket open in some process. */
struct sockets_item {
	unsigned long inode;
	bool known;    /* shown by the kernel */
	bool accepted; /* from the listening socket */
};

/* False after reporting: connections of the socket are never shown. */
bool sockets_open(int listener);

/* Turns to a new Unix socket; connections of the former one still count, until
 * sockets_forget_former(). False with errno: the new socket is not shown. */
bool sockets_renew(int listener);
void sockets_forget_former(void);

bool sockets_is_own(unsigned long inode);

/* Counts connections not accepted yet. False with errno. */
bool sockets_count_waiting(long *waiting);

/* True if sockets_count_waiting() gives the length of the queue; if false, 1 for any length. */
bool sockets_have_length(void);

/* Connections that the queue can hold, as of the last count; 0: not shown. */
long sockets_queue_limit(void);

/* Names the waiting connections: of a Unix socket, oldest first. False with errno if the names
 * are not shown. */
bool sockets_name_waiting(struct overload_names *out);

/* Fills in known and accepted of items, which are sorted by inode. False with errno if not
 * all sockets could be listed. */
bool sockets_mark(struct sockets_item *items, size_t count);

/* The item of an inode, or NULL. */
struct sockets_item *sockets_find(struct sockets_item *items, size_t count, unsigned long inode);

#endif
