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
	/* Beyond 64 MiB of pipes (pipe-user-pages-soft) the kernel makes new pipes of an
	 * unprivileged user small: large pipes take at most 16 MiB per worker. */
	LARGE_MOST = 64
};

static bool refused;
static int large;

/* A filter of system calls may kill the caller, so a child calls splice(2) first. */
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
	report(REPORT_WARNING "splice: refused by a signal; bodies are copied instead, which takes more time");
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

/* Keeps errno if the pipe or the socket is to blame. Otherwise the system refuses splice(2)
 * for these descriptors, or altogether: errno becomes ENOTSUP. */
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
			report(REPORT_WARNING "splice: %s; bodies are copied instead, which takes more time",
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

	/* A script can read its own output back: then EAGAIN means an empty pipe, not a
	 * full socket. */
	if (n < 0 && errno == EAGAIN)
		return ioctl(pipe, FIONREAD, &left) == 0 && left == 0 ? 0 : (errno = EAGAIN, -1);
	return n;
}

ssize_t splice_in(int socket, int pipe, size_t size)
{
	struct pollfd out = { .fd = pipe, .events = POLLOUT };
	ssize_t n = splice_bytes(socket, pipe, size);

	/* Either end can cause EAGAIN: ask poll(2) for a full pipe. */
	if (n < 0 && errno == EAGAIN)
		errno = poll(&out, 1, 0) == 0 ? ENOBUFS : EAGAIN;
	return n;
}
