#include <config.h>

#include "accept-now.h"

#include "calls.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

/*
 * Between poll(2) and accept(2) a process of the pool may take the connection, and then
 * accept(2) waits for the next one. O_NONBLOCK and SO_RCVTIMEO are shared with the processes
 * of the pool: accept(2) would fail there with errors unknown to the program. A child waiting
 * in accept(2) in our place would still take connections when none is to be refused any more.
 * So SIGALRM interrupts the call. The timer repeats, since the first tick may come before
 * accept(2) has begun. Within a tick, accept(2) may take a connection not looked at before:
 * the next one after a connection to be refused.
 */
enum { TICK_US = 200 };

static void on_timer_signal(int signal)
{
	(void)signal;
}

static void set_timer(suseconds_t us)
{
	const struct itimerval value = { .it_interval.tv_usec = us, .it_value.tv_usec = us };

	setitimer(ITIMER_REAL, &value, NULL);
}

int accept_now(int listener)
{
	struct sigaction tick = { .sa_handler = on_timer_signal }, before;
	sigset_t ticks, mask;
	int fd, error;

	sigemptyset(&tick.sa_mask);
	sigemptyset(&ticks);
	sigaddset(&ticks, SIGALRM);
	if (sigaction(SIGALRM, &tick, &before) < 0)
		return -1;
	sigprocmask(SIG_UNBLOCK, &ticks, &mask);
	set_timer(TICK_US);
	fd = call_accept(listener);
	error = errno;
	set_timer(0);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGALRM, &before, NULL);
	errno = error;
	return fd;
}
