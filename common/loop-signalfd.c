#include <config.h>

#include "loop-signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Caught signals are blocked and wait in the descriptor: there are no handlers,
 * and so nothing to hold back. */

static int descriptor = -1;
static sigset_t caught;

int signals_open(void)
{
	if (descriptor >= 0)
		close(descriptor);
	sigemptyset(&caught);
	descriptor = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	return descriptor;
}

bool signals_catch(int number)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	sigaddset(&caught, number);
	sigemptyset(&action.sa_mask);
	/* Children whose end is ignored would leave no status. */
	return sigprocmask(SIG_BLOCK, &caught, NULL) == 0 && sigaction(number, &action, NULL) == 0 &&
	       signalfd(descriptor, &caught, 0) >= 0;
}

size_t signals_take(int numbers[SIGNALS_MOST])
{
	struct signalfd_siginfo come[SIGNALS_MOST];
	ssize_t n = read(descriptor, come, sizeof come);
	size_t count = n < 0 ? 0 : (size_t)n / sizeof *come;

	for (size_t i = 0; i < count; i++)
		numbers[i] = (int)come[i].ssi_signo;
	return count;
}

void signals_hold(void)
{
}

void signals_release(void)
{
}

void signals_leave(void)
{
	sigprocmask(SIG_UNBLOCK, &caught, NULL);
}
