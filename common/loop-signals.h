/*
 * Signals as events: interface of loop-signalfd.c and loop-sigpipe.c to loop.c.
 */
#ifndef LOOP_SIGNALS_H
#define LOOP_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>

enum { SIGNALS_MOST = 8 }; /* caught at most */

struct signal_method {
	const char *name; /* of the system call */

	/* Returns a descriptor, readable when a caught signal has come; -1 with errno. Closes an
	 * earlier one, and forgets all caught signals. */
	int (*open)(void);

	/* Catches a signal, instead of the default action. False with errno. */
	bool (*catch)(int number);

	/* Takes the signals that have come, each once. Returns the count. */
	size_t (*take)(int numbers[SIGNALS_MOST]);

	/* See loop.h. */
	void (*hold)(void);
	void (*release)(void);
	void (*give_back)(void);
	void (*leave)(void);
};

extern const struct signal_method signals_by_descriptor, signals_by_pipe;

/* Methods of this system: the best first, a portable one last; then NULL. */
extern const struct signal_method *const signal_methods[];

#endif
