/*
 * Settings of fcgiwrap, from the command line.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "options.h"

#include <stdbool.h>
#include <stdint.h>

/* Exit status of a failed start. */
enum { STATUS_FAILURE = 1 };

/* Times are in milliseconds; 0 is "no limit" where the table in settings.c allows 0. */
struct settings {
	bool help, version;

	/* processes and sockets */
	long workers; /* at least 1 */
	const char *socket; /* URL, or NULL: inherited */
	const char *socket_owner, *socket_group;
	const char *acl_users, *acl_groups; /* comma-separated */
	long socket_mode; /* -1: 0660 less the umask */
	struct option_list allow, allow_user;
	int64_t stop_timeout;

	/* scripts and their execution */
	struct option_list scripts, roots, interpreters, warm;
	struct option_list env, accept_params, limits;
	bool clear_env, strict_params;
	long nice;

	/* numbers and times */
	long max_scripts, max_unfinished, max_background, queue;
	long max_per_script, max_per_client; /* 0: no limit */
	const char *fair_by; /* a parameter, or "none" */
	int64_t slow_log;
	int64_t queue_timeout, start_timeout, timeout, silence_timeout, client_timeout;
	int64_t idle_timeout, kill_after, background_timeout;
	const char *on_abort_text; /* "kill" or "ignore" */
	enum { ON_ABORT_KILL, ON_ABORT_IGNORE } on_abort; /* on_abort_text, parsed */

	/* sizes */
	int64_t max_params, max_body, max_spool;
	const char *spool_directory;

	/* messages */
	const char *access_log, *access_format; /* NULL: none; the usual one */
	struct option_list access_suppress;
	const char *log; /* NULL: standard error */
	const char *log_level;
	bool stderr_to_client, errors_to_client, server_timing;
	const char *request_id; /* a parameter, or NULL: none is made */

	/* paths answered by fcgiwrap itself; NULL: none */
	const char *status, *ping;
	const char *pool_name;

	/* see check.h */
	bool check;
	const char *web_user; /* or NULL */

	const char *print_config; /* for what, or NULL */
	struct option_list words; /* then: the options but those of the socket */

	/* see try.h; NULL: serve */
	const char *try_script;
	char **try_pairs; /* "NAME=VALUE", up to a NULL */
};

/* Fills in the settings; texts point into argv or live for ever. False after reporting the
 * error. */
bool settings_read(struct settings *out, int argc, char **argv);

/* Prints the text of --help to standard output. */
void settings_help(void);

#endif
