#include <config.h>

#include "settings.h"

#include "listen.h"
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_MOST = 64 };

#define HOUR 3600000L

static const struct option_row table[] = {
	{ "stderr-to-client", 'f', NULL, "send what scripts write to stderr over FastCGI",
	  FLAG(struct settings, stderr_to_client) },
	{ "workers", 'c', "N", "number of processes that serve (default 1)",
	  NUMBER(struct settings, workers, 1, 1024) },
	{ "socket", 's', "URL", "listen on unix:PATH, tcp:A.B.C.D:PORT or tcp6:[ADDRESS]:PORT",
	  TEXT(struct settings, socket) },
	{ "script", 'p', "PATH", "run this script and no other (may be repeated)",
	  LIST(struct settings, scripts) },
	{ "spool-dir", 0, "DIR", "where request bodies wait that do not fit in memory",
	  TEXT(struct settings, spool_directory) },
	{ "max-body", 0, "SIZE", "refuse larger request bodies (default 2g)",
	  SIZE(struct settings, max_body, 0, LONG_MAX) },
	{ "kill-after", 0, "SEC", "time from TERM to KILL for a script (default 5)",
	  DURATION(struct settings, kill_after, 1, HOUR) },
	{ "stop-timeout", 0, "SEC", "time for requests to finish when told to stop (default 30)",
	  DURATION(struct settings, stop_timeout, 1, 24 * HOUR) },
	{ "version", 'v', NULL, "show the version and exit", FLAG(struct settings, version) },
	{ "help", 'h', NULL, "show this help and exit", FLAG(struct settings, help) },
};

static const struct settings defaults = {
	.workers = 1,
	.spool_directory = "/tmp",
	.max_body = 2L * 1024 * 1024 * 1024 - 1,
	.kill_after = 5000,
	.stop_timeout = 30000,
};

void settings_help(void)
{
	printf("usage: fcgiwrap [option]...\n\n"
	       "Runs CGI programs for a web server that speaks FastCGI.\n\n");
	options_help(stdout, table, sizeof table / sizeof *table);
}

/*
 * A unit file that passes all options in one variable, ExecStart=fcgiwrap
 * ${OPTIONS}, makes a single argument of them, maybe an empty one. Returns the
 * number of words, which point into a copy that lives as long as the program.
 */
static int split_sole_argument(const char *program, const char *argument, char **words)
{
	char *copy = strdup(argument);
	int count = 0;

	words[count++] = (char *)(size_t)program;
	for (char *word = copy ? strtok(copy, " \t") : NULL; word && count < WORDS_MOST;
	     word = strtok(NULL, " \t"))
		words[count++] = word;
	words[count] = NULL;
	return count;
}

static bool check_socket(const char *url)
{
	struct listen_address address;

	if (!url || listen_address_url(&address, url))
		return true;
	if (strcmp(url, "help") != 0)
		report("-s %s: %s", url,
		       errno == ENAMETOOLONG ? "the path is too long for a Unix socket"
					     : "not a socket URL");
	report("valid socket URLs are unix:/path/to/socket, tcp:dot.ted.qu.ad:port and "
	       "tcp6:[ipv6_addr]:port");
	return false;
}

bool settings_read(struct settings *out, int argc, char **argv)
{
	char *words[WORDS_MOST + 1];
	int first;

	*out = defaults;
	if (argc == 2 && (argv[1][0] == '\0' || (argv[1][0] == '-' && strpbrk(argv[1], " \t")))) {
		argc = split_sole_argument(argv[0], argv[1], words);
		argv = words;
	}
	errno = 0;
	first = options_parse(table, sizeof table / sizeof *table, argc, argv, out);
	if (first < 0)
		return false;
	for (int i = first; i < argc; i++)
		if (argv[i][0])
			report("\"%s\" is not an option and is ignored", argv[i]);
	return check_socket(out->socket);
}
