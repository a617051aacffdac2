#include <config.h>

#include "traffic.h"

#include "compat.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * epoll(7) watches an open socket in whatever process: a socket is borrowed from its process by
 * pidfd_getfd(2), put on the list, and closed again. The entry lasts as long as the process has
 * the socket; no descriptor stays open here, to delay the end of the connection for the client.
 *
 * Events are edges (EPOLLET), returned only for sockets still ready at epoll_wait(2). Input may
 * have been read by then, but there is room to write, unless the client does not read; when the
 * client reads at last, there is an edge.
 */

enum { AT_ONCE = 64 };

static int list = -1;
static int slot = -1; /* descriptor number under which all are put on the list */

#if defined SYS_pidfd_open && defined SYS_pidfd_getfd
static int borrow(pid_t process, int descriptor)
{
	int of = (int)syscall(SYS_pidfd_open, process, 0), fd, error;

	if (of < 0)
		return -1;
	fd = (int)syscall(SYS_pidfd_getfd, of, descriptor, 0);
	error = errno;
	close(of);
	errno = error;
	return fd;
}
#else
static int borrow(pid_t process, int descriptor)
{
	(void)process, (void)descriptor;
	errno = ENOSYS;
	return -1;
}
#endif

static bool open_list(void)
{
	if (list < 0)
		list = epoll_create1(EPOLL_CLOEXEC);
	if (list >= 0 && slot < 0)
		slot = fcntl(list, F_DUPFD_CLOEXEC, 0);
	return slot >= 0;
}

/* The process may have reused the number for another socket. */
static bool is_inode(int fd, unsigned long inode)
{
	struct stat st;

	errno = EBADF;
	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == inode;
}

static bool is_blocked(int fd)
{
	struct pollfd wanted = { .fd = fd, .events = POLLOUT };

	return poll(&wanted, 1, 0) == 0;
}

static enum traffic put_on_list(int fd, unsigned long inode)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = inode,
	};

	if (!is_inode(fd, inode) || dup3(fd, slot, O_CLOEXEC) < 0)
		return TRAFFIC_REFUSED;
	if (epoll_ctl(list, EPOLL_CTL_ADD, slot, &event) == 0)
		return TRAFFIC_BEGUN;
	if (errno != EEXIST)
		return TRAFFIC_REFUSED;
	return is_blocked(slot) ? TRAFFIC_BLOCKED : TRAFFIC_WATCHED;
}

enum traffic traffic_watch(pid_t process, int descriptor, unsigned long inode)
{
	enum traffic result;
	int fd, error;

	if (!open_list())
		return TRAFFIC_REFUSED;
	fd = borrow(process, descriptor);
	if (fd < 0)
		return TRAFFIC_REFUSED;
	result = put_on_list(fd, inode);
	error = errno;
	close(fd);
	dup3(list, slot, O_CLOEXEC);
	errno = error;
	return result;
}

void traffic_tell(void (*passed)(unsigned long inode, void *argument), void *argument)
{
	struct epoll_event events[AT_ONCE];
	int count = AT_ONCE;

	while (list >= 0 && count == AT_ONCE) {
		count = epoll_wait(list, events, AT_ONCE, 0);
		for (int i = 0; i < count; i++)
			passed((unsigned long)events[i].data.u64, argument);
	}
}
