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

/* Who may use the file of a Unix socket. */
struct listen_file {
	mode_t mode;
	uid_t owner; /* (uid_t)-1: leave it */
	gid_t group; /* (gid_t)-1: leave it */
	const struct acl *acl; /* NULL: none is set */
};

/* Copies the directory that a file is in, by its path: "." if that has no slash. */
void listen_find_directory(const char *path, char *out, size_t size);

/* Fills in the address of a Unix socket. False if the path is empty or too
 * long for the system (ENAMETOOLONG). */
bool listen_address_local(struct listen_address *out, const char *path);

/* Fills in an internet address from a number (anything that inet_addr(3) takes,
 * or IPv6), NULL being any IPv4 address. False if the text is neither. */
bool listen_address_internet(struct listen_address *out, const char *host, unsigned port);

/* Fills in an address from "unix:PATH", "tcp:A.B.C.D:PORT" or "tcp6:[ADDRESS]:PORT".
 * False if it is none of these, or a part of it does not parse. */
bool listen_address_url(struct listen_address *out, const char *url);

/* Writes the address in the form of listen_address_url, for messages. */
void listen_address_print(const struct listen_address *address, char *out, size_t size);

/* A socket fit for the address (close-on-exec, blocking), or -1 after reporting. */
int listen_socket(const struct listen_address *address);

/*
 * Binds the socket and listens. A Unix socket has the mode and owner asked for
 * before anybody can connect, and never a wider mode. A file in its place is
 * removed only if it is a socket that nobody listens on. False after
 * reporting; then no file is left.
 */
bool listen_bind(int fd, const struct listen_address *address, const struct listen_file *file,
		 int backlog);

/* Whether some process listens on a Unix socket, or that cannot be told. The process
 * does not notice. */
bool listen_is_live(const struct listen_address *address);

/* Whether listen_bind would succeed, with this list or NULL, as far as can be told without
 * doing it, and without disturbing who listens there. False after reporting. */
bool listen_would_bind(const struct listen_address *address, const struct acl *acl);

/* Both of these in turn: a listening descriptor, or -1 after reporting. */
int listen_open(const struct listen_address *address, const struct listen_file *file, int backlog);

/* Removes the file of a Unix socket; nothing for other families. Keeps errno. */
void listen_remove(const struct listen_address *address);

/* What tells the file of a socket from another that took its place. */
struct listen_identity {
	dev_t device;
	ino_t inode;
	struct timespec made;
};

/* Notes what stands there after listen_bind(); and removes that, but nothing else, after
 * reporting a failure. */
void listen_identify(const struct listen_address *address, struct listen_identity *out);
void listen_remove_own(const struct listen_address *address, const struct listen_identity *own);

/* Binds a Unix socket as listen_bind() does, but in the place of one that is served, which must
 * be one's own: at no moment is there none. For a while it has a name beside, PATH.new, which is
 * also what getsockname(2) says later. False after reporting; then all is as before. */
bool listen_replace(int fd, const struct listen_address *address, const struct listen_file *file,
		    int backlog, const struct listen_identity *own);
bool listen_is_beside(const struct listen_address *address, const char *path);

/* The descriptor of the first socket that a service manager passes. */
enum { LISTEN_INHERITED_FIRST = 3 };

/* Sockets passed by LISTEN_PID and LISTEN_FDS (systemd's protocol): how many are for this process. Both variables are taken out
 * of the environment, and the descriptors made close-on-exec. */
int listen_inherited(void);

/* Takes these variables out, for a program that has no such sockets. */
void listen_forget_inherited(void);

/* Whether the descriptor is a listening stream socket. */
bool listen_is_socket(int fd);

#endif
