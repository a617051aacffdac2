#include <config.h>

#include "tag.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool tag_is_usable(const char *text)
{
	static const char usable[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789-._=+/@";
	size_t length = text ? strlen(text) : 0;

	return length > 0 && length <= TAG_MOST && strspn(text, usable) == length;
}

static void make_seed(uint64_t seed[2])
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, seed, 2 * sizeof *seed);
	struct timespec t;

	if (fd >= 0)
		close(fd);
	if (n == 2 * (ssize_t)sizeof *seed)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	seed[0] = (uint64_t)t.tv_sec << 32 ^ (uint64_t)getpid();
	seed[1] = (uint64_t)t.tv_nsec << 32;
}

void tag_make(char out[TAG_MADE + 1])
{
	static uint64_t seed[2];
	static pid_t maker; /* a worker must not go on with the seed of its parent */

	if (maker != getpid()) {
		make_seed(seed);
		maker = getpid();
	}
	snprintf(out, TAG_MADE + 1, "%016" PRIx64 "%016" PRIx64, seed[0], seed[1]++);
}
