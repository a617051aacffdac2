#include <config.h>

#include "check.h"

#include "check-program.h"
#include "listen.h"
#include "listener.h"
#include "pidfile.h"
#include "reach.h"
#include "report.h"
#include "self.h"
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct plan {
	const struct settings *settings;
	const struct identity *identity;
};

static bool check_program_apart(void *argument)
{
	const struct plan *p = argument;

	return check_program(p->settings, p->identity);
}

static bool is_inside(const struct settings *s)
{
	return s->root && s->socket && !s->bind_before_chroot;
}

static bool check_socket(void *argument)
{
	const struct plan *p = argument;

	if (is_inside(p->settings) && !self_change_root(p->settings->root))
		return false;
	return listen_would_bind(&p->settings->address,
				 acl_is_empty(&p->identity->acl) ? NULL : &p->identity->acl);
}

/* The socket of --status, made as the pool's. */
static bool check_status_socket(void *argument)
{
	const struct plan *p = argument;
	struct settings own = *p->settings;
	const struct plan plan = { &own, p->identity };

	own.address = own.status_address;
	own.socket = own.address.as.any.sa_family == AF_UNIX ? own.status : NULL;
	return check_socket((void *)&plan);
}

static bool check_pid_file(const char *path)
{
	struct pidfile file;

	return pidfile_open(&file, path);
}

/* Checks the Unix socket of this path, as it is or, if made, as it will be made. */
static bool check_reach(const struct plan *p, const char *path, const struct listen_file *made)
{
	const char *user = p->settings->web_user;
	char remedy[320];
	struct reach reach = { .user = user, .path = path, .made = made, .remedy = remedy };

	if (made)
		snprintf(remedy, sizeof remedy, "use -U %s, or -G and -M", user);
	else
		snprintf(remedy, sizeof remedy, "whoever passes it says owner and mode, in a systemd "
			 "unit SocketUser=%s, or SocketGroup= and SocketMode=", user);
	return reach_check(&reach);
}

/* Checks a socket of LISTEN_FDS, which has a name in the file system, or has none. */
static bool check_reach_of_passed(const struct plan *p, int passed)
{
	struct listen_address address = { .size = sizeof address.as };

	if (getsockname(passed, &address.as.any, &address.size) < 0 ||
	    address.as.any.sa_family != AF_UNIX || address.as.local.sun_path[0] != '/')
		return true;
	return check_reach(p, address.as.local.sun_path, NULL);
}

/* A TCP port has no mode. */
static bool check_web_user(const struct plan *p, int passed)
{
	const struct settings *s = p->settings;
	const struct identity *id = p->identity;
	const struct listen_file made = {
		.mode = (mode_t)s->mode,
		.owner = id->socket_owner,
		.group = id->socket_group,
		.acl = &id->acl,
	};
	char path[PATH_MAX];

	if (passed >= 0)
		return check_reach_of_passed(p, passed);
	if (!s->socket)
		return true;
	snprintf(path, sizeof path, "%s%s", is_inside(s) ? s->root : "", s->socket);
	return check_reach(p, path, &made);
}

int check_run(const struct settings *settings, const struct identity *identity)
{
	struct plan plan = { settings, identity };
	bool good = self_apart(check_program_apart, &plan), chosen;
	int passed;

	chosen = listener_choose(settings, &passed);
	if (!chosen)
		good = false;
	else if (passed < 0)
		good &= self_apart(check_socket, &plan);
	else
		good &= listener_is_passed(passed);
	if (settings->status)
		good &= self_apart(check_status_socket, &plan);
	if (settings->pid_file)
		good &= check_pid_file(settings->pid_file);
	if (settings->log)
		good &= sink_could_open("--log", settings->log);
	if (settings->web_user && chosen)
		good &= check_web_user(&plan, passed);
	if (good)
		puts("spawn-fcgi: this command line would work");
	return good ? EXIT_SUCCESS : EXIT_OWN_ERROR;
}
