/*
 * The environment of a script: meta-variables that came as FastCGI params
 * (RFC 3875, section 4.1), and the wrapper's own variables. Pure.
 *
 * Parameters come from whoever reaches the socket, so none of them may steer
 * the loader, a shell or an interpreter: such names are refused.
 */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

struct environment {
	char **variables; /* "NAME=value", sorted by name, NULL behind the last */
	size_t count;
	char **owned; /* those that environment_set made */
	size_t owned_count;
};

/*
 * Takes count strings "NAME=value" that follow each other in memory, which must
 * outlive the environment. Left out are names that are no identifiers and names
 * that are refused; of a name that comes twice the last counts. False if there
 * is no memory.
 */
bool environment_make(struct environment *out, char *strings, size_t count);

/* The value, or NULL. An empty value is a value. */
const char *environment_get(const struct environment *environment, const char *name);

/* The value if it is there and not empty, else NULL. */
const char *environment_get_text(const struct environment *environment, const char *name);

/* Set (copying) or take out a variable. False if there is no memory. */
bool environment_set(struct environment *environment, const char *name, const char *value);
void environment_unset(struct environment *environment, const char *name);

/* Puts in variables "NAME=value" over those that are there. Not copied. */
bool environment_override(struct environment *environment, const char *const *variables,
			  size_t count);

/* Keeps what scripts may inherit of the wrapper's own variables: those that do
 * not look as if they described a request. Not copied. Once. */
bool environment_keep_own(char *const *variables);

/* Adds those of them whose name is not there yet. */
bool environment_inherit(struct environment *environment);

/* Adds what RFC 3875 wants always set and the client did not send. */
bool environment_complete(struct environment *environment);

/* Calls told() once in the life of the process for each pattern of refused
 * names that has been met. */
void environment_on_refusal(void (*told)(const char *name));

void environment_free(struct environment *environment);

#endif
