#include <config.h>

#include "loop-signals.h"
#include "loop-wait.h"

const struct wait_method *const wait_methods[] = { &wait_epoll, &wait_poll, NULL };

const struct signal_method *const signal_methods[] = {
	&signals_by_descriptor, &signals_by_pipe, NULL,
};
