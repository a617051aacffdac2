/*
 * --print-config: what a web server, a service manager or a container engine has to be told, so
 * that it fits a command line. The texts stand in common/config, with names between two @; a line
 * that begins "?NAME:" is printed if that name has a value, one with "!NAME:" if it has none.
 */
#ifndef PRINT_CONFIG_H
#define PRINT_CONFIG_H

#include "listen.h"
#include "options.h"

#include <stdbool.h>
#include <stdint.h>

struct print_config {
	const char *name; /* of what is configured */
	struct listen_address address;
	const char *scripts; /* directory that they are below; NULL: unknown */
	const char *status, *ping; /* paths of URLs; NULL: none */
	const struct listen_address *status_address; /* NULL: the same */
	int64_t longest;  /* milliseconds in which a response has begun or been given up; 0: unknown */
	int64_t max_body; /* bytes; INT64_MAX: no limit */
	int64_t stopping; /* milliseconds that the longest stop takes; 0: unknown */

	/* for systemd and docker */
	bool is_wrapper; /* the manager makes the socket; else "supervised" and forks count */
	bool supervised;
	long forks;
	const char *socket_owner, *socket_group; /* NULL: the web server's */
	long socket_mode;
	struct option_list words; /* the command line, as far as it is not said elsewhere */
};

/* Whether there is such a configuration; false after reporting those that there are. */
bool print_config_knows(const char *kind);

/* Prints it to standard output. False after reporting: not to be written in its language, or
 * not written. */
bool print_config(const char *kind, const struct print_config *what);

#endif
