/*
 * slow-accept: a library to preload into spawn-fcgi. Each time that it accepts, it says so by the
 * file $SLOW_ACCEPT.begun, and goes on when there is $SLOW_ACCEPT.go: so that somebody else can
 * take the connection in between. What it starts accepts as usual.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char begun[512], go[512];

static __attribute__((constructor)) void only_for_this_program(void)
{
	const char *name = getenv("SLOW_ACCEPT");

	snprintf(begun, sizeof begun, "%s.begun", name ? name : "");
	snprintf(go, sizeof go, "%s.go", name ? name : "");
	unsetenv("LD_PRELOAD");
}

static void wait_to_go(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	int error = errno;

	close(open(begun, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	while (access(go, F_OK) < 0)
		nanosleep(&moment, NULL);
	errno = error;
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags)
{
	wait_to_go();
	return (int)syscall(SYS_accept4, fd, address, size, flags);
}

int accept(int fd, __SOCKADDR_ARG address, socklen_t *restrict size)
{
	return accept4(fd, address, size, 0);
}
