/*
 * Who may connect: addresses for TCP, users for Unix sockets.
 */
#ifndef PEER_H
#define PEER_H

#include "options.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * Sets who may connect: networks "ADDRESS" or "ADDRESS/BITS", names or numbers
 * of users, and FCGI_WEB_SERVER_ADDRS (FastCGI 1.0, section 3.2), a list of IPv4
 * addresses with commas; NULL or "": none. An empty list allows all. False after
 * reporting what does not parse, or such a list of commas alone.
 */
bool peer_allow(const struct option_list *networks, const struct option_list *users,
		const char *web_server_addresses);

/* Whether addresses are among what was set. */
bool peer_addresses_are_listed(void);

/* Whether the peer of a connected socket may use it; if not, who describes it. */
bool peer_is_allowed(int fd, char *who, size_t size);

/* Whether an address is that of this machine alone. */
bool peer_is_loopback(const struct sockaddr *address);

#endif
