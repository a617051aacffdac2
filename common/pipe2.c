#include <config.h>

#include "compat.h"

#include <fcntl.h>
#include <unistd.h>

int pipe2(int fds[2], int flags)
{
	if (pipe(fds) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (flags & O_CLOEXEC)
			fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		if (flags & O_NONBLOCK)
			fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}
