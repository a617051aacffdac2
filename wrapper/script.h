/*
 * Which file a request asks to run, and whether it may be run.
 *
 * script_open() belongs to the start of the program. The other functions may be
 * called by any thread, and may wait for the file system, but never for who has
 * the other end of a FIFO, for a device, or for a lease.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "environment.h"
#include "options.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	SCRIPT_SHOWN_MOST = 300, /* bytes of a path in messages */
	SCRIPT_LABEL_SIZE = SCRIPT_SHOWN_MOST + 16,
	SCRIPT_REASON_SIZE = 768
};

struct script {
	char *path;              /* absolute; the file to run */
	char *called;            /* the same as it was asked for: its argv[0] */
	const char *interpreter; /* what runs it, NULL: itself */
	int home;                /* its directory, opened and known to be allowed; -1: none */
	int file;                /* with home and interpreter: the file, opened for
				  * reading and known to be allowed; else -1 */
	char *directory;         /* where to run it without home, NULL: wherever we are */
	int status;              /* of the HTTP answer if it cannot be run: 403, 404, 500, 503 */
	bool shortage;           /* for want of memory or descriptors: try again later */
	char reason[SCRIPT_REASON_SIZE]; /* why it cannot, for the log; does not begin with
					  * anything that came from a client */
};

#define SCRIPT_NONE ((struct script){ .home = -1, .file = -1 })

/* What may be run: files by their exact path, anything below a directory (all of
 * them empty: anything), and ".SUFFIX=PATH" for files that have no x bit. The
 * lists must stay. False after reporting a directory or rule that is no good. */
bool script_open(const struct option_list *files, const struct option_list *roots,
		 const struct option_list *interpreters);

/*
 * Finds the script from SCRIPT_FILENAME, or else DOCUMENT_ROOT and SCRIPT_NAME or
 * PATH_INFO, and puts these and PATH_TRANSLATED right (RFC 3875, section 4.1).
 * False with status and reason set if there is none, or it may not be run;
 * script_free() is due either way.
 */
bool script_find(struct script *out, struct environment *environment);

/* Says in words why execve(2) refused the script with this error. */
void script_explain_exec(const struct script *script, int error, char *out, size_t size);

/* Writes how messages call what was asked for, as "script /path". */
void script_label(char out[SCRIPT_LABEL_SIZE], const struct environment *environment);

void script_free(struct script *script);

#endif
