#include <config.h>

#include "calls.h"

#include "compat.h"
#include "report.h"

#include <errno.h>
#include <stdatomic.h>

/* glibc's pipe() may call pipe2(2): call the kernel's own pipe(2). */
#if defined __linux__ && (defined __x86_64__ || defined __i386__ || defined __arm__ || \
			  defined __powerpc__ || defined __s390__)
#include <sys/syscall.h>
#define pipe(ends) ((int)syscall(SYS_pipe, ends))
#endif

/* Without pipe2() or accept4() in libc, use the plain calls alone. */
#ifndef HAVE_PIPE2
#define pipe2 plain_pipe
#endif
#ifndef HAVE_ACCEPT4
#define accept4(listener, address, size, flags) plain_accept(listener)
#endif

bool call_is_refused(int error)
{
	return error == ENOSYS || error == EPERM || error == EACCES || error == EINVAL;
}

/* A process started by another thread in between inherits the descriptor; before exec
 * of a script, all descriptors but the script's own are closed. */
static void set_flags(int fd, bool close_on_exec, bool nonblocking)
{
	if (close_on_exec)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* Some systems pass O_NONBLOCK on from a listener, some do not. */
	fcntl(fd, F_SETFL, nonblocking ? O_NONBLOCK : 0);
}

static int plain_pipe(int ends[2], int flags)
{
	if (pipe(ends) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		set_flags(ends[i], flags & O_CLOEXEC, flags & O_NONBLOCK);
	return 0;
}

static int plain_accept(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0)
		set_flags(fd, true, true);
	return fd;
}

int call_pipe(int ends[2], int flags)
{
	static atomic_bool refused;

	if (!refused) {
		if (pipe2(ends, flags) == 0)
			return 0;
		if (!call_is_refused(errno))
			return -1;
	}
	if (plain_pipe(ends, flags) < 0)
		return -1;
	if (!atomic_exchange(&refused, true))
		report(REPORT_WARNING "pipe2 is refused; pipe is called instead");
	return 0;
}

/* EPERM may come from a firewall, for one connection: then accept(2) fails too. */
int call_accept(int listener)
{
	static atomic_bool refused;
	int fd;

	if (!refused) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0 || !call_is_refused(errno))
			return fd;
	}
	fd = plain_accept(listener);
	if (fd >= 0 && !atomic_exchange(&refused, true))
		report(REPORT_WARNING "accept4 is refused; accept is called instead");
	return fd;
}
