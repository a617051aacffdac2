/*
 * Signals as events: what loop.c asks of loop-signalfd.c or loop-sigpipe.c.
 */
#ifndef LOOP_SIGNALS_H
#define LOOP_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>

enum { SIGNALS_MOST = 8 }; /* that can be caught */

struct signal_method {
	const char *name; /* of the system call */

	/* A descriptor that can be read when a caught signal has come, or -1 with errno.
	 * Nothing is caught at first, and what an earlier one told of is forgotten. */
	int (*open)(void);

	/* Has a signal told of, instead of what it does by default. False with errno. */
	bool (*catch)(int number);

	/* Takes the signals that have come, each once: their count. */
	size_t (*take)(int numbers[SIGNALS_MOST]);

	/* See loop.h. */
	void (*hold)(void);
	void (*release)(void);
	void (*leave)(void);
};

extern const struct signal_method signals_by_descriptor, signals_by_pipe;

/* Those of this system, the best first and one that is there everywhere last; then NULL. */
extern const struct signal_method *const signal_methods[];

#endif
