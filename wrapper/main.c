/*
 * fcgiwrap: runs CGI scripts for a web server that speaks FastCGI.
 */
#include <config.h>

#include "account.h"
#include "descriptors.h"
#include "environment.h"
#include "exec.h"
#include "launch.h"
#include "listen.h"
#include "notify.h"
#include "parent.h"
#include "peer.h"
#include "report.h"
#include "rlimits.h"
#include "scoreboard.h"
#include "script.h"
#include "settings.h"
#include "slots.h"
#include "try.h"
#include "warm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum { BACKLOG = 511, SOCKET_MODE = 0660 };

/* The listening socket. */
static struct source {
	int listener;
	bool made; /* created here, so leave_source() removes the file */
	struct listen_address address;
	struct listen_identity file;
} source = { .listener = -1 };

static bool find_owner(struct listen_file *out, const struct settings *settings)
{
	const struct passwd *user = NULL;

	out->owner = (uid_t)-1;
	if (settings->socket_owner &&
	    !account_find_user(settings->socket_owner, &out->owner, &user)) {
		report("--socket-owner %s: %s", settings->socket_owner, account_explain(errno));
		return false;
	}
	out->group = user ? user->pw_gid : (gid_t)-1;
	if (settings->socket_group && !account_find_group(settings->socket_group, &out->group)) {
		report("--socket-group %s: %s", settings->socket_group, account_explain(errno));
		return false;
	}
	return true;
}

/* Finds further users and groups that may connect. False after reporting. */
static bool find_acl(struct listen_file *out, struct acl *acl, const struct settings *settings)
{
	if (!acl_find_users(acl, "--socket-acl-users", settings->acl_users) ||
	    !acl_find_groups(acl, "--socket-acl-groups", settings->acl_groups))
		return false;
	out->acl = acl_is_empty(acl) ? NULL : acl;
	if (!out->acl || source.address.as.any.sa_family == AF_UNIX)
		return true;
	report("--socket-acl-users and --socket-acl-groups need a Unix socket (-s unix:PATH)");
	return false;
}

static bool make_socket(const struct settings *settings)
{
	struct acl acl = { .user_count = 0 };
	mode_t mask = umask(0);
	struct listen_file file = { .mode = settings->socket_mode >= 0
						    ? (mode_t)settings->socket_mode
						    : SOCKET_MODE & ~mask };

	umask(mask);
	listen_address_url(&source.address, settings->socket);
	if (!find_owner(&file, settings) || !find_acl(&file, &acl, settings))
		return false;
	source.listener = listen_open(&source.address, &file, BACKLOG);
	source.made = source.listener >= 0;
	listen_identify(&source.address, &source.file);
	return source.made;
}

static bool inherit_socket(int fd, const char *name)
{
	source.listener = fd;
	if (listen_is_socket(fd))
		return true;
	report("%s is not a listening socket (give one with -s, by spawn-fcgi, or by a systemd "
	       "socket unit)", name);
	return false;
}

/* Takes a socket passed by systemd, else makes the one of -s, else takes descriptor 0; for --try,
 * none. False after reporting. */
static bool find_source(const struct settings *settings)
{
	int passed = listen_inherited();

	if (settings->try_script) {
		descriptors_close(STDERR_FILENO + 1);
		return true;
	}
	descriptors_close(LISTEN_INHERITED_FIRST + (passed > 0));
	if (passed > 1)
		report("of %d sockets passed by LISTEN_FDS only the first is served", passed);
	if (passed > 0 && settings->socket)
		report("-s %s is ignored, since a socket was passed by LISTEN_FDS", settings->socket);
	if (passed > 0)
		return inherit_socket(LISTEN_INHERITED_FIRST, "descriptor 3 (LISTEN_FDS)");
	if (settings->socket)
		return make_socket(settings);
	return inherit_socket(STDIN_FILENO, "standard input");
}

/* Removes the socket's file when a stop begins, so that new clients find a successor, or no
 * server. Spares the file of a successor. */
static void leave_source(void)
{
	if (source.made)
		listen_remove_own(&source.address, &source.file);
	source.made = false;
}

static bool open_slots(const struct settings *settings)
{
	const size_t most[SLOT_KINDS] = {
		[SLOT_RUNNING] = (size_t)settings->max_scripts,
		[SLOT_WAITING] = (size_t)settings->queue,
		[SLOT_UNFINISHED] = (size_t)settings->max_unfinished,
		[SLOT_BACKGROUND] = (size_t)settings->max_background,
		[SLOT_SHOWN] = settings->status
				       ? (size_t)(settings->max_scripts + settings->queue +
						  settings->max_unfinished)
				       : 0,
	};

	return slots_open(most, settings->max_spool, parent_numbers(settings)) &&
	       (!settings->status ||
		scoreboard_open(most[SLOT_SHOWN], parent_numbers(settings)));
}

static int serve(const struct settings *settings, bool heeds_hup)
{
	if (!open_slots(settings)) {
		report("cannot allocate shared memory: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	return settings->try_script
		? try_run(settings)
		: parent_run(settings, source.listener, heeds_hup, leave_source);
}

static void report_refusal(const char *name)
{
	report("parameter %s from a client refused (--accept-param lets it through, if "
	       "scripts need it)", name);
}

/* Any client can run any allowed script: warns if clients are not restricted, and refuses
 * restrictions without effect on the kind of socket. False after reporting. */
static bool check_access(const struct settings *settings)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} address;
	socklen_t size = sizeof address;

	if (source.listener < 0 || getsockname(source.listener, &address.any, &size) < 0)
		return true;
	if (address.any.sa_family != AF_UNIX && settings->allow_user.count > 0) {
		report("--allow-user: users cannot be told on a TCP socket (use --allow, or a Unix "
		       "socket)");
		return false;
	}
	if (address.any.sa_family == AF_UNIX && settings->allow.count > 0) {
		report("--allow: peers on a Unix socket have no addresses (use --allow-user, or a TCP "
		       "socket)");
		return false;
	}
	if (peer_is_loopback(&address.any) || peer_addresses_are_listed())
		return true;
	if (settings->scripts.count > 0 || settings->roots.count > 0)
		report("WARNING: anybody who can connect to this TCP port can run its scripts, and "
		       "say to be any user (use --allow)");
	else
		report("WARNING: anybody who can connect to this TCP port can run any program on "
		       "this machine (use --allow, and --root or -p)");
	return true;
}

/* Clients that may run any program need no parameters to steer one. */
static enum environment_rule parameter_rule(const struct settings *settings)
{
	if (settings->strict_params)
		return ENVIRONMENT_STRICT;
	return settings->scripts.count > 0 || settings->roots.count > 0 ? ENVIRONMENT_GUARDED
									: ENVIRONMENT_OPEN;
}

/* Applies settings common to all workers. False after reporting. */
static bool apply(const struct settings *settings)
{
	for (size_t i = 0; i < settings->limits.count; i++)
		if (!rlimits_add(settings->limits.texts[i]))
			return false;
	rlimits_set_nice((int)settings->nice);
	environment_on_refusal(report_refusal);
	environment_open(parameter_rule(settings), &settings->accept_params);
	return script_open(&settings->scripts, &settings->roots, &settings->interpreters) &&
	       warm_open(&settings->warm) &&
	       peer_allow(&settings->allow, &settings->allow_user,
			  getenv("FCGI_WEB_SERVER_ADDRS"));
}

int main(int argc, char **argv)
{
	static struct settings settings; /* lists are never freed */
	int status = STATUS_FAILURE;
	bool heeds_hup;

	report_open("fcgiwrap");
	if (!descriptors_fill_standard()) {
		report("cannot open /dev/null in place of a closed descriptor: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	if (!settings_read(&settings, argc, argv))
		return STATUS_FAILURE;
	if (settings.help) {
		settings_help();
		return 0;
	}
	if (settings.version) {
		printf("fcgiwrap (%s) %s\n", PACKAGE_NAME, PACKAGE_VERSION);
		return 0;
	}
	exec_hide();
	signal(SIGPIPE, SIG_IGN);
	/* Ignored, so that write(2) fails beyond RLIMIT_FSIZE: a lost log line, or a refused
	 * request. */
	signal(SIGXFSZ, SIG_IGN);
	/* Heed SIGHUP unless ignored at the start, as by nohup(1). launch_open() finds SIGHUP
	 * ignored, so scripts get the default. */
	heeds_hup = signal(SIGHUP, SIG_IGN) != SIG_IGN;
	if (!apply(&settings) || !find_source(&settings))
		return STATUS_FAILURE;
	notify_open();
	notify_leave();
	/* By now LISTEN_FDS and the like are out of the environment. */
	if (!environment_keep_own(environ))
		report("cannot begin to serve: %s", strerror(errno));
	else if (launch_open() && check_access(&settings))
		status = serve(&settings, heeds_hup);
	leave_source();
	return status;
}
