#include <config.h>

#include "acl.h"

#include "account.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 256 };

bool acl_is_empty(const struct acl *acl)
{
	return acl->user_count == 0 && acl->group_count == 0;
}

/* Copies the first of *names, and advances to the next; NULL: none. False after reporting. */
static bool take_name(char *out, const char *option, const char **names, size_t used)
{
	size_t size = strcspn(*names, ",");

	if (size == 0 || size >= NAME_SIZE) {
		report("%s wants names with commas between them, not \"%s\"", option, *names);
		return false;
	}
	if (used == ACL_MOST) {
		report("%s: there may be %d at most (make a group of them)", option, ACL_MOST);
		return false;
	}
	snprintf(out, NAME_SIZE, "%.*s", (int)size, *names);
	*names += size;
	if (**names == ',')
		(*names)++;
	else
		*names = NULL;
	return true;
}

bool acl_find_users(struct acl *acl, const char *option, const char *names)
{
	const struct passwd *entry;
	char name[NAME_SIZE];

	while (names) {
		if (!take_name(name, option, &names, acl->user_count))
			return false;
		if (!account_find_user(name, &acl->users[acl->user_count], &entry)) {
			report("%s: can't find user name %s: %s", option, name,
			       account_explain(errno));
			return false;
		}
		acl->user_count++;
	}
	return true;
}

bool acl_find_groups(struct acl *acl, const char *option, const char *names)
{
	char name[NAME_SIZE];

	while (names) {
		if (!take_name(name, option, &names, acl->group_count))
			return false;
		if (!account_find_group(name, &acl->groups[acl->group_count])) {
			report("%s: can't find group name %s: %s", option, name,
			       account_explain(errno));
			return false;
		}
		acl->group_count++;
	}
	return true;
}
