#include <config.h>

#include "descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { DESCRIPTORS_GUESS = 1024 };

bool descriptors_fill_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

static void seal(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void forget(int fd)
{
	close(fd);
}

/* Trying each number up to a high RLIMIT_NOFILE can take minutes: only a fallback
 * for systems without /proc. */
static void each_descriptor(int first, void (*act)(int))
{
	DIR *list = opendir("/proc/self/fd");
	long most = sysconf(_SC_OPEN_MAX);
	const struct dirent *entry;

	if (!list) {
		for (int fd = first; fd < (most > 0 ? most : DESCRIPTORS_GUESS); fd++)
			act(fd);
		return;
	}
	while ((entry = readdir(list))) {
		int fd = atoi(entry->d_name); /* "." and ".." become 0 */

		if (fd >= first && fd > 0 && fd != dirfd(list))
			act(fd);
	}
	closedir(list);
}

void descriptors_seal(int first)
{
	each_descriptor(first, seal);
}

void descriptors_close(int first)
{
	each_descriptor(first, forget);
}
