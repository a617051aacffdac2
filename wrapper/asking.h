/*
 * What a request asks for: its parameters, the environment that they make, and the
 * script. It lives from BEGIN_REQUEST to the start of the script, which has its own
 * copy then.
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
	ASKING_TOO_LARGE,  /* more parameters than allowed */
	ASKING_INCOMPLETE, /* they end in the middle of a pair */
	ASKING_NO_MEMORY
};

struct asking {
	char *params; /* as they come; later what the environments point into */
	size_t params_size, params_room;
	struct environment sent;        /* what asking_end() has made of them */
	struct environment environment; /* the same, and then what asking_resolve() makes */
	struct script script;           /* from asking_resolve() */
	uint8_t role;
	/* Known after asking_end(). */
	bool head_only;
	int64_t content_length; /* -1: known only at the end of FCGI_STDIN */
	/* The script as it was asked for, for messages: "script /path", or "a request". */
	const char *name;
	char label[SCRIPT_LABEL_SIZE];
};

/* NULL if there is no memory. */
struct asking *asking_new(uint8_t role);

/* Takes a part of FCGI_PARAMS, of which there may be most bytes in all. */
enum asking_outcome asking_take(struct asking *asking, const unsigned char *bytes, size_t size,
				size_t most);

/* The end of FCGI_PARAMS: parses and sorts them, and looks at nothing else. */
enum asking_outcome asking_end(struct asking *asking);

/*
 * Finds the script, and builds its environment. received is how many bytes of a body
 * of unknown length came. False with script.status and script.reason set.
 *
 * It is for any thread, and may wait for the file system. It begins anew each time:
 * what it finds holds for a start that follows at once, and no longer.
 */
bool asking_resolve(struct asking *asking, const struct settings *settings, int64_t received);

/* NULL is fine. */
void asking_free(struct asking *asking);

#endif
