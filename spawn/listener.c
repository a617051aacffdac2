#include <config.h>

#include "listener.h"

#include "descriptors.h"
#include "process.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A socket to bind, for a process that does nothing else. */
struct binding {
	const struct listener *listener;
	const struct listen_file *file;
	int backlog;
};

/* What a path means inside the chroot, symbolic links included, only a process
 * inside can tell. The socket bound there is this process's as well: both hold
 * the same open file. */
static bool bind_inside(void *argument)
{
	const struct binding *b = argument;

	return process_change_root(b->listener->root) &&
	       listen_bind(b->listener->fd, &b->listener->address, b->file, b->backlog);
}

static bool remove_inside(void *argument)
{
	const struct listener *l = argument;

	if (!process_change_root(l->root))
		return false;
	listen_remove(&l->address);
	return true;
}

bool listener_adopt(struct listener *out, const struct settings *settings, int fd, bool bound)
{
	*out = (struct listener){
		.fd = fd,
		.address = settings->address,
		.root = settings->socket && !settings->bind_before_chroot ? settings->root : NULL,
		.janitor = -1,
		.out_of_reach = !bound,
	};
	if (listen_is_socket(fd))
		return true;
	report("descriptor %d (LISTEN_FDS) is not a listening socket", fd);
	return false;
}

bool listener_open(struct listener *out, const struct settings *settings,
		   const struct identity *identity)
{
	const struct listen_file file = {
		.mode = (mode_t)settings->mode,
		.owner = identity->socket_owner,
		.group = identity->socket_group,
	};
	struct binding binding = { out, &file, (int)settings->backlog };

	*out = (struct listener){ .address = settings->address, .janitor = -1 };
	if (settings->socket && !settings->bind_before_chroot)
		out->root = settings->root;
	if (!out->root) {
		out->fd = listen_open(&out->address, &file, binding.backlog);
		return out->fd >= 0;
	}
	out->fd = listen_socket(&out->address);
	if (out->fd < 0)
		return false;
	if (process_apart(bind_inside, &binding))
		return true;
	close(out->fd);
	return false;
}

static void remove_file(struct listener *l)
{
	if (l->root)
		process_apart(remove_inside, l);
	else
		listen_remove(&l->address);
}

/* The janitor's life: an order to remove the file, or no order for ever. It
 * keeps nothing open that somebody may wait to see closed. */
static void await_order(struct listener *l, int orders)
{
	char order;

	dup2(orders, STDIN_FILENO);
	descriptors_close(STDIN_FILENO + 1);
	if (read(STDIN_FILENO, &order, 1) == 1)
		remove_file(l);
	_exit(0);
}

/* A grandchild, so that the program does not find a child that it never had. */
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

/* Whether the path will mean something else, or not be ours to remove. */
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
	/* All orphans are children of process 1, the program in a container. */
	if (getpid() != 1)
		hire_janitor(l);
	l->out_of_reach = l->janitor < 0;
}

/* Returns when the janitor has done its work: then its end is closed. */
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
	else if (!l->out_of_reach)
		remove_file(l);
}
