/*
 * Clients that may connect: by address on TCP, by user on Unix sockets.
 */
#ifndef PEER_H
#define PEER_H

#include "options.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * Allows clients: networks "ADDRESS" or "ADDRESS/BITS", names or numbers of users,
 * and FCGI_WEB_SERVER_ADDRS (FastCGI 1.0, section 3.2), addresses separated by
 * commas or spaces; NULL or "": none. No address at all allows every address, no user
 * every user. False after reporting an entry that does not parse, or a list of commas
 * alone.
 */
bool peer_allow(const struct option_list *networks, const struct option_list *users,
		const char *web_server_addresses);

/* True if peer_allow() was given addresses. */
bool peer_addresses_are_listed(void);

/* True if the peer of a connected socket is allowed; if not, who gets its description. */
bool peer_is_allowed(int fd, char *who, size_t size);

/* True for a loopback address, and for a Unix socket. */
bool peer_is_loopback(const struct sockaddr *address);

#endif
