#include <config.h>

#include "source.h"

#include "account.h"
#include "descriptors.h"
#include "peer.h"
#include "report.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 511, SOCKET_MODE = 0660 };

static int listener = -1;
static bool made; /* by us, so source_leave() removes the file */
static struct listen_address made_at;
static struct listen_identity made_file;

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
static bool find_acl(struct listen_file *out, struct acl *acl, const struct settings *settings,
		     const struct listen_address *address)
{
	if (!acl_find_users(acl, "--socket-acl-users", settings->acl_users) ||
	    !acl_find_groups(acl, "--socket-acl-groups", settings->acl_groups))
		return false;
	out->acl = acl_is_empty(acl) ? NULL : acl;
	if (!out->acl || address->as.any.sa_family == AF_UNIX)
		return true;
	report("--socket-acl-users and --socket-acl-groups need a Unix socket (-s unix:PATH)");
	return false;
}

bool source_plan(struct source_plan *out, const struct settings *settings)
{
	mode_t mask = umask(0);

	umask(mask);
	*out = (struct source_plan){ .file.mode = settings->socket_mode >= 0
							  ? (mode_t)settings->socket_mode
							  : SOCKET_MODE & ~mask };
	listen_address_url(&out->address, settings->socket);
	return find_owner(&out->file, settings) &&
	       find_acl(&out->file, &out->acl, settings, &out->address);
}

static bool make_socket(const struct settings *settings)
{
	struct source_plan plan;

	if (!source_plan(&plan, settings))
		return false;
	listener = listen_open(&plan.address, &plan.file, BACKLOG);
	made = listener >= 0;
	made_at = plan.address;
	listen_identify(&made_at, &made_file);
	return made;
}

bool source_is_socket(int fd, const char *name)
{
	if (listen_is_socket(fd))
		return true;
	report("%s is not a listening socket (give one with -s, by spawn-fcgi, or by a systemd "
	       "socket unit)", name);
	return false;
}

int source_given(const struct settings *settings, const char **name)
{
	int passed = listen_inherited();

	descriptors_close(LISTEN_INHERITED_FIRST + (passed > 0));
	if (passed > 1)
		report(REPORT_WARNING "of %d sockets passed by LISTEN_FDS only the first is served", passed);
	if (passed > 0 && settings->socket)
		report(REPORT_WARNING "-s %s is ignored, since a socket was passed by LISTEN_FDS", settings->socket);
	*name = passed > 0 ? "descriptor 3 (LISTEN_FDS)" : "standard input";
	return passed > 0 ? LISTEN_INHERITED_FIRST : settings->socket ? -1 : STDIN_FILENO;
}

bool source_suits(const struct settings *settings, const struct sockaddr *address)
{
	if (address->sa_family != AF_UNIX && settings->allow_user.count > 0) {
		report("--allow-user: users cannot be told on a TCP socket (use --allow, or a Unix "
		       "socket)");
		return false;
	}
	if (address->sa_family == AF_UNIX && settings->allow.count > 0) {
		report("--allow: peers on a Unix socket have no addresses (use --allow-user, or a TCP "
		       "socket)");
		return false;
	}
	if (peer_is_loopback(address) || peer_addresses_are_listed())
		return true;
	if (settings->scripts.count > 0 || settings->roots.count > 0)
		report(REPORT_WARNING "WARNING: anybody who can connect to this TCP port can run its scripts, and "
		       "say to be any user (use --allow)");
	else
		report(REPORT_WARNING "WARNING: anybody who can connect to this TCP port can run any program on "
		       "this machine (use --allow, and --root or -p)");
	return true;
}

static bool listener_suits(const struct settings *settings)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} name;
	socklen_t size = sizeof name;

	return getsockname(listener, &name.any, &size) < 0 || source_suits(settings, &name.any);
}

bool source_open(const struct settings *settings)
{
	const char *name;

	if (settings->try_script) {
		listen_forget_inherited();
		descriptors_close(STDERR_FILENO + 1);
		return true;
	}
	listener = source_given(settings, &name);
	if ((listener < 0 ? make_socket(settings) : source_is_socket(listener, name)) &&
	    listener_suits(settings))
		return true;
	source_leave();
	return false;
}

int source_listener(void)
{
	return listener;
}

void source_leave(void)
{
	if (made)
		listen_remove_own(&made_at, &made_file);
	made = false;
}
