#include <config.h>

#include "settings.h"

#include "access-format.h"
#include "listen.h"
#include "slots.h"
#include "processors.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_MOST = 64, WORKERS_ENOUGH = 16, MODE_UNSET = -1 };

#define HOUR ((int64_t)3600000)

#define DAY (24 * HOUR)

static const struct option_row table[] = {
	{ "stderr-to-client", 'f', NULL, "send what scripts write to stderr over FastCGI",
	  FLAG(struct settings, stderr_to_client) },
	{ "workers", 'c', "N",
	  "number of processes that serve (default: one per processor)",
	  NUMBER(struct settings, workers, 1, SLOTS_WORKERS_MOST) },
	{ "socket", 's', "URL", "listen on unix:PATH, tcp:A.B.C.D:PORT or tcp6:[ADDRESS]:PORT",
	  TEXT(struct settings, socket) },
	{ "script", 'p', "PATH", "run this script and no other (may be repeated)",
	  LIST(struct settings, scripts) },
	{ "root", 0, "DIR", "run only scripts below this directory (may be repeated)",
	  LIST(struct settings, roots) },
	{ "interpreter", 0, ".SUFFIX=PATH", "run files of this suffix without x bit by this program",
	  LIST(struct settings, interpreters) },
	{ "warm", 0, "PERL=MODULES", "start scripts of this perl with modules (A,B,C) loaded",
	  LIST(struct settings, warm) },
	{ "env", 0, "NAME=VALUE", "set this variable for scripts (may be repeated)",
	  PAIRS(struct settings, env) },
	{ "clear-env", 0, NULL, "do not pass our own environment on to scripts",
	  FLAG(struct settings, clear_env) },
	{ "accept-param", 0, "NAME[*]", "pass this parameter on in any case (may be repeated)",
	  LIST(struct settings, accept_params) },
	{ "strict-params", 0, NULL, "pass on only parameters that web servers always send",
	  FLAG(struct settings, strict_params) },
	{ "limit", 0, "NAME=VALUE", "limit cpu, as, data, nofile, nproc, fsize or core of a script",
	  LIST(struct settings, limits) },
	{ "nice", 0, "N", "run scripts at a priority lower by this",
	  NUMBER(struct settings, nice, 0, 39), .initial = "0" },
	{ "max-scripts", 0, "N", "run this many scripts at once",
	  NUMBER(struct settings, max_scripts, 1, 1000000), .initial = "256" },
	{ "max-unfinished", 0, "N", "take this many requests that are not whole yet",
	  NUMBER(struct settings, max_unfinished, 1, 1000000), .initial = "1024" },
	{ "queue", 0, "N", "let this many requests wait for a free slot",
	  NUMBER(struct settings, queue, 0, 1000000), .initial = "1024" },
	{ "max-per-script", 0, "N", "run this many of one script at once (0: no limit)",
	  NUMBER(struct settings, max_per_script, 0, 1000000), .initial = "0" },
	{ "max-per-client", 0, "N", "run this many for one client at once (0: no limit)",
	  NUMBER(struct settings, max_per_client, 0, 1000000), .initial = "0" },
	{ "fair-by", 0, "PARAM", "parameter that tells clients apart, or none",
	  TEXT(struct settings, fair_by), .initial = "REMOTE_ADDR" },
	{ "queue-timeout", 0, "SEC", "let them wait this long, then answer 503",
	  DURATION(struct settings, queue_timeout, 1, DAY), .initial = "30" },
	{ "start-timeout", 0, "SEC", "give up a script that cannot be executed so long",
	  DURATION(struct settings, start_timeout, 1, DAY), .initial = "30" },
	{ "timeout", 0, "SEC", "end a script that runs longer (0: no limit)",
	  DURATION(struct settings, timeout, 0, 30 * DAY), .initial = "0" },
	{ "silence-timeout", 0, "SEC", "end a script when no byte moves this long",
	  DURATION(struct settings, silence_timeout, 0, 30 * DAY), .initial = "3600" },
	{ "client-timeout", 0, "SEC", "give up a client that stalls in its request",
	  DURATION(struct settings, client_timeout, 1, DAY), .initial = "120" },
	{ "idle-timeout", 0, "SEC", "close a kept connection that is not used",
	  DURATION(struct settings, idle_timeout, 0, 30 * DAY), .initial = "600" },
	{ "kill-after", 0, "SEC", "time from TERM to KILL for a script",
	  DURATION(struct settings, kill_after, 1, HOUR), .initial = "5" },
	{ "on-abort", 0, "kill|ignore", "what to do with a script whose client left",
	  TEXT(struct settings, on_abort_text), .initial = "kill" },
	{ "max-background", 0, "N", "let this many scripts work on after their response",
	  NUMBER(struct settings, max_background, 0, 1000000), .initial = "64" },
	{ "background-timeout", 0, "SEC", "and this long (0: no limit)",
	  DURATION(struct settings, background_timeout, 0, 30 * DAY), .initial = "3600" },
	{ "max-params", 0, "SIZE", "refuse requests with more parameters",
	  SIZE(struct settings, max_params, 1024, 16 * 1024 * 1024), .initial = "1m" },
	{ "max-body", 0, "SIZE", "refuse larger request bodies",
	  SIZE(struct settings, max_body, 0, INT64_MAX), .initial = "2g" },
	{ "max-spool", 0, "SIZE", "keep this much of request bodies on disk in all",
	  SIZE(struct settings, max_spool, 0, INT64_MAX), .initial = "4g" },
	{ "spool-dir", 0, "DIR", "where request bodies wait that do not fit in memory",
	  TEXT(struct settings, spool_directory), .initial = "/tmp" },
	{ "errors-to-client", 0, NULL, "put the reason of an error into its page",
	  FLAG(struct settings, errors_to_client) },
	{ "log", 0, "FILE|syslog|journal", "where messages go (else standard error)",
	  TEXT(struct settings, log) },
	{ "log-level", 0, "LEVEL", "write only what is as grave: error, warning, notice, info, debug",
	  TEXT(struct settings, log_level), .initial = "info" },
	{ "access-log", 0, "FILE", "write a line for each request there (or to syslog, journal)",
	  TEXT(struct settings, access_log) },
	{ "access-format", 0, "FORMAT", "combined, json, w3c, or letters as php-fpm has them",
	  TEXT(struct settings, access_format), .needs = "access-log" },
	{ "access-suppress", 0, "PATH", "no line for this path (SCRIPT_NAME), unless it fails",
	  LIST(struct settings, access_suppress), .needs = "access-log" },
	{ "slow-log", 0, "SEC", "describe a script that runs longer, once (0: none)",
	  DURATION(struct settings, slow_log, 0, DAY), .initial = "0" },
	{ "request-id", 0, "PARAM", "parameter with the id of a request; one is made if it is missing",
	  TEXT(struct settings, request_id) },
	{ "server-timing", 0, NULL, "say in each response how long it waited, started and ran",
	  FLAG(struct settings, server_timing) },
	{ "socket-owner", 0, "USER", "owner of the socket file", TEXT(struct settings, socket_owner) },
	{ "socket-group", 0, "GROUP", "group of the socket file", TEXT(struct settings, socket_group) },
	{ "socket-acl-users", 0, "USERS", "let these (A,B,C) connect, too (Linux)",
	  TEXT(struct settings, acl_users) },
	{ "socket-acl-groups", 0, "GROUPS", "let members of these connect, too (Linux)",
	  TEXT(struct settings, acl_groups) },
	{ "socket-mode", 0, "MODE", "mode of the socket file (default 0660 less the umask)",
	  OCTAL(struct settings, socket_mode, 0, 0777) },
	{ "allow", 0, "ADDR[/BITS]", "serve only these TCP peers (may be repeated)",
	  LIST(struct settings, allow) },
	{ "allow-user", 0, "NAME", "serve only these users on a Unix socket (may be repeated)",
	  LIST(struct settings, allow_user) },
	{ "stop-timeout", 0, "SEC", "time for requests to finish when told to stop",
	  DURATION(struct settings, stop_timeout, 1, DAY), .initial = "30" },
	{ "status", 0, "PATH", "answer requests for this path (SCRIPT_NAME) with the status page",
	  TEXT(struct settings, status) },
	{ "ping", 0, "PATH", "answer requests for this path with \"pong\"",
	  TEXT(struct settings, ping) },
	{ "pool-name", 0, "NAME", "name on the status page, and in the access log",
	  TEXT(struct settings, pool_name), .initial = "fcgiwrap", .needs = "status|access-log" },
	{ "try", 0, "SCRIPT", "run this script once, and explain what happens",
	  TEXT(struct settings, try_script) },
	{ "check", 0, NULL, "say whether this command line would work, and exit",
	  FLAG(struct settings, check) },
	{ "web-user", 0, "NAME", "with --check: whether this user could connect",
	  TEXT(struct settings, web_user), .needs = "check" },
	{ "print-config", 0, "FOR", "print what nginx, lighttpd, apache, haproxy, caddy, systemd or "
	  "docker wants", TEXT(struct settings, print_config) },
	{ "version", 'v', NULL, "show the version and exit", FLAG(struct settings, version) },
	{ "help", 'h', NULL, "show this help and exit", FLAG(struct settings, help) },
};

void settings_help(void)
{
	printf("usage: fcgiwrap [option]...\n"
	       "       fcgiwrap [option]... --try SCRIPT[/PATH/INFO][?QUERY] [NAME=VALUE]... "
	       "[< BODY]\n\n"
	       "Runs CGI programs for a web server that speaks FastCGI.\n\n");
	options_help(stdout, table, sizeof table / sizeof *table);
}

/* Splits the single argument, maybe empty, from a unit file with all options in one
 * variable (ExecStart=fcgiwrap ${OPTIONS}). Returns the number of words, which
 * point into a copy that is never freed; -1 after reporting. */
static int split_sole_argument(const char *program, const char *argument, char **words)
{
	char *copy = strdup(argument);
	int count = 0;

	if (!copy) {
		report("cannot keep the options: %s", strerror(errno));
		return -1;
	}
	words[count++] = (char *)(size_t)program;
	for (char *word = strtok(copy, " \t"); word; word = strtok(NULL, " \t")) {
		if (count == WORDS_MOST) {
			report("more than %d words in one argument: give them singly",
			       WORDS_MOST - 1);
			return -1;
		}
		words[count++] = word;
	}
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

/* Returns one worker per available processor, but at most max_scripts and at most
 * WORKERS_ENOUGH: with more, the kernel's work for starting programs is the limit. */
static long default_workers(const struct settings *s)
{
	long count = processors_available();

	if (count > WORKERS_ENOUGH)
		count = WORKERS_ENOUGH;
	return count < s->max_scripts ? count : s->max_scripts;
}

static bool check_accepted(const char *pattern)
{
	size_t length = strcspn(pattern, "=*");

	if (*pattern && (!pattern[length] || strcmp(pattern + length, "*") == 0))
		return true;
	report("--accept-param wants a NAME, or the beginning of names and a star, not \"%s\"", pattern);
	return false;
}

static bool check_path(const char *option, const char *example, const char *path)
{
	if (!path || path[0] == '/')
		return true;
	report("--%s wants a path as in a URL, such as /%s, not \"%s\"", option, example, path);
	return false;
}

static bool check_access_log(const struct settings *s)
{
	struct access_format format;
	char fault[ACCESS_FAULT_SIZE];

	if (!access_format_read(&format, s->access_format, fault)) {
		report("--access-format: %s", fault);
		return false;
	}
	for (size_t i = 0; i < s->access_suppress.count; i++)
		if (!check_path("access-suppress", "ping", s->access_suppress.texts[i]))
			return false;
	return true;
}

static bool is_parameter(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

	return *name && !name[strspn(name, letters)];
}

static bool check_parameters(const struct settings *s)
{
	if (*s->fair_by && !is_parameter(s->fair_by)) {
		report("--fair-by wants the name of a parameter, such as HTTP_X_FORWARDED_FOR, or "
		       "none, not \"%s\"", s->fair_by);
		return false;
	}
	if (s->request_id && !is_parameter(s->request_id)) {
		report("--request-id wants the name of a parameter, such as REQUEST_ID, not \"%s\"",
		       s->request_id);
		return false;
	}
	return true;
}

/* Checks values that the table cannot. False after reporting. */
static bool check(const struct settings *s)
{
	if (strcmp(s->on_abort_text, "kill") != 0 && strcmp(s->on_abort_text, "ignore") != 0) {
		report("--on-abort wants kill or ignore, not \"%s\"", s->on_abort_text);
		return false;
	}
	if (s->max_scripts < s->workers) {
		report("--max-scripts %ld leaves nothing to do for some of %ld workers (-c)",
		       s->max_scripts, s->workers);
		return false;
	}
	for (size_t i = 0; i < s->accept_params.count; i++)
		if (!check_accepted(s->accept_params.texts[i]))
			return false;
	if (s->status && s->ping && strcmp(s->status, s->ping) == 0) {
		report("--status and --ping cannot have the same path %s", s->ping);
		return false;
	}
	if (s->check && s->try_script) {
		report("--try has no meaning with --check");
		return false;
	}
	if (!report_level(s->log_level)) {
		report("--log-level wants error, warning, notice, info or debug, not \"%s\"",
		       s->log_level);
		return false;
	}
	return check_parameters(s) && check_path("status", "status", s->status) &&
	       check_path("ping", "ping", s->ping) && check_access_log(s) &&
	       check_socket(s->socket);
}

/* With --try, parameters of the request; else there are none. False after reporting. */
static bool take_operands(struct settings *out, char **operands)
{
	out->try_pairs = operands;
	for (; *operands; operands++) {
		if (!out->try_script && **operands)
			report(REPORT_WARNING "\"%s\" is not an option and is ignored", *operands);
		if (!out->try_script || (**operands != '=' && strchr(*operands, '=')))
			continue;
		report("--try wants NAME=VALUE behind the script, not \"%s\"", *operands);
		return false;
	}
	return true;
}

/* What --print-config says in other words. */
static const char *const not_printed[] = { "print-config", "socket", "socket-owner",
					   "socket-group", "socket-mode", NULL };

bool settings_read(struct settings *out, int argc, char **argv)
{
	char *words[WORDS_MOST + 1];
	int first;

	*out = (struct settings){ .socket_mode = MODE_UNSET };
	if (argc == 2 && (argv[1][0] == '\0' || (argv[1][0] == '-' && strpbrk(argv[1], " \t")))) {
		argc = split_sole_argument(argv[0], argv[1], words);
		argv = words;
		if (argc < 0)
			return false;
	}
	errno = 0;
	first = options_parse(table, sizeof table / sizeof *table, argc, argv, out);
	if (first < 0)
		return false;
	if (!take_operands(out, argv + first) || !check(out))
		return false;
	out->on_abort = strcmp(out->on_abort_text, "ignore") == 0 ? ON_ABORT_IGNORE : ON_ABORT_KILL;
	if (out->print_config &&
	    !options_words(table, sizeof table / sizeof *table, argc, argv, not_printed, &out->words))
		return false;
	if (out->try_script)
		out->workers = 1;
	else if (out->workers == 0)
		out->workers = default_workers(out);
	return true;
}
