#include <config.h>

#include "loop-signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Caught signals are blocked and read from a signalfd(2). Without handlers there is
 * nothing to hold back. */

static int descriptor = -1;
static sigset_t caught;

static int descriptor_open(void)
{
	if (descriptor >= 0)
		close(descriptor);
	sigemptyset(&caught);
	descriptor = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	return descriptor;
}

static bool descriptor_catch(int number)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	sigaddset(&caught, number);
	sigemptyset(&action.sa_mask);
	/* With SIGCHLD ignored, children would leave no status. */
	return sigprocmask(SIG_BLOCK, &caught, NULL) == 0 && sigaction(number, &action, NULL) == 0 &&
	       signalfd(descriptor, &caught, 0) >= 0;
}

static size_t descriptor_take(int numbers[SIGNALS_MOST])
{
	struct signalfd_siginfo come[SIGNALS_MOST];
	ssize_t n = read(descriptor, come, sizeof come);
	size_t count = n < 0 ? 0 : (size_t)n / sizeof *come;

	for (size_t i = 0; i < count; i++)
		numbers[i] = (int)come[i].ssi_signo;
	return count;
}

static void descriptor_hold(void)
{
}

static void descriptor_release(void)
{
}

/* They are pending, which survives an exec. */
static void descriptor_give_back(void)
{
}

static void descriptor_leave(void)
{
	sigprocmask(SIG_UNBLOCK, &caught, NULL);
}

const struct signal_method signals_by_descriptor = {
	.name = "signalfd",
	.open = descriptor_open,
	.catch = descriptor_catch,
	.take = descriptor_take,
	.hold = descriptor_hold,
	.release = descriptor_release,
	.give_back = descriptor_give_back,
	.leave = descriptor_leave,
};
