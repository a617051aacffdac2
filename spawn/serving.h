/*
 * What the processes that have connections do, seen from outside: serving-linux.c, or
 * serving-none.c where the system does not show it.
 */
#ifndef SERVING_H
#define SERVING_H

#include "identity.h"
#include "requests.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A process that has connections, and accepts them: what has none but was left them by another
 * may work on after the request. */
struct serving {
	size_t entry; /* of the census */
	int depth;    /* and in it */
	struct request_sighting seen;
};

/* Whether that is shown here at all; after census_open(). */
bool serving_open(int listener, const struct identity *identity);

/* As census_renew() and census_forget_former(). */
void serving_renew(int listener);
void serving_forget_former(void);

/* As of the last census_take(), and of now. They stay until the next look. */
const struct serving *serving_look(size_t *count);

/* As census_pause(), for looks of this kind in addition. */
int64_t serving_pause(void);

#endif
