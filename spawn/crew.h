/*
 * Starting the program, once or several times, and watching for early ends.
 */
#ifndef CREW_H
#define CREW_H

#include "identity.h"
#include "settings.h"

#include <stddef.h>
#include <sys/types.h>

struct crew {
	pid_t *pids; /* of live processes */
	size_t living;
	size_t ready; /* the first so many wait for connections */
	int status; /* to exit with: of the last failure, or 0 */
};

/*
 * Starts as many processes as the settings say, and watches until all wait for
 * connections, as far as the system shows, or for a moment (100 ms). Reports all
 * failures. After a process that cannot even become the program starts no more,
 * since the next ones could not either. crew_close() frees out.
 */
void crew_start(struct crew *out, const struct settings *settings,
		const struct identity *identity, int listener);

/* Prints a line per process, as expected by start scripts. */
void crew_announce(const struct crew *crew);

/* Frees the list; the processes go on. */
void crew_close(struct crew *crew);

#endif
