#include <config.h>

#include "os.h"

#include "calls.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t os_read(int fd, void *bytes, size_t size)
{
	ssize_t n;

	do
		n = read(fd, bytes, size);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t os_write(int fd, const void *bytes, size_t size)
{
	ssize_t n;

	do
		n = write(fd, bytes, size);
	while (n < 0 && errno == EINTR);
	return n;
}

void os_close(int fd)
{
	close(fd);
}

bool os_shutdown(int socket)
{
	return shutdown(socket, SHUT_WR) == 0;
}

short os_poll(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

long os_unsent(int socket)
{
	int size = 0;

#ifdef TIOCOUTQ
	if (ioctl(socket, TIOCOUTQ, &size) < 0)
		return 0;
#endif
	return size;
}

bool os_pipe(int ends[2], int ours)
{
	if (call_pipe(ends, O_CLOEXEC) < 0)
		return false;
	if (fcntl(ends[ours], F_SETFL, O_NONBLOCK) == 0)
		return true;
	close(ends[0]);
	close(ends[1]);
	return false;
}

int os_kill(pid_t process_or_group, int signal)
{
	return kill(process_or_group, signal);
}

pid_t os_group_of(pid_t process)
{
	return getpgid(process);
}

#ifdef HAVE_WAIT4
#ifdef __APPLE__
enum { MEMORY_UNIT = 1 };
#else
enum { MEMORY_UNIT = 1024 };
#endif

static uint64_t microseconds(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

pid_t os_reap(int *status, struct os_usage *usage)
{
	struct rusage used;
	pid_t pid;

	do
		pid = wait4(-1, status, WNOHANG, &used);
	while (pid < 0 && errno == EINTR);
	if (pid <= 0)
		return 0;
	*usage = (struct os_usage){ microseconds(&used.ru_utime), microseconds(&used.ru_stime),
				    (uint64_t)used.ru_maxrss * MEMORY_UNIT };
	return pid;
}
#else
pid_t os_reap(int *status, struct os_usage *usage)
{
	pid_t pid;

	*usage = (struct os_usage){ 0, 0, 0 };
	do
		pid = waitpid(-1, status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	return pid > 0 ? pid : 0;
}
#endif

void os_reap_child(pid_t child)
{
	waitpid(child, NULL, WNOHANG);
}

bool os_is_child(pid_t process)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool os_keeps_group(pid_t group)
{
	siginfo_t info = { .si_pid = 0 };
	int kinds = 0;

#ifdef __WALL
	kinds = __WALL;
#endif
	if (waitid(P_PID, (id_t)group, &info, WEXITED | WNOHANG | WNOWAIT | kinds) == 0)
		return info.si_pid == group;
	return kill(group, 0) < 0 && errno == ESRCH;
}

/* Opens a file without a name, since scripts of the same user could open a named one. -1 with
 * errno; ENOTSUP where no such files exist. */
static int open_nameless(const char *directory)
{
#ifdef O_TMPFILE
	int fd = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

	/* Errors of kernels and file systems without O_TMPFILE. */
	if (fd < 0 && (errno == EISDIR || errno == ENOENT || errno == EINVAL ||
		       errno == EOPNOTSUPP))
		errno = ENOTSUP;
	return fd;
#else
	(void)directory;
	errno = ENOTSUP;
	return -1;
#endif
}

int os_spool_open(const char *directory)
{
	char path[1024];
	int fd = open_nameless(directory);

	if (fd >= 0 || errno != ENOTSUP)
		return fd;
	if (snprintf(path, sizeof path, "%s/fcgiwrap-XXXXXX", directory) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (unlink(path) < 0)
		report("cannot remove %s, which holds a request body: %s", path, strerror(errno));
	return fd;
}

ssize_t os_pread(int fd, void *bytes, size_t size, off_t at)
{
	ssize_t n;

	do
		n = pread(fd, bytes, size, at);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t os_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	ssize_t n;

	do
		n = pwrite(fd, bytes, size, at);
	while (n < 0 && errno == EINTR);
	return n;
}

bool os_empty(int fd)
{
	return ftruncate(fd, 0) == 0;
}
