/*
 * The request that a program of ours makes as a client: its parameters, and the records up to its
 * body.
 */
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the command line says. Nothing is copied. */
struct parameters {
	const char *agent;  /* the program's name */
	const char *script; /* "/PATH" or "/PATH?QUERY" */
	char **pairs;       /* "NAME=VALUE", up to a NULL; the last one of a name counts */
	const char *root;   /* sent as DOCUMENT_ROOT; URLs have the rest of the path. NULL: is not,
			     * and they have all */
};

/* Returns the value that the command line gives to a parameter, or NULL. */
const char *parameters_find(const struct parameters *parameters, const char *name);

/* Makes the records of a request up to the end of its FCGI_PARAMS: those of the command line, and
 * what web servers send besides. The body is going to have so many bytes; of none, the end is made,
 * too; -1: none, and CONTENT_LENGTH does not say so. Returns the bytes, to be freed, with their
 * number in *size; NULL with errno. */
unsigned char *parameters_records(const struct parameters *parameters, int64_t body, size_t *size);

#endif
