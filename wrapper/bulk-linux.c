#include <config.h>

#include "bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

/* A user without privileges may have 64 MiB in pipes of more than the usual size
 * before the system makes all new ones small. */
enum { WIDE = 256 * 1024 };

void bulk_widen(int pipe)
{
	fcntl(pipe, F_SETPIPE_SZ, WIDE);
}

size_t bulk_ready(int pipe)
{
	int size;

	return ioctl(pipe, FIONREAD, &size) == 0 && size > 0 ? (size_t)size : 0;
}

ssize_t bulk_move(int pipe, int socket, size_t size)
{
	ssize_t n = splice(pipe, NULL, socket, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	/* A program can read its own output back: an empty pipe is no full socket. */
	return n < 0 && errno == EAGAIN && bulk_ready(pipe) == 0 ? 0 : n;
}

ssize_t bulk_fill(int socket, int pipe, size_t size)
{
	struct pollfd out = { .fd = pipe, .events = POLLOUT };
	ssize_t n = splice(socket, NULL, pipe, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	/* Either of the two may be what makes it wait. */
	if (n < 0 && errno == EAGAIN && poll(&out, 1, 0) == 0)
		errno = ENOBUFS;
	return n;
}
