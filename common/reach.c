#include <config.h>

#include "reach.h"

#include "account.h"
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

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

struct visitor {
	const char *name;
	uid_t user;
	gid_t group;
	gid_t *groups; /* all of them */
	int group_count;
	bool assumed; /* this process is that user */
};

enum { GROUPS_MOST = 65536 };

/* What this process was before. */
struct place {
	gid_t group;
	gid_t groups[GROUPS_MOST];
	int count; /* -1: nothing is changed */
};

/* False after reporting. */
static bool find_visitor(struct visitor *v, const char *name)
{
	const struct passwd *entry = NULL;

	*v = (struct visitor){ .name = name, .group = (gid_t)-1 };
	if (!account_find_user(name, &v->user, &entry)) {
		report("can't find user name %s: %s", name, account_explain(errno));
		return false;
	}
	if (!entry)
		return true;
	v->group = entry->pw_gid;
	if (account_list_groups(entry->pw_name, v->group, &v->groups, &v->group_count))
		return true;
	report("cannot list the groups of %s: there are too many", name);
	return false;
}

static bool is_member(const struct visitor *v, gid_t group)
{
	for (int i = 0; i < v->group_count; i++)
		if (v->groups[i] == group)
			return true;
	return v->group == group;
}

/* By the bits of a mode. */
static bool may_by_mode(const struct visitor *v, const struct stat *st, mode_t bit)
{
	if (v->user == 0)
		return true;
	if (st->st_uid == v->user)
		return st->st_mode & (bit << 6);
	if (is_member(v, st->st_gid))
		return st->st_mode & (bit << 3);
	return st->st_mode & bit;
}

/* Of a file that is there. */
static bool may(const struct visitor *v, const char *path, const struct stat *st, mode_t bit)
{
	return v->assumed
		? faccessat(AT_FDCWD, path, bit == S_IXOTH ? X_OK : W_OK, AT_EACCESS) == 0
		: may_by_mode(v, st, bit);
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

/* Checks all directories on the way to a file. What cannot be looked at as the visitor lies behind
 * one that was closed already. */
static bool check_way(const struct visitor *v, const char *path)
{
	char directory[PATH_MAX], about[160];
	struct stat st;

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + (slash == path),
			 path);
		if (stat(directory, &st) < 0 || may(v, directory, &st, S_IXOTH))
			continue;
		describe_file(&st, about, sizeof about);
		report("%s cannot connect: the directory %s is closed to it (%s; chmod o+x, or "
		       "choose another path)", v->name, directory, about);
		return false;
	}
	return true;
}

/* True if the access control list names the user or a group. */
static bool is_in_list(const struct visitor *v, const struct acl *acl)
{
	for (size_t i = 0; acl && i < acl->user_count; i++)
		if (acl->users[i] == v->user)
			return true;
	for (size_t i = 0; acl && i < acl->group_count; i++)
		if (is_member(v, acl->groups[i]))
			return true;
	return false;
}

/* What is looked at in the visitor's place: another user may not see it. */
struct view {
	const struct reach *reach;
	struct visitor visitor;
	char real[PATH_MAX + 1]; /* of the directory, with a slash; "" if there is none */
	struct stat socket; /* as it is, or will be */
	bool is_there;
};

/* In a directory with the set-group-ID bit, a file has the group of that. */
static gid_t group_of_new(const char *real)
{
	struct stat st;

	return stat(real, &st) == 0 && st.st_mode & S_ISGID ? st.st_gid : getegid();
}

static void reach_look(struct view *v)
{
	const struct listen_file *made = v->reach->made;
	char directory[PATH_MAX];
	struct listen_address address;

	listen_find_directory(v->reach->path, directory, sizeof directory);
	if (!realpath(directory, v->real))
		v->real[0] = '\0';
	v->is_there = stat(v->reach->path, &v->socket) == 0 &&
		      (!made || (listen_address_local(&address, v->reach->path) &&
				 listen_is_live(&address)));
	if (!v->is_there && made)
		v->socket = (struct stat){
			.st_mode = made->mode,
			.st_uid = made->owner == (uid_t)-1 ? geteuid() : made->owner,
			.st_gid = made->group == (gid_t)-1 ? group_of_new(v->real) : made->group,
		};
	if (v->real[0])
		strcat(v->real, "/");
}

static bool reach_judge(const struct view *v)
{
	const struct reach *r = v->reach;
	char about[160];

	/* The real path, too: behind symbolic links, and above the working directory. */
	if (!check_way(&v->visitor, r->path) || !check_way(&v->visitor, v->real))
		return false;
	if (v->is_there ? may(&v->visitor, r->path, &v->socket, S_IWOTH)
			: may_by_mode(&v->visitor, &v->socket, S_IWOTH) ||
			  is_in_list(&v->visitor, r->made ? r->made->acl : NULL))
		return true;
	describe_file(&v->socket, about, sizeof about);
	report("%s cannot connect: the socket %s is closed to it (%s; %s)", r->user, r->path, about,
	       r->remedy);
	return false;
}

/* Takes the visitor's place for a while, if root; else nothing is changed. A user without an entry
 * has no group: one that no file has stands in. */
static void reach_enter(struct visitor *v, struct place *own)
{
	gid_t group = v->group == (gid_t)-1 ? (gid_t)-2 : v->group;

	own->group = getegid();
	own->count = geteuid() == 0 ? getgroups(GROUPS_MOST, own->groups) : -1;
	v->assumed = own->count >= 0 && setgroups((size_t)v->group_count, v->groups) == 0 &&
		     setegid(group) == 0 && seteuid(v->user) == 0;
}

/* False after reporting. */
static bool reach_leave(const struct place *own)
{
	if (own->count < 0 || (seteuid(0) == 0 && setegid(own->group) == 0 &&
			       setgroups((size_t)own->count, own->groups) == 0))
		return true;
	report("cannot become root again: %s", strerror(errno));
	return false;
}

bool reach_check(const struct reach *reach)
{
	static struct place own;
	struct view v = { .reach = reach };
	bool good = find_visitor(&v.visitor, reach->user);

	if (good) {
		reach_look(&v);
		reach_enter(&v.visitor, &own);
		good = reach_judge(&v);
		good &= reach_leave(&own);
	}
	free(v.visitor.groups);
	return good;
}
