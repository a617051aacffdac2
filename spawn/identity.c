#include <config.h>

#include "identity.h"

#include "account.h"
#include "report.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

bool identity_is_root(void)
{
	return getuid() == 0;
}

bool identity_is_borrowed(void)
{
	return getuid() != geteuid() || getgid() != getegid();
}

static bool find_user(const char *text, uid_t *user, const struct passwd **entry)
{
	if (account_find_user(text, user, entry))
		return true;
	report("can't find user name %s: %s", text, account_explain(errno));
	return false;
}

static bool find_group(const char *text, gid_t *group)
{
	if (account_find_group(text, group))
		return true;
	report("can't find group name %s: %s", text, account_explain(errno));
	return false;
}

static bool find_supplementary(struct identity *id, const char *name)
{
	if (account_list_groups(name, id->group, &id->groups, &id->group_count))
		return true;
	report("cannot list the groups of %s: there are too many", name);
	return false;
}

/* User and groups of the program. */
static bool find_program_identity(struct identity *id, const char *user, const char *group)
{
	const struct passwd *entry = NULL;

	if (user && !find_user(user, &id->user, &entry))
		return false;
	if (id->user == 0) {
		report("-u %s: I will not set uid to 0 (the program will not run as root; without "
		       "-u it runs as whoever starts it)", user);
		return false;
	}
	if (entry)
		id->group = entry->pw_gid;
	if (group && !find_group(group, &id->group))
		return false;
	if (id->group == 0) {
		report("-%c %s: I will not set gid to 0 (the program will not run in root's group; "
		       "choose another one with -g)", group ? 'g' : 'u', group ? group : user);
		return false;
	}
	if (user && id->group == GROUP_UNCHANGED)
		report(REPORT_WARNING "WARNING: couldn't find the user for uid %ld and no group was specified, "
		       "so only the user privileges will be dropped (give a group with -g)",
		       (long)id->user);
	return !entry || find_supplementary(id, entry->pw_name);
}

/* Owner and group of the socket's file; find_program_identity comes before. */
static bool find_socket_identity(struct identity *id, const char *owner, const char *group)
{
	const struct passwd *entry = NULL;

	id->socket_owner = id->user;
	id->socket_group = id->group;
	if (owner && !find_user(owner, &id->socket_owner, &entry))
		return false;
	if (entry)
		id->socket_group = entry->pw_gid;
	return !group || find_group(group, &id->socket_group);
}

bool identity_find(struct identity *out, const struct identity_names *names)
{
	*out = (struct identity){ .user = USER_UNCHANGED, .group = GROUP_UNCHANGED };
	return find_program_identity(out, names->user, names->group) &&
	       find_socket_identity(out, names->socket_owner, names->socket_group) &&
	       acl_find_users(&out->acl, "--socket-acl-users", names->acl_users) &&
	       acl_find_groups(&out->acl, "--socket-acl-groups", names->acl_groups);
}

bool identity_changes(const struct identity *id)
{
	return id->user != USER_UNCHANGED || id->group != GROUP_UNCHANGED;
}

/* True if the ids are in force, and the system refuses to make this process root again. */
static bool is_final(const struct identity *id)
{
	bool in_group = id->group != GROUP_UNCHANGED;

	if (in_group && (getgid() != id->group || getegid() != id->group))
		return false;
	if (id->user == USER_UNCHANGED)
		return true;
	if (getuid() != id->user || geteuid() != id->user)
		return false;
	if (setuid(0) == 0 || seteuid(0) == 0)
		return false;
	return !in_group || (setgid(0) < 0 && setegid(0) < 0);
}

bool identity_assume(const struct identity *id)
{
	if (!identity_changes(id))
		return true;
	if (setgroups((size_t)id->group_count, id->groups) < 0)
		report("cannot set %d supplementary groups: %s%s", id->group_count,
		       strerror(errno), errno == EPERM ? " (is this a user namespace?)" : "");
	else if (id->group != GROUP_UNCHANGED && setgid(id->group) < 0)
		report("cannot set the group, setgid(%ld): %s", (long)id->group, strerror(errno));
	else if (id->user != USER_UNCHANGED && setuid(id->user) < 0)
		report("cannot set the user, setuid(%ld): %s", (long)id->user, strerror(errno));
	else if (!is_final(id))
		report("cannot give up root for good: the system would give it back "
		       "(which capabilities or secure bits does this process have?)");
	else
		return true;
	return false;
}
