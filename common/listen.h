/*
 * Listening sockets: from an address, or inherited.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include "acl.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>

struct listen_address {
	socklen_t size;
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
		struct sockaddr_un local;
	} as;
};

/* Permissions of the file of a Unix socket. */
struct listen_file {
	mode_t mode;
	uid_t owner; /* (uid_t)-1: unchanged */
	gid_t group; /* (gid_t)-1: unchanged */
	const struct acl *acl; /* NULL: none is set */
};

/* Copies the directory part of a path, with the slash; "." if without a slash. */
void listen_find_directory(const char *path, char *out, size_t size);

/* Fills in the address of a Unix socket. False if the path is empty (EINVAL) or
 * too long for the system (ENAMETOOLONG). */
bool listen_address_local(struct listen_address *out, const char *path);

/* Fills in an internet address from numbers (as for inet_addr(3), or IPv6); NULL is
 * any IPv4 address. False for other text. */
bool listen_address_internet(struct listen_address *out, const char *host, unsigned port);

/* Fills in an address from "unix:PATH", "tcp:A.B.C.D:PORT" or "tcp6:[ADDRESS]:PORT".
 * False for other text. */
bool listen_address_url(struct listen_address *out, const char *url);

/* Fills in an address to connect to: as listen_address_url, or "A.B.C.D:PORT", "[ADDRESS]:PORT",
 * or a path, which has a slash in it or no colon. False for other text. */
bool listen_address_any(struct listen_address *out, const char *text);

/* Writes the address in the form of listen_address_url, for messages. */
void listen_address_print(const struct listen_address *address, char *out, size_t size);

/* Returns a stream socket for the address (close-on-exec, blocking); -1 after reporting. */
int listen_socket(const struct listen_address *address);

/*
 * Binds the socket and listens. A Unix socket has the owner and mode of file before
 * any client can connect, and never a wider mode. Another file at the path is
 * removed only if it is a socket without a listener. False after reporting; then
 * no new file is left.
 */
bool listen_bind(int fd, const struct listen_address *address, const struct listen_file *file,
		 int backlog);

/* True if a process listens on a Unix socket, or if unknown. On Linux the process does
 * not notice. */
bool listen_is_live(const struct listen_address *address);

/* True if listen_bind would succeed, with a list or NULL, as far as is known without changing a
 * file or disturbing a server; a port is bound for a moment. False after reporting. */
bool listen_would_bind(const struct listen_address *address, const struct acl *acl);

/* Calls listen_socket and listen_bind. Returns a listening descriptor; -1 after reporting. */
int listen_open(const struct listen_address *address, const struct listen_file *file, int backlog);

/* Removes the file of a Unix socket; other families have none. Keeps errno. */
void listen_remove(const struct listen_address *address);

/* Tells the file of a socket from a later one at the same path. */
struct listen_identity {
	dev_t device;
	ino_t inode;
	struct timespec made;
};

/* Note the socket file after listen_bind(), with inode 0 for none; and remove that file, but
 * no other. A failure to remove is reported. */
void listen_identify(const struct listen_address *address, struct listen_identity *out);
void listen_remove_own(const struct listen_address *address, const struct listen_identity *own);

/* Binds a Unix socket as listen_bind() does, in place of a served one, which must be the file of
 * own: at every moment the path has a socket. Bound as PATH.new, then renamed; getsockname(2)
 * goes on to say PATH.new, and listen_is_beside() is true if address is PATH.new. False after
 * reporting; then the served socket is as before. */
bool listen_replace(int fd, const struct listen_address *address, const struct listen_file *file,
		    int backlog, const struct listen_identity *own);
bool listen_is_beside(const struct listen_address *address, const char *path);

/* The descriptor of the first socket that a service manager passes. */
enum { LISTEN_INHERITED_FIRST = 3 };

/* Returns the number of sockets passed to this process by LISTEN_PID and LISTEN_FDS (systemd's
 * protocol), and makes the descriptors close-on-exec. Calls listen_forget_inherited. */
int listen_inherited(void);

/* Removes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from the environment. */
void listen_forget_inherited(void);

/* True if the descriptor is a listening stream socket. */
bool listen_is_socket(int fd);

#endif
