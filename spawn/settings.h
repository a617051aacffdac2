/*
 * Settings from the command line. Durations in milliseconds, sizes in bytes.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "identity.h"
#include "listen.h"
#include "options.h"
#include "sizing.h"

#include <stdbool.h>
#include <stdint.h>

/* Exit status for errors of spawn-fcgi itself, as against the program's. */
enum { EXIT_OWN_ERROR = 255 };

struct settings {
	bool help, version;

	char **program;      /* PROGRAM and arguments; NULL: run command */
	const char *command; /* a line for the shell */
	const char *directory;
	long php_children;      /* -1: leave the environment alone */
	struct option_list env; /* "NAME=VALUE", the last one of a name counts */
	bool clear_env;
	struct option_list limits; /* passed to rlimits.h, as is nice */
	long nice;
	long forks;
	bool in_place; /* become the program, or supervise in the foreground */
	const char *pid_file;

	const char *socket, *host;
	long port; /* 0: none */
	long backlog;
	long mode;                     /* of the socket's file */
	struct listen_address address; /* made from socket, host and port, or ping or request */

	/* NULL and false unless run by root, except for the ACL lists. */
	struct identity_names names;
	const char *root;
	bool bind_before_chroot;

	bool supervise;
	const char *mode_name;
	struct sizing_plan pool; /* made from forks, mode_name and the next four */
	long min_spare, max_spare, max_children;
	long start_servers; /* 0: as forks says */
	long spawn_rate;    /* starts in a second */
	int64_t idle_timeout;
	int64_t max_lifetime, max_memory; /* 0: no limit */
	const char *crash_limit;
	long crash_count, crash_time; /* made from crash_limit */
	bool give_up;
	const char *stop_signal_name;
	int stop_signal; /* made from stop_signal_name */
	int64_t stop_timeout;
	int64_t stop_busy; /* -1: never */
	int64_t request_timeout, slow_log; /* 0: never */
	int64_t start_time;
	const char *pool_name; /* NULL: made from the program */
	const char *status;    /* socket to answer on; NULL: none */
	struct listen_address status_address; /* made from status */
	bool outlive; /* workers go on if the supervisor dies */
	const char *log, *log_level;
	long log_rate; /* lines a second of each process; 0: no limit */
	int64_t exit_on_idle; /* 0: never */
	long queue;            /* connections that may wait; -1: any number */
	int64_t queue_timeout; /* longest wait; 0: for ever */
	int inherited;     /* number of sockets passed by a service manager */
	const char *inherited_names; /* LISTEN_FDNAMES, or NULL */
	const char *socket_name;     /* the one to serve; NULL: the only one */
	bool fd_store;

	const char *ping, *request; /* address of a program to be asked; NULL: another task */
	int64_t timeout;
	const char *script; /* "/PATH" or "/PATH?QUERY" */
	char **pairs;       /* "NAME=VALUE", up to a NULL */

	const char *print_config; /* for what, or NULL */
	struct option_list words; /* then: the command line */

	bool check;
	const char *web_user; /* user to test access for */
};

/*
 * Reads the command line, and keeps pointers to its words. A socket handed over, or
 * with --supervise passed by LISTEN_FDS, need not be given. False if there is nothing to
 * start: help or the version was printed, or a mistake reported; then *status is the
 * exit status.
 */
bool settings_read(struct settings *out, int argc, char **argv, bool handed_over, int *status);

#endif
