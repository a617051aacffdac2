/*
 * Finding the script of a request, and deciding whether it may run.
 *
 * Call script_open() once, before there are threads. Any thread may call the other
 * functions. They may block on the file system, but never on the other end of a FIFO, on a
 * device, or on a lease.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "environment.h"
#include "options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SCRIPT_SHOWN_MOST = 300, /* bytes of a path in messages */
	SCRIPT_LABEL_SIZE = SCRIPT_SHOWN_MOST + 16,
	SCRIPT_REASON_SIZE = 768
};

struct script {
	char *path;              /* absolute path of the file to run */
	char *called;            /* path as requested; argv[0] if executed directly */
	const char *interpreter; /* program that reads path; NULL: path is executed */
	int home;                /* directory of path, opened and found allowed; -1: none */
	int file;                /* with home and interpreter: path, opened for reading and found
				  * allowed; else -1 */
	char *directory;         /* working directory if home is -1; NULL: unchanged */
	uint64_t key;            /* of the file, whatever its name */
	int status;              /* HTTP status if refused: 403, 404, 500 or 503 */
	bool shortage;           /* refused for lack of memory or descriptors: try again later */
	char reason[SCRIPT_REASON_SIZE]; /* of the refusal, for the log; never begins with text
					  * from a client */
};

#define SCRIPT_NONE ((struct script){ .home = -1, .file = -1 })

/* Sets the scripts that may run: files by exact path, anything below the roots; if both
 * lists are empty, any file. Interpreters are rules ".SUFFIX=PATH" for files without x bit.
 * Lists are not copied. False after reporting an unusable root or rule. */
bool script_open(const struct option_list *files, const struct option_list *roots,
		 const struct option_list *interpreters);

/*
 * Finds the script by SCRIPT_FILENAME, or by DOCUMENT_ROOT and SCRIPT_NAME or PATH_INFO,
 * and corrects SCRIPT_FILENAME, SCRIPT_NAME, PATH_INFO and PATH_TRANSLATED (RFC 3875,
 * section 4.1). False with status and reason if there is no script, or the script may not
 * run. The caller calls script_free() in either case.
 */
bool script_find(struct script *out, struct environment *environment);

/* Writes to out, in words, why execve(2) failed with error. */
void script_explain_exec(const struct script *script, int error, char *out, size_t size);

/* Writes the name of the request for messages: "script /path", or "a request". */
void script_label(char out[SCRIPT_LABEL_SIZE], const struct environment *environment);

void script_free(struct script *script);

#endif
