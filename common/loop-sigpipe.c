#include <config.h>

#include "loop-signals.h"

#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* The handler marks the signal, and writes a byte to a pipe to wake the loop. */

static int ends[2] = { -1, -1 };
static sigset_t before; /* mask to restore, while signals are held */
static struct caught {
	int number;
	volatile sig_atomic_t come;
} caught[SIGNALS_MOST];
static size_t count;

static void on_signal(int number)
{
	int saved = errno;

	for (size_t i = 0; i < count; i++)
		if (caught[i].number == number)
			caught[i].come = 1;
	if (write(ends[1], "", 1) < 0) {
		/* The pipe is full: the loop will wake up anyway. */
	}
	errno = saved;
}

static int pipe_open(void)
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	count = 0;
	return call_pipe(ends, O_CLOEXEC | O_NONBLOCK) < 0 ? -1 : ends[0];
}

static bool pipe_catch(int number)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigset_t this;

	caught[count].number = number;
	caught[count++].come = 0;
	sigemptyset(&action.sa_mask);
	sigemptyset(&this);
	sigaddset(&this, number);
	return sigaction(number, &action, NULL) == 0 && sigprocmask(SIG_UNBLOCK, &this, NULL) == 0;
}

static size_t pipe_take(int numbers[SIGNALS_MOST])
{
	char drain[64];
	size_t taken = 0;

	/* Bytes left in the pipe wake the loop once more. */
	if (read(ends[0], drain, sizeof drain) < 0) {
	}
	for (size_t i = 0; i < count; i++)
		if (caught[i].come) {
			caught[i].come = 0;
			numbers[taken++] = caught[i].number;
		}
	return taken;
}

static void pipe_hold(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
}

static void pipe_release(void)
{
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void pipe_give_back(void)
{
	for (size_t i = 0; i < count; i++)
		if (caught[i].come) {
			caught[i].come = 0;
			kill(getpid(), caught[i].number);
		}
}

static void pipe_leave(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < count; i++)
		sigaction(caught[i].number, &action, NULL);
}

const struct signal_method signals_by_pipe = {
	.name = "pipe",
	.open = pipe_open,
	.catch = pipe_catch,
	.take = pipe_take,
	.hold = pipe_hold,
	.release = pipe_release,
	.give_back = pipe_give_back,
	.leave = pipe_leave,
};
