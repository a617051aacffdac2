#include <config.h>

#include "check.h"

#include "check-program.h"
#include "listen.h"
#include "listener.h"
#include "logfile.h"
#include "pidfile.h"
#include "self.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
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

static bool check_log(const char *path)
{
	const char *why;

	if (logfile_could_open(path, &why))
		return true;
	report("--log: cannot open %s: %s", path, why);
	return false;
}

/* Access of the web server's user, by the bits of modes. */

static bool is_member(const struct identity *who, gid_t group)
{
	if (who->group == group)
		return true;
	for (int i = 0; i < who->group_count; i++)
		if (who->groups[i] == group)
			return true;
	return false;
}

static bool may(const struct identity *who, const struct stat *st, mode_t bit)
{
	if (who->user == 0)
		return true;
	if (st->st_uid == who->user)
		return st->st_mode & (bit << 6);
	if (is_member(who, st->st_gid))
		return st->st_mode & (bit << 3);
	return st->st_mode & bit;
}

/* Writes "mode 0750, user:group". */
static void describe_file(const struct stat *st, char *out, size_t size)
{
	const struct passwd *user = getpwuid(st->st_uid);
	const struct group *group = getgrgid(st->st_gid);
	char user_number[24], group_number[24];

	snprintf(user_number, sizeof user_number, "%ld", (long)st->st_uid);
	snprintf(group_number, sizeof group_number, "%ld", (long)st->st_gid);
	snprintf(out, size, "mode %04o, %s:%s", (unsigned)st->st_mode & 07777,
		 user ? user->pw_name : user_number, group ? group->gr_name : group_number);
}

/* Checks all directories on the way to a file. */
static bool check_way(const struct settings *s, const struct identity *who, const char *path)
{
	char directory[PATH_MAX], about[160];
	struct stat st;

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + (slash == path),
			 path);
		if (stat(directory, &st) < 0 || may(who, &st, S_IXOTH))
			continue;
		describe_file(&st, about, sizeof about);
		report("%s cannot connect: the directory %s is closed to it (%s; chmod o+x, or "
		       "choose another path)", s->web_user, directory, about);
		return false;
	}
	return true;
}

/* Checks the real path, too: behind symbolic links, and above the working directory. */
static bool check_real_way(const struct settings *s, const struct identity *who, const char *path)
{
	char directory[PATH_MAX], real[PATH_MAX + 1];

	listen_find_directory(path, directory, sizeof directory);
	if (!realpath(directory, real))
		return true; /* reported by check_socket */
	strcat(real, "/");
	return check_way(s, who, real);
}

/* True if the access control list names the user or a group. */
static bool is_listed(const struct identity *who, const struct acl *acl)
{
	for (size_t i = 0; i < acl->user_count; i++)
		if (acl->users[i] == who->user)
			return true;
	for (size_t i = 0; i < acl->group_count; i++)
		if (is_member(who, acl->groups[i]))
			return true;
	return false;
}

/* Fills in the file of a live socket, or else as it will be made: true then. */
static bool foresee_socket(const struct plan *p, const char *path, struct stat *st)
{
	const struct identity *id = p->identity;
	struct listen_address address;

	/* A live socket stays, as check_socket has reported. */
	if (listen_address_local(&address, path) && stat(path, st) == 0 &&
	    listen_is_live(&address))
		return false;
	*st = (struct stat){
		.st_mode = (mode_t)p->settings->mode,
		.st_uid = id->socket_owner == USER_UNCHANGED ? geteuid() : id->socket_owner,
		.st_gid = id->socket_group == GROUP_UNCHANGED ? getegid() : id->socket_group,
	};
	return true;
}

static bool check_web_user(const struct plan *p)
{
	const struct settings *s = p->settings;
	char path[PATH_MAX], about[160];
	static struct identity who; /* groups are never freed */
	struct stat st;
	bool to_be_made;

	if (!identity_find_user(&who, s->web_user))
		return false;
	if (!s->socket)
		return true; /* a TCP port has no mode */
	snprintf(path, sizeof path, "%s%s", is_inside(s) ? s->root : "", s->socket);
	if (!check_way(s, &who, path) || !check_real_way(s, &who, path))
		return false;
	to_be_made = foresee_socket(p, path, &st);
	if (may(&who, &st, S_IWOTH) || (to_be_made && is_listed(&who, &p->identity->acl)))
		return true;
	describe_file(&st, about, sizeof about);
	report("%s cannot connect: the socket %s is closed to it (%s; use -U %s, or -G and -M)",
	       s->web_user, path, about, s->web_user);
	return false;
}

int check_run(const struct settings *settings, const struct identity *identity)
{
	struct plan plan = { settings, identity };
	bool good = self_apart(check_program_apart, &plan);
	int passed;

	if (!listener_choose(settings, &passed))
		good = false;
	else if (passed < 0)
		good &= self_apart(check_socket, &plan);
	else
		good &= listener_is_passed(passed);
	if (settings->status)
		good &= self_apart(check_status_socket, &plan);
	if (settings->pid_file)
		good &= check_pid_file(settings->pid_file);
	if (settings->log && strcmp(settings->log, "syslog") != 0)
		good &= check_log(settings->log);
	if (settings->web_user)
		good &= check_web_user(&plan);
	if (good)
		puts("spawn-fcgi: this command line would work");
	return good ? EXIT_SUCCESS : EXIT_OWN_ERROR;
}
