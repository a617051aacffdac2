/*
 * What the command line asks for.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "identity.h"
#include "listen.h"
#include "options.h"
#include "sizing.h"

#include <stdbool.h>
#include <stdint.h>

/* The exit status of an error of our own, as against the program's. */
enum { EXIT_OWN_ERROR = 255 };

struct settings {
	bool help, version;

	char **program;      /* what to run, with its arguments, or NULL: run the command */
	const char *command; /* a line for the shell */
	const char *directory;
	long php_children;      /* -1: leave the environment alone */
	struct option_list env; /* "NAME=VALUE", the last one of a name counts */
	bool clear_env;
	struct option_list limits; /* were given to rlimits.h, and so was this: */
	long nice;
	long forks;
	bool in_place; /* become the program, instead of starting it and leaving */
	const char *pid_file;

	const char *socket, *host;
	long port; /* 0: none */
	long backlog;
	long mode;                     /* of the socket's file */
	struct listen_address address; /* made from the five above */

	/* Only root's command line has these, but for lists of access; else they are NULL and
	 * false. */
	struct identity_names names;
	const char *root;
	bool bind_before_chroot;

	bool supervise;
	const char *mode_name;
	struct sizing_plan pool; /* made from -F, the mode and the next four */
	long min_spare, max_spare, max_children;
	long start_servers; /* 0: those of -F */
	long spawn_rate;    /* starts in a second */
	int64_t idle_timeout;
	int64_t max_lifetime, max_memory; /* 0: no limit */
	const char *crash_limit;
	long crash_count, crash_time; /* made from it */
	bool give_up;
	const char *stop_signal_name;
	int stop_signal; /* made from it */
	int64_t stop_timeout;
	int64_t stop_busy; /* -1: never */
	int64_t request_timeout; /* 0: never */
	int64_t start_time;
	bool outlive; /* the processes go on if the supervisor dies */
	const char *log;
	long log_rate; /* lines a second of each process; 0: no limit */
	int64_t exit_on_idle; /* 0: never */
	long queue;            /* so many may wait; -1: any number */
	int64_t queue_timeout; /* for so long; 0: for ever */
	int inherited;     /* sockets passed by a service manager */
	const char *inherited_names; /* LISTEN_FDNAMES, or NULL */
	const char *socket_name;     /* which of them; NULL: the only one */
	bool fd_store;

	bool check;
	const char *web_user; /* who should be able to connect */
};

/*
 * Reads the command line; a socket that was handed over, or with --supervise is
 * passed by LISTEN_FDS, need not stand in it. False if there is nothing to start:
 * help or the version was printed, or a mistake reported; then *status is the
 * exit status.
 */
bool settings_read(struct settings *out, int argc, char **argv, bool handed_over, int *status);

#endif
