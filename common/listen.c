#include <config.h>

#include "listen.h"
#include "report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 100, LOCK_PAUSE_MS = 20 };

bool listen_address_local(struct listen_address *out, const char *path)
{
	size_t length = strlen(path);

	*out = (struct listen_address){ .size = sizeof out->as.local };
	out->as.local.sun_family = AF_UNIX;
	if (length == 0 || length >= sizeof out->as.local.sun_path) {
		errno = length ? ENAMETOOLONG : EINVAL;
		return false;
	}
	memcpy(out->as.local.sun_path, path, length + 1);
	return true;
}

bool listen_address_internet(struct listen_address *out, const char *host, unsigned port)
{
	in_addr_t number = host ? inet_addr(host) : htonl(INADDR_ANY);

	*out = (struct listen_address){ .size = sizeof out->as.ipv4 };
	if (number != (in_addr_t)-1) {
		out->as.ipv4.sin_family = AF_INET;
		out->as.ipv4.sin_port = htons((in_port_t)port);
		out->as.ipv4.sin_addr.s_addr = number;
		return true;
	}
	out->size = sizeof out->as.ipv6;
	out->as.ipv6.sin6_family = AF_INET6;
	out->as.ipv6.sin6_port = htons((in_port_t)port);
	return inet_pton(AF_INET6, host, &out->as.ipv6.sin6_addr) == 1;
}

/* Cuts "HOST:PORT" at the last colon. */
static bool split_port(char *text, unsigned *port)
{
	char *colon = strrchr(text, ':');
	char *end;
	unsigned long number;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return false;
	number = strtoul(colon + 1, &end, 10);
	*colon = '\0';
	*port = (unsigned)number;
	return *end == '\0' && number >= 1 && number <= 65535;
}

bool listen_address_url(struct listen_address *out, const char *url)
{
	char host[INET6_ADDRSTRLEN + 16];
	unsigned port;
	size_t last;
	bool ipv6 = strncmp(url, "tcp6:", 5) == 0;

	if (strncmp(url, "unix:", 5) == 0)
		return listen_address_local(out, url + 5);
	if (!ipv6 && strncmp(url, "tcp:", 4) != 0)
		return false;
	url += ipv6 ? 5 : 4;
	if (snprintf(host, sizeof host, "%s", url) >= (int)sizeof host || !split_port(host, &port))
		return false;
	if (!ipv6)
		return listen_address_internet(out, host, port) && out->as.any.sa_family == AF_INET;
	last = strlen(host) - 1;
	if (host[0] != '[' || host[last] != ']')
		return false;
	host[last] = '\0';
	return listen_address_internet(out, host + 1, port) && out->as.any.sa_family == AF_INET6;
}

bool listen_address_any(struct listen_address *out, const char *text)
{
	char url[INET6_ADDRSTRLEN + 32];

	if (listen_address_url(out, text))
		return true;
	if (strchr(text, '/') || !strchr(text, ':'))
		return listen_address_local(out, text);
	return snprintf(url, sizeof url, "%s%s", text[0] == '[' ? "tcp6:" : "tcp:", text) <
	       (int)sizeof url && listen_address_url(out, url);
}

void listen_address_print(const struct listen_address *address, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN];

	switch (address->as.any.sa_family) {
	case AF_UNIX:
		snprintf(out, size, "unix:%s", address->as.local.sun_path);
		break;
	case AF_INET:
		inet_ntop(AF_INET, &address->as.ipv4.sin_addr, host, sizeof host);
		snprintf(out, size, "tcp:%s:%u", host, ntohs(address->as.ipv4.sin_port));
		break;
	default:
		inet_ntop(AF_INET6, &address->as.ipv6.sin6_addr, host, sizeof host);
		snprintf(out, size, "tcp6:[%s]:%u", host, ntohs(address->as.ipv6.sin6_port));
	}
}

/* Returns 1 if a process listens, 0 if none does or no socket is there, -1 with errno if
 * unknown. The probe does not block, since a full queue is an answer too. With a type
 * other than the server's, connect(2) fails before the server sees a connection. */
static int probe(const struct listen_address *address, int type)
{
	int fd = socket(AF_UNIX, type, 0);
	int error = 0;

	if (fd < 0)
		return -1;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, &address->as.any, address->size) < 0)
		error = errno;
	close(fd);
	switch (error) {
	case ECONNREFUSED:
	case ENOENT:
	case ENOTSOCK:
		return 0;
	case 0:
	case EAGAIN:
	case EINPROGRESS:
	case EPROTOTYPE: /* bound by a socket of another type */
		return 1;
	default:
		errno = error;
		return -1;
	}
}

static int is_live(const struct listen_address *address)
{
	return probe(address, SOCK_STREAM);
}

/* As is_live, but without a connection that the server sees, except on systems where a
 * datagram probe finds no server of another type. */
static int is_live_unseen(const struct listen_address *address)
{
	int live = probe(address, SOCK_DGRAM);

	return live == 0 ? probe(address, SOCK_STREAM) : live;
}

bool listen_is_live(const struct listen_address *address)
{
	return is_live_unseen(address) != 0;
}

/* True if the path is free, or a socket without a listener. False after reporting. */
static bool is_free(const struct listen_address *address,
		    int (*live)(const struct listen_address *))
{
	const char *path = address->as.local.sun_path;
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return true;
		report("cannot bind %s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		report("cannot bind %s: there is a file of that name, and it is not a socket "
		       "(remove it, or choose another path)", path);
		return false;
	}
	switch (live(address)) {
	case 1:
		report("cannot bind %s: socket is already in use (another server listens on it; "
		       "stop that one first)", path);
		return false;
	case -1:
		report("cannot tell whether a server listens on %s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

/* Removes an unused socket at the path. False after reporting. */
static bool clear_path(const struct listen_address *address)
{
	const char *path = address->as.local.sun_path;

	if (!is_free(address, is_live))
		return false;
	if (unlink(path) < 0 && errno != ENOENT) {
		report("cannot remove the old socket %s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

void listen_find_directory(const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(out, size, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
}

static void report_bind(const char *path, int error)
{
	report("cannot bind %s: %s%s", path, strerror(error),
	       error == EACCES ? " (is the directory writable by this user?)"
	       : error == ENOENT ? " (does the directory exist?)" : "");
}

/*
 * Two starts on one path must not remove each other's socket between probe and
 * bind(2): they take turns by a lock on the directory, which leaves no file behind.
 * A directory that may not be read, or stays locked for 2 seconds, costs the
 * protection, but not the start. Returns the descriptor to close, or -1.
 */
static int lock_directory(const char *path)
{
	char directory[sizeof((struct sockaddr_un *)0)->sun_path];
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	int fd;

	listen_find_directory(path, directory, sizeof directory);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	for (int i = 0; fd >= 0; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			break;
		if (i == LOCK_TRIES) {
			report("cannot lock the directory %s: somebody keeps it locked (going on; "
			       "no other server may start on this socket now)", directory);
			break;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

/* Names the file at a path, even if another takes the place later, by a descriptor (O_PATH
 * and /proc/self/fd). Elsewhere the name is the path, and *links AT_SYMLINK_NOFOLLOW.
 * Returns the descriptor to close, or -1. */
static int hold_file(const char *path, char *name, size_t size, int *links)
{
	int held = -1;

#ifdef O_PATH
	held = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
#endif
	*links = 0;
	snprintf(name, size, "/proc/self/fd/%d", held);
	if (held < 0 || access(name, F_OK) < 0) {
		*links = AT_SYMLINK_NOFOLLOW;
		snprintf(name, size, "%s", path);
	}
	return held;
}

static const char *acl_remedy(int error)
{
	return error == EOPNOTSUPP ? " (this file system has none; choose another path)" : "";
}

/* Sets owner, mode and ACL of the socket just bound; false after reporting and removing the
 * socket. No client can connect before listen(2). umask(2) has set the mode already, unless
 * the directory has a default ACL. A user who may write to the directory may have put another
 * file there meanwhile: leave such a file alone. */
static bool dress_file(const struct listen_address *address, const struct listen_file *file)
{
	bool give = file->owner != (uid_t)-1 || file->group != (gid_t)-1, ours, done = false;
	const char *path = address->as.local.sun_path;
	char name[sizeof address->as.local.sun_path];
	struct stat st;
	int links, held = hold_file(path, name, sizeof name, &links);

	ours = fstatat(AT_FDCWD, name, &st, links) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_nlink <= 1 && (!give || st.st_uid == geteuid());
	if (!ours)
		report("cannot use %s: somebody has removed or replaced it", path);
	else if (give && fchownat(AT_FDCWD, name, file->owner, file->group, links) < 0)
		report("cannot change the owner of %s to %ld:%ld: %s", path, (long)file->owner,
		       (long)file->group, strerror(errno));
	else if ((st.st_mode & 07777) != file->mode &&
		 fchmodat(AT_FDCWD, name, file->mode, links) < 0)
		report("cannot set the mode of %s to %04o: %s", path, (unsigned)file->mode,
		       strerror(errno));
	else if (file->acl && !acl_set(name, links == 0, file->acl, file->mode))
		report("cannot set an access control list for %s: %s%s", path, strerror(errno),
		       acl_remedy(errno));
	else
		done = true;
	if (held >= 0)
		close(held);
	if (ours && !done)
		listen_remove(address);
	return done;
}

static bool bind_local(int fd, const struct listen_address *address,
		       const struct listen_file *file, int backlog)
{
	const char *path = address->as.local.sun_path;
	mode_t mask;
	int bound;

	if (!clear_path(address))
		return false;
	mask = umask(0777 & ~file->mode);
	bound = bind(fd, &address->as.any, address->size);
	umask(mask);
	if (bound < 0) {
		report_bind(path, errno);
		return false;
	}
	if (!dress_file(address, file))
		return false;
	if (listen(fd, backlog) == 0)
		return true;
	report("cannot listen on %s: %s", path, strerror(errno));
	listen_remove(address);
	return false;
}

static bool bind_internet(int fd, const struct listen_address *address)
{
	char text[128];
	int on = 1;

	listen_address_print(address, text, sizeof text);
	/* Bind despite connections of an earlier server in TIME_WAIT. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) {
		report("cannot set SO_REUSEADDR for %s: %s", text, strerror(errno));
		return false;
	}
	if (bind(fd, &address->as.any, address->size) < 0) {
		report("cannot bind %s: %s%s", text, strerror(errno),
		       errno == EADDRNOTAVAIL ? " (no interface has this address)"
		       : errno == EACCES ? " (ports below 1024 are for root)"
		       : errno == EADDRINUSE ? " (another server listens on it)" : "");
		return false;
	}
	return true;
}

static bool listen_internet(int fd, const struct listen_address *address, int backlog)
{
	char text[128];

	if (!bind_internet(fd, address))
		return false;
	if (listen(fd, backlog) == 0)
		return true;
	listen_address_print(address, text, sizeof text);
	report("cannot listen on %s: %s", text, strerror(errno));
	return false;
}

int listen_socket(const struct listen_address *address)
{
	int fd = socket(address->as.any.sa_family, SOCK_STREAM, 0);

	if (fd < 0) {
		report("cannot create a socket: %s", strerror(errno));
		return -1;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

bool listen_bind(int fd, const struct listen_address *address, const struct listen_file *file,
		 int backlog)
{
	int lock;
	bool ready;

	if (address->as.any.sa_family != AF_UNIX)
		return listen_internet(fd, address, backlog);
	lock = lock_directory(address->as.local.sun_path);
	ready = bind_local(fd, address, file, backlog);
	if (lock >= 0)
		close(lock);
	return ready;
}

/* A port bound without listen(2) is free again after close(2). */
static bool would_bind_internet(const struct listen_address *address)
{
	int fd = listen_socket(address);
	bool good = fd >= 0 && bind_internet(fd, address);

	if (fd >= 0)
		close(fd);
	return good;
}

bool listen_would_bind(const struct listen_address *address, const struct acl *acl)
{
	const char *path = address->as.local.sun_path;
	char directory[sizeof address->as.local.sun_path];

	if (address->as.any.sa_family != AF_UNIX)
		return would_bind_internet(address);
	listen_find_directory(path, directory, sizeof directory);
	if (acl && !acl_is_possible(directory)) {
		report("cannot set an access control list for %s: %s%s", path, strerror(errno),
		       acl_remedy(errno));
		return false;
	}
	if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0)
		return is_free(address, is_live_unseen);
	report_bind(path, errno);
	return false;
}

int listen_open(const struct listen_address *address, const struct listen_file *file, int backlog)
{
	int fd = listen_socket(address);

	if (fd >= 0 && !listen_bind(fd, address, file, backlog)) {
		close(fd);
		return -1;
	}
	return fd;
}

void listen_remove(const struct listen_address *address)
{
	int saved = errno;

	if (address->as.any.sa_family == AF_UNIX)
		unlink(address->as.local.sun_path);
	errno = saved;
}

void listen_identify(const struct listen_address *address, struct listen_identity *out)
{
	struct stat st;

	*out = (struct listen_identity){ .inode = 0 };
	if (address->as.any.sa_family == AF_UNIX &&
	    lstat(address->as.local.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		*out = (struct listen_identity){ st.st_dev, st.st_ino, st.st_mtim };
}

/* True if the path still has the file of own. Inode numbers alone are soon used again. */
static bool stands(const struct listen_address *address, const struct listen_identity *own)
{
	struct listen_identity now;

	listen_identify(address, &now);
	return now.inode != 0 && now.device == own->device && now.inode == own->inode &&
	       now.made.tv_sec == own->made.tv_sec && now.made.tv_nsec == own->made.tv_nsec;
}

void listen_remove_own(const struct listen_address *address, const struct listen_identity *own)
{
	if (!stands(address, own))
		return;
	if (unlink(address->as.local.sun_path) < 0)
		report("cannot remove the socket %s: %s", address->as.local.sun_path,
		       strerror(errno));
}

/* Fills in the address of PATH.new. False with errno if too long. */
static bool find_beside(const char *path, struct listen_address *out)
{
	char name[sizeof out->as.local.sun_path + 8];

	snprintf(name, sizeof name, "%s.new", path);
	return listen_address_local(out, name);
}

bool listen_is_beside(const struct listen_address *address, const char *path)
{
	struct listen_address beside;

	return find_beside(path, &beside) &&
	       strcmp(address->as.local.sun_path, beside.as.local.sun_path) == 0;
}

bool listen_replace(int fd, const struct listen_address *address, const struct listen_file *file,
		    int backlog, const struct listen_identity *own)
{
	const char *path = address->as.local.sun_path;
	struct listen_address beside;

	if (!find_beside(path, &beside)) {
		report("cannot replace %s: %s", path, strerror(errno));
		return false;
	}
	if (!bind_local(fd, &beside, file, backlog))
		return false;
	if (!stands(address, own))
		report("cannot replace %s: somebody has removed or replaced it", path);
	else if (rename(beside.as.local.sun_path, path) == 0)
		return true;
	else
		report("cannot replace %s: %s", path, strerror(errno));
	listen_remove(&beside);
	return false;
}

void listen_forget_inherited(void)
{
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

int listen_inherited(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	char *end;
	long count = 0;

	if (pid && fds && strtol(pid, &end, 10) == (long)getpid() && *end == '\0') {
		count = strtol(fds, &end, 10);
		if (*end != '\0' || count < 0 || count > 1024)
			count = 0;
	}
	listen_forget_inherited();
	for (int fd = LISTEN_INHERITED_FIRST; fd < LISTEN_INHERITED_FIRST + count; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return (int)count;
}

bool listen_is_socket(int fd)
{
	int type, listening;
	socklen_t size = sizeof type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
		return false;
	size = sizeof listening;
	/* Systems without SO_ACCEPTCONN: assume a listening socket. */
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || listening;
}
