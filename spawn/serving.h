/*
 * Activity of processes with connections, seen from outside: serving-linux.c, or
 * serving-none.c where the system does not show as much.
 */
#ifndef SERVING_H
#define SERVING_H

#include "identity.h"
#include "requests.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A process with connections and the listening socket: one that only inherited connections may
 * work on after the request. */
struct serving {
	size_t entry; /* of the census */
	int depth;    /* below its leader */
	struct request_sighting seen;
};

/* True if the system shows all this. Call after census_open(). */
bool serving_open(int listener, const struct identity *identity);

/* As census_renew() and census_forget_former(). */
void serving_renew(int listener);
void serving_forget_former(void);

/* Looks at the processes of the last census_take() now. The list stays until the next look;
 * NULL, and no count, without memory. */
const struct serving *serving_look(size_t *count);

/* Has this thread see what the program's user is shown, or what we are; for portrait.h. */
void serving_look_as(bool begin);

/* As census_pause(), for serving_look() in addition. */
int64_t serving_pause(void);

#endif
