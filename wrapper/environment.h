/*
 * Environment of a script: meta-variables from FastCGI parameters (RFC 3875, section
 * 4.1), additions of fcgiwrap, and inherited variables.
 *
 * Any client of the socket may send parameters. Without -p and --root a client may run
 * any program, so little is refused; with them no parameter may steer a loader, a shell
 * or an interpreter.
 *
 * environment_open(), environment_on_refusal(), environment_keep_own() and
 * environment_make() use static state and belong to one thread. Other functions may run
 * in any thread, after environment_open() and environment_keep_own().
 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENVIRONMENT_FILES_MOST = 8 };

struct environment {
	char **variables; /* "NAME=value", sorted by name, terminated by NULL */
	size_t count, room;
	char **owned; /* strings to be freed with the environment */
	size_t owned_count, owned_room;
	/* Values of SCRIPT_FILENAME as sent, the last first. */
	const char *files[ENVIRONMENT_FILES_MOST];
	size_t file_count;
};

/* Parameters to accept. */
enum environment_rule {
	ENVIRONMENT_OPEN,   /* all but HTTP_PROXY and BASH_FUNC_* */
	ENVIRONMENT_GUARDED, /* also refuse the table of refusals */
	ENVIRONMENT_STRICT  /* also refuse names unusual for web servers */
};

/* Sets the rule, and patterns of names accepted in spite of it (HTTP_PROXY only by its full
 * name, BASH_FUNC_* never). The list must stay allocated. */
void environment_open(enum environment_rule rule, const struct option_list *accepted);

/* Has told() called for refused parameters: once per process and pattern, or, with
 * ENVIRONMENT_STRICT, once per unusual name, for a limited number of names. */
void environment_on_refusal(void (*told)(const char *name));

/*
 * Makes an environment of count strings "NAME=value", one behind the other in memory.
 * Strings are not copied and must outlive the environment. The last of several variables
 * with the same name counts, but different values of HTTP_* are joined. False if there is
 * no memory.
 */
bool environment_make(struct environment *out, char *strings, size_t count);

/* Copies the variables of another environment, which must outlive the copy. False if there is
 * no memory. */
bool environment_copy(struct environment *out, const struct environment *from);

/* Returns the value, which may be empty; NULL if unset. */
const char *environment_get(const struct environment *environment, const char *name);

/* Returns the value; NULL if unset or empty. */
const char *environment_get_text(const struct environment *environment, const char *name);

/* Sets (copying) or removes a variable. False if there is no memory. */
bool environment_set(struct environment *environment, const char *name, const char *value);
void environment_unset(struct environment *environment, const char *name);

/* Stores fcgiwrap's own variables for scripts to inherit, without variables of a request.
 * Strings are not copied. Call once. False if there is no memory. */
bool environment_keep_own(char *const *variables);

/* Adds variables independent of the request: --env, inherited variables (unless --clear-env),
 * and required variables of RFC 3875. False if there is no memory. */
bool environment_add_own(struct environment *environment, const struct settings *settings);

/*
 * Completes the environment of a script after script_find(), by the steps of ENVIRONMENT
 * OF A SCRIPT in the manual. length is the length of the body as sent by the web server;
 * if -1, received is used. False if there is no memory.
 */
bool environment_build(struct environment *environment, const struct settings *settings,
		       uint8_t role, int64_t length, int64_t received);

void environment_free(struct environment *environment);

#endif
