#include <config.h>

#include "settings.h"
#include "identity.h"
#include "options.h"
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE_UNSET = -1, MODE_DEFAULT = 0660, FORKS_MOST = 10000 };

#define SET(kind, member) kind(struct settings, member)
#define RANGE(kind, member, least, most) kind(struct settings, member, least, most)

static const struct option_row table[] = {
	{ "command", 'f', "COMMAND", "run this command line of the shell", SET(TEXT, command) },
	{ "directory", 'd', "DIR", "working directory of the program", SET(TEXT, directory) },
	{ "php-children", 'C', "N", "set PHP_FCGI_CHILDREN for the program (-1: do not)",
	  RANGE(NUMBER, php_children, -1, INT_MAX) },
	{ "forks", 'F', "N", "start the program N times on one socket (1)",
	  RANGE(NUMBER, forks, 1, FORKS_MOST) },
	{ "no-fork", 'n', NULL, "become the program; do not fork, keep stdout and stderr",
	  SET(FLAG, in_place) },
	{ "pid-file", 'P', "FILE", "write the process ids to this file (not with -n)",
	  SET(TEXT, pid_file) },

	{ "socket", 's', "PATH", "listen on this Unix socket", SET(TEXT, socket) },
	{ "address", 'a', "ADDRESS", "listen on this IP address (any IPv4 address)",
	  SET(TEXT, host) },
	{ "port", 'p', "PORT", "listen on this TCP port", RANGE(NUMBER, port, 0, 65535) },
	{ "backlog", 'b', "N", "let so many connections wait (1024)",
	  RANGE(NUMBER, backlog, 1, INT_MAX) },
	{ "socket-mode", 'M', "MODE", "octal mode of the socket (0660 less the umask)",
	  RANGE(OCTAL, mode, 0, 0777) },
	{ "socket-owner", 'U', "USER", "root only: who owns the socket (as -u)",
	  SET(TEXT, socket_owner) },
	{ "socket-group", 'G', "GROUP", "root only: group of the socket (of -U, else as -g)",
	  SET(TEXT, socket_group) },

	{ "user", 'u', "USER", "root only: run the program as this user", SET(TEXT, user) },
	{ "group", 'g', "GROUP", "root only: with this group (the user's own)",
	  SET(TEXT, group) },
	{ "chroot", 'c', "DIR", "root only: shut the program into this directory",
	  SET(TEXT, root) },
	{ "bind-before-chroot", 'S', NULL, "root only: create the socket outside of it",
	  SET(FLAG, bind_before_chroot) },

	{ "version", 'v', NULL, "print the version", SET(FLAG, version) },
	{ "help", 'h', NULL, "print this help", SET(FLAG, help) },
	{ NULL, '?', NULL, "print this help", SET(FLAG, help) },
};

enum { TABLE_ROWS = sizeof table / sizeof *table };

static void print_help(void)
{
	puts("Usage: spawn-fcgi [options] -- PROGRAM [ARGUMENT...]\n"
	     "       spawn-fcgi [options] -f COMMAND\n"
	     "\n"
	     "Opens a listening socket, starts a FastCGI program that has it as its standard\n"
	     "input, and leaves. PROGRAM is not looked up in PATH.\n");
	options_help(stdout, table, TABLE_ROWS);
	puts("\n"
	     "Exit status: 0 when everything runs, 255 for an error of spawn-fcgi itself, else\n"
	     "what a program ended with at once (1 if by a signal; if it could not be executed,\n"
	     "the number of the error).");
}

static mode_t default_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return MODE_DEFAULT & ~mask;
}

static bool read_internet_address(struct settings *s)
{
	if (listen_address_internet(&s->address, s->host, (unsigned)s->port))
		return true;
	report("-a: '%s' is not a valid IP address (host names are not looked up)", s->host);
	return false;
}

static bool read_local_address(struct settings *s)
{
	if (listen_address_local(&s->address, s->socket))
		return true;
	if (errno == ENAMETOOLONG)
		report("-s: path of the Unix domain socket is too long (%zu bytes, at most %zu)",
		       strlen(s->socket), sizeof s->address.as.local.sun_path - 1);
	else
		report("-s: path of the Unix domain socket is empty");
	return false;
}

static bool read_address(struct settings *s)
{
	if (!s->socket && !s->port)
		report("no socket given (use either -p or -s)");
	else if (s->socket && s->port)
		report("either a Unix domain socket (-s) or a TCP-port (-p), but not both");
	else
		return s->socket ? read_local_address(s) : read_internet_address(s);
	return false;
}

/* Start scripts give these options whoever runs them, so they may not fail. */
static void drop_root_options(struct settings *s)
{
	const struct {
		const char *option;
		const char **text;
	} rows[] = {
		{ " -c", &s->root },         { " -u", &s->user },         { " -g", &s->group },
		{ " -U", &s->socket_owner }, { " -G", &s->socket_group },
	};
	char ignored[4 * sizeof rows / sizeof *rows + 1] = "";

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (*rows[i].text)
			strcat(ignored, rows[i].option);
		*rows[i].text = NULL;
	}
	if (s->bind_before_chroot)
		strcat(ignored, " -S");
	s->bind_before_chroot = false;
	if (*ignored)
		report("WARNING: ignored, since only root can use them:%s", ignored);
}

/* Defaults that depend on other settings, and settings that contradict. */
static bool settle(struct settings *s)
{
	if (!s->program && !s->command) {
		report("no FastCGI application given (use -- PROGRAM or -f COMMAND)");
		return false;
	}
	if (!read_address(s))
		return false;
	if (identity_is_borrowed()) {
		report("refusing to run set-user-ID or set-group-ID (chmod ug-s this program; "
		       "it would give everybody its rights)");
		return false;
	}
	if (!identity_is_root())
		drop_root_options(s);
	if (s->mode == MODE_UNSET)
		s->mode = (long)default_mode();
	if (s->in_place)
		s->pid_file = NULL;
	return true;
}

bool settings_read(struct settings *out, int argc, char **argv, int *status)
{
	int operands;

	*out = (struct settings){
		.php_children = -1, .forks = 1, .backlog = 1024, .mode = MODE_UNSET,
	};
	*status = EXIT_OWN_ERROR;
	if (argc <= 1) {
		print_help();
		return false;
	}
	operands = options_parse(table, TABLE_ROWS, argc, argv, out);
	if (operands < 0)
		return false;
	if (out->help || out->version) {
		if (out->help)
			print_help();
		else
			puts("spawn-fcgi v" PACKAGE_VERSION
			     " (ipv6) - spawns FastCGI processes");
		*status = EXIT_SUCCESS;
		return false;
	}
	if (operands < argc)
		out->program = argv + operands;
	return settle(out);
}
