#include <config.h>

#include "notify.h"

#include "listen.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { USEC_PER_MS = 1000 };

static int fd = -1;
static struct listen_address manager;

void notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || (path[0] != '/' && path[0] != '@') || !listen_address_local(&manager, path))
		return;
	manager.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		manager.as.local.sun_path[0] = '\0'; /* a name outside of the file system */
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void notify(const char *format, ...)
{
	char text[512];
	va_list arguments;

	if (fd < 0)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, &manager.as.any, manager.size);
}

void notify_reloading(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	       (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

int64_t notify_watchdog(void)
{
	const char *interval = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long usec = interval ? atoll(interval) : 0;

	if (fd < 0 || usec <= 0 || (pid && atol(pid) != (long)getpid()))
		return 0;
	return usec / 2 < USEC_PER_MS ? 1 : usec / 2 / USEC_PER_MS;
}

void notify_leave(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}
