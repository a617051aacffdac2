#include <config.h>

#include "settings.h"
#include "report.h"
#include "rlimits.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MODE_UNSET = -1,
	MODE_DEFAULT = 0660,
	FORKS_MOST = 10000,
	CRASHES_MOST = 10000,
	NICE_MOST = 39
};

#define DAY ((int64_t)86400000) /* milliseconds */

#define SET(kind, member) kind(struct settings, member)
#define RANGE(kind, member, least, most) kind(struct settings, member, least, most)

static const struct option_row table[] = {
	{ "command", 'f', "COMMAND", "run this command line of the shell", SET(TEXT, command) },
	{ "directory", 'd', "DIR", "working directory of the program", SET(TEXT, directory) },
	{ "php-children", 'C', "N", "set PHP_FCGI_CHILDREN (-1: leave it)",
	  RANGE(NUMBER, php_children, -1, INT_MAX), .initial = "-1" },
	{ "env", 0, "NAME=VALUE", "set this variable for the program (may be repeated)",
	  SET(PAIRS, env) },
	{ "clear-env", 0, NULL, "pass on nothing else of the environment but PATH",
	  SET(FLAG, clear_env) },
	{ "limit", 0, "NAME=VALUE", "limit its cpu, as, data, nofile, nproc, fsize or core",
	  SET(LIST, limits) },
	{ "nice", 0, "N", "run it at a priority lower by this",
	  RANGE(NUMBER, nice, 0, NICE_MOST), .initial = "0" },
	{ "forks", 'F', "N", "start the program N times on one socket",
	  RANGE(NUMBER, forks, 1, FORKS_MOST), .initial = "1" },
	{ "no-fork", 'n', NULL, "become the program; do not fork, keep stdout and stderr",
	  SET(FLAG, in_place) },
	{ "pid-file", 'P', "FILE", "write the process ids to this file (not with -n)",
	  SET(TEXT, pid_file) },

	{ "socket", 's', "PATH", "listen on this Unix socket", SET(TEXT, socket) },
	{ "address", 'a', "ADDRESS", "listen on this IP address (any IPv4 address)",
	  SET(TEXT, host) },
	{ "port", 'p', "PORT", "listen on this TCP port", RANGE(NUMBER, port, 0, 65535) },
	{ "backlog", 'b', "N", "let so many connections wait",
	  RANGE(NUMBER, backlog, 0, INT_MAX), .initial = "1024" },
	{ "socket-mode", 'M', "MODE", "octal mode of the socket (0660 less the umask)",
	  RANGE(OCTAL, mode, 0, 0777) },
	{ "socket-owner", 'U', "USER", "root only: who owns the socket (as -u)",
	  SET(TEXT, names.socket_owner) },
	{ "socket-group", 'G', "GROUP", "root only: group of the socket (of -U, else as -g)",
	  SET(TEXT, names.socket_group) },
	{ "socket-acl-users", 0, "USERS", "let these (A,B,C) connect, too (Linux)",
	  SET(TEXT, names.acl_users) },
	{ "socket-acl-groups", 0, "GROUPS", "let members of these connect, too (Linux)",
	  SET(TEXT, names.acl_groups) },

	{ "user", 'u', "USER", "root only: run the program as this user",
	  SET(TEXT, names.user) },
	{ "group", 'g', "GROUP", "root only: with this group (the user's own)",
	  SET(TEXT, names.group) },
	{ "chroot", 'c', "DIR", "root only: shut the program into this directory",
	  SET(TEXT, root) },
	{ "bind-before-chroot", 'S', NULL, "root only: create the socket outside of it",
	  SET(FLAG, bind_before_chroot) },

	{ "supervise", 0, NULL, "stay, and start again what ends", SET(FLAG, supervise) },
	{ "pm", 0, "MODE", "static, dynamic or ondemand",
	  SET(TEXT, mode_name), .initial = "static", .needs = "supervise" },
	{ "min-spare", 0, "N", "dynamic: keep so many idle at least",
	  RANGE(NUMBER, min_spare, 1, FORKS_MOST), .initial = "1", .needs = "supervise" },
	{ "max-spare", 0, "N", "dynamic: keep so many idle at most",
	  RANGE(NUMBER, max_spare, 1, FORKS_MOST), .initial = "3", .needs = "supervise" },
	{ "max-children", 0, "N", "dynamic, ondemand: never more processes",
	  RANGE(NUMBER, max_children, 1, FORKS_MOST), .initial = "10", .needs = "supervise" },
	{ "start-servers", 0, "N", "dynamic: so many at the start (else as -F says)",
	  RANGE(NUMBER, start_servers, 1, FORKS_MOST), .needs = "supervise" },
	{ "spawn-rate", 0, "N", "start at most so many more in a second",
	  RANGE(NUMBER, spawn_rate, 1, FORKS_MOST), .initial = "32", .needs = "supervise" },
	{ "idle-timeout", 0, "SEC", "ondemand: end one that is idle so long",
	  RANGE(DURATION, idle_timeout, 1, DAY), .initial = "10", .needs = "supervise" },
	{ "max-lifetime", 0, "SEC", "replace one that is so old (0: never)",
	  RANGE(DURATION, max_lifetime, 0, 365 * DAY), .initial = "0", .needs = "supervise" },
	{ "max-memory", 0, "SIZE", "replace one that is so large (0: never)",
	  RANGE(SIZE, max_memory, 0, INT64_MAX), .initial = "0", .needs = "supervise" },
	{ "crash-limit", 0, "N/SEC", "so many crashes make a crash loop",
	  SET(TEXT, crash_limit), .initial = "10/10", .needs = "supervise" },
	{ "give-up", 0, NULL, "end in a crash loop instead of slowing down",
	  SET(FLAG, give_up), .needs = "supervise" },
	{ "stop-signal", 0, "NAME", "signal that asks the program to end",
	  SET(TEXT, stop_signal_name), .initial = "TERM", .needs = "supervise" },
	{ "stop-timeout", 0, "SEC", "time to KILL, on a stop or reload",
	  RANGE(DURATION, stop_timeout, 1, DAY), .initial = "30", .needs = "supervise" },
	{ "stop-busy", 0, "SEC", "ask who is busy, too, after so long (default: never)",
	  RANGE(DURATION, stop_busy, 0, DAY), .needs = "supervise" },
	{ "request-timeout", 0, "SEC", "end who is so long at a request (0: never)",
	  RANGE(DURATION, request_timeout, 0, DAY), .initial = "0", .needs = "supervise" },
	{ "slow-log", 0, "SEC", "describe who is busy so long (0: none)",
	  RANGE(DURATION, slow_log, 0, DAY), .initial = "0", .needs = "supervise" },
	{ "start-time", 0, "SEC", "it serves if it has lived so long",
	  RANGE(DURATION, start_time, 1, DAY), .initial = "1", .needs = "supervise" },
	{ "status", 0, "SOCKET", "answer there how the pool is (a path or ADDRESS:PORT)",
	  SET(TEXT, status), .needs = "supervise" },
	{ "pool-name", 0, "NAME", "what the status calls the pool (else as the program)",
	  SET(TEXT, pool_name), .needs = "supervise" },
	{ "outlive", 0, NULL, "if spawn-fcgi is killed, its processes go on",
	  SET(FLAG, outlive), .needs = "supervise" },
	{ "log", 0, "FILE|syslog|journal", "where all output goes (with -n stderr, else syslog)",
	  SET(TEXT, log), .needs = "supervise" },
	{ "log-level", 0, "LEVEL", "error, warning, notice, info or debug",
	  SET(TEXT, log_level), .initial = "info" },
	{ "log-rate", 0, "N", "most lines of a process a second",
	  RANGE(NUMBER, log_rate, 0, 1000000), .initial = "1000", .needs = "supervise" },
	{ "queue", 0, "N", "if more wait, the oldest get 503 (default: never)",
	  RANGE(NUMBER, queue, 0, INT_MAX), .needs = "supervise" },
	{ "queue-timeout", 0, "SEC", "answer 503 to who waits so long (0: never)",
	  RANGE(DURATION, queue_timeout, 0, DAY), .initial = "0", .needs = "supervise" },
	{ "exit-on-idle", 0, "SEC", "end when nobody connects so long (0: never)",
	  RANGE(DURATION, exit_on_idle, 0, 30 * DAY), .initial = "0", .needs = "supervise" },
	{ "socket-name", 0, "NAME", "of several that LISTEN_FDS passes, serve this socket",
	  SET(TEXT, socket_name), .needs = "supervise" },
	{ "fd-store", 0, NULL, "let the service manager keep the socket (as $FDSTORE)",
	  SET(FLAG, fd_store), .needs = "supervise" },

	{ "check", 0, NULL, "start nothing; say whether this would work",
	  SET(FLAG, check) },
	{ "web-user", 0, "NAME", "with --check: whether this user could connect",
	  SET(TEXT, web_user), .needs = "check" },

	{ "print-config", 0, "FOR", "print what nginx, systemd, docker ... has to be told", SET(TEXT, print_config) },

	{ "ping", 0, "ADDRESS", "ask the program at this socket whether it answers",
	  SET(TEXT, ping), .alone = true },
	{ "request", 0, "ADDRESS", "make a request there, and print the response",
	  SET(TEXT, request), .alone = true },
	{ "timeout", 0, "SEC", "with these: how long that may take, in all",
	  RANGE(DURATION, timeout, 1, DAY), .initial = "5", .needs = "ping|request" },

	{ "version", 'v', NULL, "print the version", SET(FLAG, version) },
	{ "help", 'h', NULL, "print this help", SET(FLAG, help) },
	{ NULL, '?', NULL, "print this help", SET(FLAG, help) },
};

enum { TABLE_ROWS = sizeof table / sizeof *table };

static const char usage[] = "Usage: spawn-fcgi [options] -- PROGRAM [ARGUMENT...]\n"
			    "       spawn-fcgi [options] -f COMMAND\n"
			    "       spawn-fcgi --ping ADDRESS [SCRIPT] [NAME=VALUE...]\n"
			    "       spawn-fcgi --request ADDRESS SCRIPT [NAME=VALUE...] [< BODY]\n";

static void print_help(void)
{
	puts(usage);
	puts("Opens a listening socket, starts a FastCGI program that has it as its standard\n"
	     "input, and leaves or, with --supervise, watches over it. PROGRAM is not looked\n"
	     "up in PATH.\n");
	options_help(stdout, table, TABLE_ROWS);
	puts("\n"
	     "Exit status: 0 when everything runs, 255 for an error of spawn-fcgi itself, else\n"
	     "what a program ended with at once (1 if by a signal; if it could not be executed,\n"
	     "the number of the error). With --ping and --request: 0 response below 500, 1 a\n"
	     "worse one, 2 no connection, 3 time-out, 4 no FastCGI.");
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
	if ((s->names.acl_users || s->names.acl_groups) && !s->socket) {
		report("--socket-acl-users and --socket-acl-groups need a Unix socket (-s)");
		return false;
	}
	if ((s->inherited > 0 || s->socket_name) && !s->socket && !s->port)
		return true;
	if (!s->socket && !s->port)
		report("no socket given (use either -p or -s)");
	else if (s->socket && s->port)
		report("either a Unix domain socket (-s) or a TCP-port (-p), but not both");
	else
		return s->socket ? read_local_address(s) : read_internet_address(s);
	return false;
}

static bool read_status(struct settings *s)
{
	if (!s->status || listen_address_any(&s->status_address, s->status))
		return true;
	report("--status: \"%s\" is neither the path of a Unix socket nor ADDRESS:PORT in numbers "
	       "(host names are not looked up, and a path may have up to %zu bytes)", s->status,
	       sizeof s->status_address.as.local.sun_path - 1);
	return false;
}

/* Start scripts give these options for any user, so ignore instead of failing. */
static void drop_root_options(struct settings *s)
{
	const struct {
		const char *option;
		const char **text;
	} rows[] = {
		{ " -c", &s->root },
		{ " -u", &s->names.user },
		{ " -g", &s->names.group },
		{ " -U", &s->names.socket_owner },
		{ " -G", &s->names.socket_group },
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
		report(REPORT_WARNING "WARNING: ignored, since only root can use them:%s", ignored);
}

static const struct {
	const char *name;
	int number;
} stop_signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },   { "QUIT", SIGQUIT },
	{ "TERM", SIGTERM }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
};

static bool read_stop_signal(struct settings *s)
{
	const char *name = s->stop_signal_name;

	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < sizeof stop_signals / sizeof *stop_signals; i++) {
		if (strcmp(name, stop_signals[i].name) != 0)
			continue;
		s->stop_signal = stop_signals[i].number;
		return true;
	}
	report("--stop-signal wants HUP, INT, QUIT, TERM, USR1 or USR2, not \"%s\"",
	       s->stop_signal_name);
	return false;
}

static bool read_crash_limit(struct settings *s)
{
	char *end = NULL;

	s->crash_count = strtol(s->crash_limit, &end, 10);
	if (end != s->crash_limit && *end == '/' && end[1] >= '0' && end[1] <= '9') {
		s->crash_time = strtol(end + 1, &end, 10);
		if (*end == '\0' && s->crash_count >= 1 && s->crash_count <= CRASHES_MOST &&
		    s->crash_time >= 1 && s->crash_time <= DAY / 1000) {
			s->crash_time *= 1000;
			return true;
		}
	}
	report("--crash-limit wants N/SEC, from 1/1 to %d/%ld, not \"%s\"", CRASHES_MOST,
	       (long)(DAY / 1000), s->crash_limit);
	return false;
}

static void report_contradiction(const struct settings *s, enum sizing_fault fault)
{
	switch (fault) {
	case SIZING_MOST:
		report("--min-spare %ld and --max-spare %ld must not be greater than "
		       "--max-children %ld", s->min_spare, s->max_spare, s->max_children);
		break;
	case SIZING_SPARE:
		report("--max-spare %ld must not be less than --min-spare %ld", s->max_spare,
		       s->min_spare);
		break;
	case SIZING_FIRST:
		report("--start-servers %ld must not be less than --min-spare %ld nor greater than "
		       "--max-spare %ld", s->start_servers, s->min_spare, s->max_spare);
		break;
	default:
		break;
	}
}

static bool read_pool(struct settings *s)
{
	enum sizing_fault fault;

	s->pool = (struct sizing_plan){
		.count = s->forks, .first = s->start_servers, .min_spare = s->min_spare,
		.max_spare = s->max_spare, .most = s->max_children,
	};
	if (!sizing_mode_find(&s->pool.mode, s->mode_name)) {
		report("--pm wants static, dynamic or ondemand, not \"%s\"", s->mode_name);
		return false;
	}
	if (s->pool.mode == SIZING_STATIC)
		s->pool.most = s->forks;
	if (s->start_servers && s->pool.mode != SIZING_DYNAMIC) {
		report("--start-servers needs --pm dynamic (%s)", s->pool.mode == SIZING_STATIC
		       ? "-F says how many are static" : "ondemand starts with none");
		return false;
	}
	fault = sizing_contradiction(&s->pool);
	report_contradiction(s, fault);
	return fault == SIZING_GOOD;
}

static bool read_supervision(struct settings *s, bool handed_over)
{
	const char *names = getenv("LISTEN_FDNAMES");

	/* Never freed: listen_inherited() takes the variable away. */
	s->inherited_names = names ? strdup(names) : NULL;
	if (names && !s->inherited_names) {
		report("LISTEN_FDNAMES: %s", strerror(errno));
		return false;
	}
	if (s->supervise)
		s->inherited = handed_over ? 1 : listen_inherited();
	return read_stop_signal(s) && read_crash_limit(s) &&
	       read_pool(s);
}

static bool read_limits(const struct settings *s)
{
	for (size_t i = 0; i < s->limits.count; i++)
		if (!rlimits_add(s->limits.texts[i]))
			return false;
	rlimits_set_nice((int)s->nice);
	return true;
}

static bool is_not_borrowed(void)
{
	if (!identity_is_borrowed())
		return true;
	report("refusing to run set-user-ID or set-group-ID (chmod ug-s this program; "
	       "it would give everybody its rights)");
	return false;
}

/* Reads what follows the address of --ping or --request. */
static bool read_script(struct settings *s)
{
	static char *nothing[] = { NULL };
	char **words = s->program ? s->program : nothing;

	s->script = "/ping";
	if (*words && (s->request || **words == '/'))
		s->script = *words++;
	else if (s->request)
		s->script = "";
	if (*s->script != '/') {
		report("--request wants a script behind the address, as in \"%s /srv/app/x.php\"",
		       s->request);
		return false;
	}
	s->pairs = words;
	for (; *words; words++) {
		if (**words != '=' && strchr(*words, '='))
			continue;
		report("--%s wants NAME=VALUE, not \"%s\"", s->ping ? "ping" : "request", *words);
		return false;
	}
	return true;
}

static bool read_request(struct settings *s)
{
	const char *text = s->ping ? s->ping : s->request;

	if (listen_address_any(&s->address, text))
		return read_script(s);
	report("--%s: \"%s\" is neither the path of a Unix socket nor ADDRESS:PORT in numbers (host "
	       "names are not looked up)", s->ping ? "ping" : "request", text);
	return false;
}

/* Sets dependent defaults, and reports contradictions between settings. */
static bool settle_settings(struct settings *s, bool handed_over)
{
	if (!report_level(s->log_level)) {
		report("--log-level wants error, warning, notice, info or debug, not \"%s\"",
		       s->log_level);
		return false;
	}
	if (s->ping || s->request)
		return read_request(s) && is_not_borrowed();
	if (!s->program && !s->command) {
		report("no FastCGI application given (use -- PROGRAM or -f COMMAND)");
		return false;
	}
	if (!read_supervision(s, handed_over) || !read_address(s) || !read_status(s) ||
	    !read_limits(s) || !is_not_borrowed())
		return false;
	if (!identity_is_root())
		drop_root_options(s);
	if (s->mode == MODE_UNSET)
		s->mode = (long)default_mode();
	if (s->in_place && !s->supervise)
		s->pid_file = NULL;
	return true;
}

/* The command line, for --print-config, which says -n itself. */
static bool keep_words(struct settings *s, int argc, char **argv)
{
	static const char *const without[] = { "print-config", "no-fork", "pid-file", NULL };

	if (!options_words(table, TABLE_ROWS, argc, argv, without, &s->words))
		return false;
	if (s->program && !options_word(&s->words, "--"))
		return false;
	for (char **word = s->program; word && *word; word++)
		if (!options_word(&s->words, *word))
			return false;
	return true;
}

bool settings_read(struct settings *out, int argc, char **argv, bool handed_over, int *status)
{
	int operands;

	*out = (struct settings){ .mode = MODE_UNSET, .stop_busy = -1, .queue = -1 };
	*status = EXIT_OWN_ERROR;
	if (argc <= 1) {
		print_help();
		return false;
	}
	operands = options_parse(table, TABLE_ROWS, argc, argv, out);
	if (operands < 0) {
		fputs(usage, stderr);
		return false;
	}
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
	return settle_settings(out, handed_over) &&
	       (!out->print_config || keep_words(out, argc, argv));
}
