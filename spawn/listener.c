#include <config.h>

#include "listener.h"

#include "calls.h"
#include "descriptors.h"
#include "gate.h"
#include "notify.h"
#include "self.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAMES_SIZE = 256 };

/* Prefix of the names of our own sockets kept by a service manager. */
static const char kept_prefix[] = "spawn-fcgi-";

/* A socket to bind, perhaps in a child of its own. */
struct binding {
	const struct listener *listener;
	const struct listen_file *file;
	const struct listen_identity *former; /* of the file to be replaced; or NULL */
	int backlog;
	int answer; /* a pipe for the identity of the file */
};

/* Only a process inside the chroot can resolve a path there, symbolic links included.
 * A child that binds the socket binds ours as well: both hold the same open file. */
static bool bind_it(const struct binding *b)
{
	const struct listener *l = b->listener;

	return b->former ? listen_replace(l->fd, &l->address, b->file, b->backlog, b->former)
			 : listen_bind(l->fd, &l->address, b->file, b->backlog);
}

static bool bind_inside(void *argument)
{
	const struct binding *b = argument;
	struct listen_identity made;

	if (!self_change_root(b->listener->root) || !bind_it(b))
		return false;
	listen_identify(&b->listener->address, &made);
	return write(b->answer, &made, sizeof made) == sizeof made;
}

static bool remove_inside(void *argument)
{
	const struct listener *l = argument;

	if (!self_change_root(l->root))
		return false;
	listen_remove_own(&l->address, &l->file);
	return true;
}

static bool bind_apart(struct listener *l, struct binding *binding)
{
	int ends[2];
	bool bound;

	if (call_pipe(ends, O_CLOEXEC) < 0) {
		report("cannot create a pipe: %s", strerror(errno));
		return false;
	}
	binding->answer = ends[1];
	bound = self_apart(bind_inside, binding);
	close(ends[1]);
	bound = bound && read(ends[0], &l->file, sizeof l->file) == sizeof l->file;
	close(ends[0]);
	return bound;
}

static const char *find_root(const struct settings *settings)
{
	return settings->socket && !settings->bind_before_chroot ? settings->root : NULL;
}

static struct listen_file wanted_file(const struct settings *settings,
				      const struct identity *identity)
{
	return (struct listen_file){
		.mode = (mode_t)settings->mode,
		.owner = identity->socket_owner,
		.group = identity->socket_group,
		.acl = acl_is_empty(&identity->acl) ? NULL : &identity->acl,
	};
}

bool listener_open(struct listener *out, const struct settings *settings,
		   const struct identity *identity)
{
	const struct listen_file file = wanted_file(settings, identity);
	struct binding binding = { .listener = out, .file = &file,
				   .backlog = (int)settings->backlog };

	*out = (struct listener){ .address = settings->address, .root = find_root(settings),
				  .bound = true, .janitor = -1 };
	if (!out->root) {
		out->fd = listen_open(&out->address, &file, binding.backlog);
		if (out->fd >= 0)
			listen_identify(&out->address, &out->file);
		return out->fd >= 0;
	}
	out->fd = listen_socket(&out->address);
	if (out->fd < 0)
		return false;
	if (bind_apart(out, &binding))
		return true;
	close(out->fd);
	return false;
}

bool listener_renew(struct listener *l, const struct settings *settings,
		    const struct identity *identity)
{
	const struct listen_file file = wanted_file(settings, identity);
	struct listener renewed = *l;
	struct binding binding = { .listener = &renewed, .file = &file, .former = &l->file,
				   .backlog = (int)settings->backlog };
	bool bound;

	if (!l->bound || !settings->socket)
		return false;
	renewed.fd = listen_socket(&l->address);
	if (renewed.fd < 0)
		return false;
	bound = l->root ? bind_apart(&renewed, &binding) : bind_it(&binding);
	if (!bound) {
		close(renewed.fd);
		return false;
	}
	if (!l->root)
		listen_identify(&l->address, &renewed.file);
	*l = renewed;
	return true;
}

bool listener_is_passed(int fd)
{
	if (listen_is_socket(fd))
		return true;
	report("descriptor %d (LISTEN_FDS) is not a listening socket", fd);
	return false;
}

bool listener_adopt(struct listener *out, const struct settings *settings, int fd, bool bound,
		    const struct listen_identity *file)
{
	*out = (struct listener){ .fd = fd, .bound = bound, .address = settings->address,
				  .file = *file, .root = find_root(settings), .janitor = -1 };
	return listener_is_passed(fd);
}

/* Sockets that a service manager passes, by their names. */

void listener_name(const struct listener *l, char name[LISTENER_NAME_SIZE])
{
	snprintf(name, LISTENER_NAME_SIZE, "%s%jx-%jx-%jx-%lx", kept_prefix,
		 (uintmax_t)l->file.device, (uintmax_t)l->file.inode,
		 (uintmax_t)l->file.made.tv_sec, (unsigned long)l->file.made.tv_nsec);
}

bool listener_read_name(const char *name, struct listen_identity *out)
{
	uintmax_t device, inode, seconds;
	unsigned long rest;
	size_t prefix = sizeof kept_prefix - 1;
	int used;

	*out = (struct listen_identity){ .inode = 0 };
	if (strncmp(name, kept_prefix, prefix) != 0 ||
	    sscanf(name + prefix, "%jx-%jx-%jx-%lx%n", &device, &inode, &seconds, &rest,
		   &used) != 4 ||
	    name[prefix + (size_t)used] != '\0')
		return false;
	out->device = (dev_t)device;
	out->inode = (ino_t)inode;
	out->made.tv_sec = (time_t)seconds;
	out->made.tv_nsec = (long)rest;
	return true;
}

/* The i-th name of a list with colons; "unknown", as sd_listen_fds_with_names(3) says,
 * if there are not so many. */
static void find_name(const char *names, int i, char *out, size_t size)
{
	for (; names && i > 0; i--) {
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
	}
	snprintf(out, size, "%.*s", names ? (int)strcspn(names, ":") : (int)size,
		 names ? names : "unknown");
}

/* A socket of ours kept by the service manager, beside the present settings. */
struct keepsake {
	struct listener listener; /* with the actual address */
	const struct settings *settings;
	const struct identity *identity;
	bool wanted; /* false if there is another one already */
};

static bool is_same_address(const struct listen_address *a, const struct listen_address *b)
{
	if (a->as.any.sa_family != b->as.any.sa_family)
		return false;
	switch (a->as.any.sa_family) {
	case AF_UNIX:
		return strcmp(a->as.local.sun_path, b->as.local.sun_path) == 0;
	case AF_INET:
		return a->as.ipv4.sin_port == b->as.ipv4.sin_port &&
		       a->as.ipv4.sin_addr.s_addr == b->as.ipv4.sin_addr.s_addr;
	default:
		return a->as.ipv6.sin6_port == b->as.ipv6.sin6_port &&
		       memcmp(&a->as.ipv6.sin6_addr, &b->as.ipv6.sin6_addr,
			      sizeof a->as.ipv6.sin6_addr) == 0;
	}
}

/* True if the socket's own file stands there, with mode, owner and list as wanted now. */
static bool has_its_file(const struct keepsake *k)
{
	const struct listen_file file = wanted_file(k->settings, k->identity);
	const struct listener *l = &k->listener;
	struct listen_identity now;
	struct stat st;

	listen_identify(&l->address, &now);
	return now.inode != 0 && now.device == l->file.device && now.inode == l->file.inode &&
	       now.made.tv_sec == l->file.made.tv_sec &&
	       now.made.tv_nsec == l->file.made.tv_nsec &&
	       lstat(l->address.as.local.sun_path, &st) == 0 &&
	       acl_is_set(l->address.as.local.sun_path, &k->identity->acl, file.mode) &&
	       st.st_uid == (file.owner == USER_UNCHANGED ? geteuid() : file.owner) &&
	       (file.group == GROUP_UNCHANGED || st.st_gid == file.group);
}

/* True if the socket is like one made now; else removes its file. */
static bool is_of_use(void *argument)
{
	const struct keepsake *k = argument;
	const struct listener *l = &k->listener;

	if (l->root && !self_change_root(l->root))
		return false;
	if (k->wanted && is_same_address(&l->address, &k->settings->address) &&
	    gate_open(l->fd) && (l->address.as.any.sa_family != AF_UNIX || has_its_file(k)))
		return true;
	listen_remove_own(&l->address, &l->file);
	return false;
}

/* Finds the address: a socket that has replaced another one was bound beside the path. */
static bool read_name(struct listen_address *out, int fd, const struct settings *settings)
{
	out->size = sizeof out->as;
	if (getsockname(fd, &out->as.any, &out->size) < 0)
		return false;
	if (out->as.any.sa_family == AF_UNIX && settings->socket &&
	    listen_is_beside(out, settings->socket))
		*out = settings->address;
	return true;
}

/* Takes the socket up, or gives it up, also at the service manager. */
static bool take_keepsake(struct listener *out, const struct settings *settings,
			  const struct identity *identity, int fd, const char *name, bool wanted)
{
	struct keepsake k = {
		.listener = { .fd = fd, .bound = true, .root = find_root(settings),
			      .janitor = -1 },
		.settings = settings, .identity = identity, .wanted = wanted,
	};
	struct listen_address *address = &k.listener.address;

	listener_read_name(name, &k.listener.file);
	if (listen_is_socket(fd) && read_name(address, fd, settings) &&
	    (k.listener.root ? self_apart(is_of_use, &k) : is_of_use(&k))) {
		*out = k.listener;
		out->address = settings->address;
		listen(fd, (int)settings->backlog);
		report(REPORT_NOTICE "going on with the socket that the service manager has kept");
		return true;
	}
	report("the socket that the service manager has kept is given up: it is not what would "
	       "be made now");
	notify_drop(name);
	close(fd);
	return false;
}

static void report_choice(const struct settings *s, int passed, int chosen)
{
	const char *names = s->inherited_names ? s->inherited_names : "";

	if (!s->socket_name)
		report("LISTEN_FDS passes %d sockets (LISTEN_FDNAMES=%s), of which one can be "
		       "served (choose it by --socket-name, and give each a service of its own)",
		       passed, names);
	else if (chosen == 0)
		report("--socket-name %s: LISTEN_FDS passes %d sockets, none of this name "
		       "(LISTEN_FDNAMES=%s)", s->socket_name, passed, names);
	else
		report("--socket-name %s: LISTEN_FDS passes %d sockets of this name (give each a "
		       "FileDescriptorName= of its own)", s->socket_name, chosen);
}

static bool open_own(struct listener *out, const struct settings *settings,
		     const struct identity *identity)
{
	if (settings->socket || settings->port)
		return listener_open(out, settings, identity);
	report("no socket given (use either -p or -s)");
	return false;
}

bool listener_choose(const struct settings *settings, int *out)
{
	const char *wanted = settings->socket_name;
	int passed = 0, chosen = 0;
	char name[NAMES_SIZE];
	struct listen_identity file;

	*out = -1;
	for (int i = 0; i < settings->inherited; i++) {
		find_name(settings->inherited_names, i, name, sizeof name);
		if (listener_read_name(name, &file))
			continue;
		passed++;
		if (wanted && strcmp(name, wanted) != 0)
			continue;
		chosen++;
		*out = LISTEN_INHERITED_FIRST + i;
	}
	if (chosen > 1 || (chosen == 0 && wanted)) {
		report_choice(settings, passed, chosen);
		return false;
	}
	return true;
}

bool listener_find(struct listener *out, const struct settings *settings,
		   const struct identity *identity)
{
	const struct listen_identity none = { .inode = 0 };
	char name[NAMES_SIZE];
	struct listen_identity file;
	bool kept = false;
	int chosen;

	if (!listener_choose(settings, &chosen))
		return false;
	for (int i = 0; i < settings->inherited; i++) {
		int fd = LISTEN_INHERITED_FIRST + i;

		find_name(settings->inherited_names, i, name, sizeof name);
		if (listener_read_name(name, &file))
			kept |= take_keepsake(out, settings, identity, fd, name,
					      chosen < 0 && !kept);
		else if (fd != chosen)
			close(fd);
	}
	if (kept)
		return true;
	if (chosen < 0)
		return open_own(out, settings, identity);
	if (settings->socket || settings->port)
		report(REPORT_WARNING "-%c is ignored, since a socket was passed by LISTEN_FDS",
		       settings->socket ? 's' : 'p');
	return listener_adopt(out, settings, chosen, false, &none);
}

static void remove_file(struct listener *l)
{
	if (l->root)
		self_apart(remove_inside, l);
	else
		listen_remove_own(&l->address, &l->file);
}

/* The janitor: waits for an order to remove the file, or for EOF. Closes all else, since
 * others may wait for EOF of a pipe. */
static void await_order(struct listener *l, int orders)
{
	char order;

	dup2(orders, STDIN_FILENO);
	descriptors_close(STDIN_FILENO + 1);
	if (read(STDIN_FILENO, &order, 1) == 1)
		remove_file(l);
	_exit(0);
}

/* Forks the janitor as a grandchild: the program must not find an unknown child. */
static void hire_janitor(struct listener *l)
{
	int ends[2];
	pid_t agent;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return;
	agent = fork();
	if (agent == 0) {
		close(ends[0]);
		if (fork() == 0)
			await_order(l, ends[1]);
		_exit(0);
	}
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	close(ends[1]);
	if (agent > 0)
		waitpid(agent, NULL, 0);
	l->janitor = ends[0];
}

/* True if the path will mean something else, or not be ours to remove. */
static bool loses_file(const struct settings *s, const struct identity *identity)
{
	return s->socket && (identity_changes(identity) || s->root ||
			     (s->directory && s->socket[0] != '/'));
}

void listener_entrust(struct listener *l, const struct settings *settings,
		      const struct identity *identity)
{
	if (!loses_file(settings, identity))
		return;
	/* A janitor would become a child of process 1, the program in a container. */
	if (getpid() != 1)
		hire_janitor(l);
	l->out_of_reach = l->janitor < 0;
}

/* Returns at EOF: the janitor has done the work. */
static void order_removal(int janitor)
{
	char answer;

	if (send(janitor, "", 1, MSG_NOSIGNAL) == 1 && read(janitor, &answer, 1) < 0)
		report("cannot wait for the removal of the socket: %s", strerror(errno));
}

void listener_remove(struct listener *l)
{
	if (l->janitor >= 0)
		order_removal(l->janitor);
	else if (l->bound && !l->out_of_reach)
		remove_file(l);
}
