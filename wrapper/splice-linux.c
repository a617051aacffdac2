#include <config.h>

#include "splice.h"

#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LARGE = 256 * 1024,
	/* A user without privileges may have 64 MiB in pipes before the system makes
	 * all new pipes of that user small: these take a part of it. */
	LARGE_MOST = 64
};

static bool refused;
static int large;

/* A filter may kill who calls it: so a child does. */
void splice_open(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		splice(-1, NULL, -1, NULL, 1, 0);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || WIFEXITED(status))
		return;
	refused = true;
	report("splice: refused by a signal; bodies are copied instead, which takes more time");
}

bool splice_is_possible(void)
{
	return !refused;
}

bool splice_grow(int pipe)
{
	if (large >= LARGE_MOST || fcntl(pipe, F_SETPIPE_SZ, LARGE) < LARGE)
		return false;
	large++;
	return true;
}

void splice_shrunk(void)
{
	large--;
}

size_t splice_ready(int pipe)
{
	int size;

	return !refused && ioctl(pipe, FIONREAD, &size) == 0 && size > 0 ? (size_t)size : 0;
}

/* The errors of the two ends are left as they are; what else there is comes from a
 * system that does not want it, for these descriptors or at all. */
static void splice_note_error(void)
{
	switch (errno) {
	case EAGAIN:
	case EPIPE:
	case ECONNRESET:
	case ETIMEDOUT:
	case EBADF:
		return;
	case ENOSYS:
	case EPERM:
	case EACCES:
		if (!refused)
			report("splice: %s; bodies are copied instead, which takes more time",
			       strerror(errno));
		refused = true;
	}
	errno = ENOTSUP;
}

static ssize_t splice_bytes(int from, int to, size_t size)
{
	ssize_t n;

	do
		n = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		splice_note_error();
	return n;
}

ssize_t splice_out(int pipe, int socket, size_t size)
{
	int left;
	ssize_t n = splice_bytes(pipe, socket, size);

	/* A script can read its own output back: an empty pipe is no full socket. */
	if (n < 0 && errno == EAGAIN)
		return ioctl(pipe, FIONREAD, &left) == 0 && left == 0 ? 0 : (errno = EAGAIN, -1);
	return n;
}

ssize_t splice_in(int socket, int pipe, size_t size)
{
	struct pollfd out = { .fd = pipe, .events = POLLOUT };
	ssize_t n = splice_bytes(socket, pipe, size);

	/* Either of the two may be what makes it wait. */
	if (n < 0 && errno == EAGAIN)
		errno = poll(&out, 1, 0) == 0 ? ENOBUFS : EAGAIN;
	return n;
}
