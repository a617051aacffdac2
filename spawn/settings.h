/*
 * What the command line asks for.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "listen.h"
#include "pool.h"

#include <stdbool.h>
#include <stdint.h>

/* The exit status of an error of our own, as against the program's. */
enum { EXIT_OWN_ERROR = 255 };

struct settings {
	bool help, version;

	char **program;      /* what to run, with its arguments, or NULL: run the command */
	const char *command; /* a line for the shell */
	const char *directory;
	long php_children; /* -1: leave the environment alone */
	long forks;
	bool in_place; /* become the program, instead of starting it and leaving */
	const char *pid_file;

	const char *socket, *host;
	long port; /* 0: none */
	long backlog;
	long mode;                     /* of the socket's file */
	struct listen_address address; /* made from the five above */

	/* Only root's command line has these; else they are NULL and false. */
	const char *user, *group, *socket_owner, *socket_group, *root;
	bool bind_before_chroot;

	bool supervise;
	const char *mode_name;
	struct pool_plan pool; /* made from -F, the mode and the next three */
	long min_spare, max_spare, max_children;
	int64_t idle_timeout;
	int64_t max_lifetime, max_memory; /* 0: no limit */
	const char *crash_limit;
	long crash_count, crash_time; /* made from it */
	bool give_up;
	const char *stop_signal_name;
	int stop_signal; /* made from it */
	int64_t stop_timeout;
	const char *log;
	long log_rate; /* lines a second of each process; 0: no limit */
	int64_t exit_on_idle; /* 0: never */
	int inherited;     /* sockets passed by a service manager */

	bool check;
	const char *web_user; /* who should be able to connect */
};

/*
 * Reads the command line. False if there is nothing to start: help or the
 * version was printed, or a mistake reported; then *status is the exit status.
 */
bool settings_read(struct settings *out, int argc, char **argv, int *status);

#endif
