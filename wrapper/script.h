/*
 * Which file a request asks to run, and whether it may be run.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "environment.h"
#include "options.h"

#include <stdbool.h>

struct script {
	char *path;      /* absolute; what to execute */
	char *directory; /* where to execute it, NULL: wherever we are */
	int status;      /* of the HTTP answer if it cannot be run: 403, 404, 500 */
	char reason[512]; /* why it cannot, for the log */
};

/*
 * Finds the script from SCRIPT_FILENAME, or else DOCUMENT_ROOT and SCRIPT_NAME,
 * and puts SCRIPT_FILENAME, SCRIPT_NAME, PATH_INFO and PATH_TRANSLATED right
 * (RFC 3875, section 4.1). A list that is not empty names all that may be run.
 * False with status and reason set if there is none; script_free() is due
 * either way.
 */
bool script_find(struct script *out, struct environment *environment,
		 const struct option_list *allowed);

/* Says in words why execve(2) refused the file with this error. */
void script_explain_exec(const char *path, int error, char *out, size_t size);

void script_free(struct script *script);

#endif
