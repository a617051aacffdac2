/*
 * The environment of a script: meta-variables that came as FastCGI parameters
 * (RFC 3875, section 4.1), what fcgiwrap adds to them, and its own variables.
 *
 * Parameters come from whoever reaches the socket. Without -p and --root that is
 * somebody who may run any program, so that little is refused; with them no
 * parameter may steer a loader, a shell or an interpreter.
 *
 * environment_open(), environment_keep_own() and environment_make() belong to one
 * thread; the other functions only read what these have left.
 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENVIRONMENT_FILES_MOST = 8 };

struct environment {
	char **variables; /* "NAME=value", sorted by name, NULL behind the last */
	size_t count, room;
	char **owned; /* strings that belong to it */
	size_t owned_count, owned_room;
	/* The values of SCRIPT_FILENAME as they were sent, the last one first. */
	const char *files[ENVIRONMENT_FILES_MOST];
	size_t file_count;
};

/* Which parameters are taken. */
enum environment_rule {
	ENVIRONMENT_OPEN,   /* all but HTTP_PROXY */
	ENVIRONMENT_GUARDED, /* all but those of the table of refusals */
	ENVIRONMENT_STRICT  /* those that web servers always send */
};

/* Sets the rule, and patterns of names that pass in spite of it (HTTP_PROXY only
 * by its full name). The list must stay. */
void environment_open(enum environment_rule rule, const struct option_list *accepted);

/* Calls told() once in the life of the process for each pattern of refused names
 * that has been met; with ENVIRONMENT_STRICT, for each name, up to some. */
void environment_on_refusal(void (*told)(const char *name));

/*
 * Takes count strings "NAME=value" that follow each other in memory, which must
 * outlive the environment. Of a name that comes several times the last counts,
 * but different values of HTTP_* become one list. False if there is no memory.
 */
bool environment_make(struct environment *out, char *strings, size_t count);

/* Makes an environment with the variables of another, which must outlive it. */
bool environment_copy(struct environment *out, const struct environment *from);

/* The value, or NULL. An empty value is a value. */
const char *environment_get(const struct environment *environment, const char *name);

/* The value if it is there and not empty, else NULL. */
const char *environment_get_text(const struct environment *environment, const char *name);

/* Set (copying) or take out a variable. False if there is no memory. */
bool environment_set(struct environment *environment, const char *name, const char *value);
void environment_unset(struct environment *environment, const char *name);

/* Keeps what scripts may inherit of the wrapper's own variables: those that do
 * not look as if they described a request. Not copied. Once. */
bool environment_keep_own(char *const *variables);

/* Adds what does not depend on the request: --env, what is inherited, and what
 * RFC 3875 wants always set. False if there is no memory. */
bool environment_add_own(struct environment *environment, const struct settings *settings);

/*
 * Makes of parameters the whole environment of a script, once its own variables
 * (script_find()) are right: the steps of ENVIRONMENT OF A SCRIPT in the manual.
 * length is that of the body as the web server told it, or -1; then it is received.
 * False if there is no memory.
 */
bool environment_build(struct environment *environment, const struct settings *settings,
		       uint8_t role, int64_t length, int64_t received);

void environment_free(struct environment *environment);

#endif
