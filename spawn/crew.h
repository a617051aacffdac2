/*
 * Starting the program, once or several times, and seeing it live.
 */
#ifndef CREW_H
#define CREW_H

#include "identity.h"
#include "settings.h"

#include <stddef.h>
#include <sys/types.h>

struct crew {
	pid_t *pids; /* of those that live */
	size_t living;
	size_t ready; /* the first so many of them wait for connections */
	int status; /* of the last that failed, or 0 */
};

/*
 * Starts as many processes as the settings say, and watches them until all of
 * them wait for connections, as far as that can be seen, or for a moment.
 * Everything that fails is reported. When one cannot even become the program,
 * no more are started, since they could not either.
 */
void crew_start(struct crew *out, const struct settings *settings,
		const struct identity *identity, int listener);

/* Prints the line per process that start scripts look for. */
void crew_announce(const struct crew *crew);

/* Forgets the processes; they go on. */
void crew_close(struct crew *crew);

#endif
