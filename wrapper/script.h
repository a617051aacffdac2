/*
 * Which file a request asks to run, and whether it may be run.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "environment.h"
#include "options.h"

#include <stdbool.h>

struct script {
	char *path;              /* absolute; the file to run */
	const char *interpreter; /* what runs it, NULL: itself */
	int home;                /* its directory, opened and known to be allowed; -1: none */
	char *directory;         /* where to run it otherwise, NULL: wherever we are */
	int status;       /* of the HTTP answer if it cannot be run: 403, 404, 500 */
	char reason[512]; /* why it cannot, for the log */
};

/* What may be run: files by their exact path, anything below a directory (all of
 * them empty: anything), and ".SUFFIX=PATH" for files that have no x bit. The
 * lists must stay. False after reporting a directory or rule that is no good. */
bool script_open(const struct option_list *files, const struct option_list *roots,
		 const struct option_list *interpreters);

/*
 * Finds the script from SCRIPT_FILENAME, or else DOCUMENT_ROOT and SCRIPT_NAME,
 * and puts SCRIPT_FILENAME, SCRIPT_NAME, PATH_INFO and PATH_TRANSLATED right
 * (RFC 3875, section 4.1). False with status and reason set if there is none, or
 * it may not be run; script_free() is due either way.
 */
bool script_find(struct script *out, struct environment *environment);

/* Says in words why execve(2) refused the script with this error. */
void script_explain_exec(const struct script *script, int error, char *out, size_t size);

void script_free(struct script *script);

#endif
