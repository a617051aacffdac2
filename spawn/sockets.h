/*
 * The listening socket and what was accepted from it, as the kernel shows it to
 * processes that have nothing of it open: by netlink (diag.h), or in /proc/net.
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

/* A socket that some process has open. */
struct sockets_item {
	unsigned long inode;
	bool known;    /* the kernel has shown what it is */
	bool accepted; /* from the listening socket */
};

/* False after reporting: this socket is never shown. */
bool sockets_open(int listener);

/* Another Unix socket takes its place; what was accepted from the former one still counts, until
 * that is forgotten. False with errno: the new one is not shown. */
bool sockets_renew(int listener);
void sockets_forget_former(void);

bool sockets_is_own(unsigned long inode);

/* How many connections wait to be accepted. False with errno. */
bool sockets_count_waiting(long *waiting);

/* Whether that is the length of the queue, and not only that there is one. */
bool sockets_have_length(void);

/* Names those that wait: those of a Unix socket in the order in which they came. False with
 * errno if that cannot be said. */
bool sockets_name_waiting(struct overload_names *out);

/* Finds out which of these are accepted connections; they are sorted by inode. False with
 * errno if that cannot be said. */
bool sockets_mark(struct sockets_item *items, size_t count);

/* The item of an inode, or NULL. */
struct sockets_item *sockets_find(struct sockets_item *items, size_t count, unsigned long inode);

#endif
