/*
 * What the command line of fcgiwrap asks for.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "options.h"

#include <stdbool.h>

/* Exit status for every start that fails. */
enum { STATUS_FAILURE = 1 };

struct settings {
	bool help, version;
	bool stderr_to_client;
	long workers;
	const char *socket;         /* URL, or NULL: inherited */
	struct option_list scripts; /* all that may be run; empty: any */
	const char *spool_directory;
	long max_body;     /* bytes */
	long kill_after;   /* milliseconds, like all that follow */
	long stop_timeout;
};

/* Fills in the settings; false after reporting what is wrong. */
bool settings_read(struct settings *out, int argc, char **argv);

/* Prints what --help shows. */
void settings_help(void);

#endif
