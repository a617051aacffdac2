#include <config.h>

#include "compat.h"

#include <fcntl.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	int new_fd = accept(fd, address, size);

	if (new_fd < 0)
		return -1;
	if (flags & SOCK_CLOEXEC)
		fcntl(new_fd, F_SETFD, FD_CLOEXEC);
	/* Some systems pass O_NONBLOCK on from the listener, some do not. */
	fcntl(new_fd, F_SETFL, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0);
	return new_fd;
}
