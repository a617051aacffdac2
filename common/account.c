#include <config.h>

#include "account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

static bool parse_number(const char *text, unsigned long *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoul(text, &end, 10);
	/* The last number means "none" to the system. */
	return errno == 0 && *end == '\0' && *number < (uid_t)-1;
}

bool account_find_user(const char *text, uid_t *user, gid_t *group)
{
	unsigned long number;
	bool is_number = parse_number(text, &number);
	const struct passwd *entry = is_number ? getpwuid((uid_t)number) : getpwnam(text);

	if (!entry && !is_number)
		return false;
	*user = entry ? entry->pw_uid : (uid_t)number;
	*group = entry ? entry->pw_gid : (gid_t)-1;
	return true;
}

bool account_find_group(const char *text, gid_t *group)
{
	unsigned long number;
	bool is_number = parse_number(text, &number);
	const struct group *entry = is_number ? NULL : getgrnam(text);

	if (!entry && !is_number)
		return false;
	*group = entry ? entry->gr_gid : (gid_t)number;
	return true;
}
