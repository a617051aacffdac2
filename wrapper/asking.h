/*
 * Parameters of a request, the environment made from them, and the script. Lives from
 * FCGI_BEGIN_REQUEST until the script has started with a copy of its own.
 */
#ifndef ASKING_H
#define ASKING_H

#include "environment.h"
#include "script.h"
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum asking_outcome {
	ASKING_OK,
	ASKING_TOO_LARGE,  /* more bytes of parameters than allowed */
	ASKING_INCOMPLETE, /* parameters end in the middle of a pair */
	ASKING_NO_MEMORY
};

struct asking {
	char *params; /* content of FCGI_PARAMS; the environments point into it */
	size_t params_size, params_room;
	struct environment sent;        /* made by asking_end() */
	struct environment environment; /* copy of sent, completed by asking_resolve() */
	struct script script;           /* found by asking_resolve() */
	uint8_t role;
	/* Known after asking_end(). */
	bool head_only;
	int64_t content_length; /* -1: known only at the end of FCGI_STDIN */
	/* Requested script in messages: "script /path", or "a request". */
	const char *name;
	char label[SCRIPT_LABEL_SIZE];
};

/* Returns NULL if there is no memory. The caller calls asking_free(). */
struct asking *asking_new(uint8_t role);

/* Appends content of FCGI_PARAMS. most limits the sum, in bytes. */
enum asking_outcome asking_take(struct asking *asking, const unsigned char *bytes, size_t size,
				size_t most);

/* Ends FCGI_PARAMS: parses and sorts the parameters, without access to the file system. */
enum asking_outcome asking_end(struct asking *asking);

/*
 * Finds the script and builds the environment. received is the number of bytes of a body
 * of unknown length. False with script.status and script.reason set.
 *
 * Callable from any thread; may wait for the file system. Each call begins anew, since a
 * result holds only for a start that follows at once.
 */
bool asking_resolve(struct asking *asking, const struct settings *settings, int64_t received);

void asking_free(struct asking *asking);

#endif
