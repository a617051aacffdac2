/*
 * slow-clock: a library to preload. The program's clock, and its waits by pselect(2), run 20 times
 * as slowly as the time, so that a tenth of a second of its own is 2 s long, and a test can tell
 * whether it waited for that long, however busy the machine. What it starts has the usual clock.
 */
#define _GNU_SOURCE

#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLOWER = 20 };

static const long long ns_per_s = 1000000000;

static long long ns_of(const struct timespec *t)
{
	return t->tv_sec * ns_per_s + t->tv_nsec;
}

static struct timespec timespec_of(long long ns)
{
	return (struct timespec){ (time_t)(ns / ns_per_s), (long)(ns % ns_per_s) };
}

static __attribute__((constructor)) void only_for_this_program(void)
{
	unsetenv("LD_PRELOAD");
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, id, now);

	if (result == 0 && id == CLOCK_MONOTONIC)
		*now = timespec_of(ns_of(now) / SLOWER);
	return (int)result;
}

int pselect(int n, fd_set *in, fd_set *out, fd_set *other, const struct timespec *limit,
	    const sigset_t *mask)
{
	struct { const sigset_t *set; size_t size; } blocked = { mask, _NSIG / 8 };
	struct timespec longer;

	if (limit)
		longer = timespec_of(ns_of(limit) * SLOWER);
	return (int)syscall(SYS_pselect6, n, in, out, other, limit ? &longer : NULL, &blocked);
}
