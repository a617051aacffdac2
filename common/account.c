#include <config.h>

#include "account.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS_USUAL = 32, GROUPS_MOST = 65536 };

/* Decimal number below (uid_t)-1 and (gid_t)-1, "unchanged" for chown(2). */
static bool parse_id(const char *text, unsigned long *out)
{
	if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
		return false;
	errno = 0;
	*out = strtoul(text, NULL, 10);
	return errno == 0 && *out < (uid_t)-1 && *out < (gid_t)-1;
}

bool account_find_user(const char *text, uid_t *user, const struct passwd **entry)
{
	unsigned long number;

	if (parse_id(text, &number)) {
		*user = (uid_t)number;
		*entry = getpwuid(*user);
		return true;
	}
	errno = 0;
	*entry = getpwnam(text);
	if (*entry)
		*user = (*entry)->pw_uid;
	return *entry;
}

bool account_find_group(const char *text, gid_t *group)
{
	const struct group *entry;
	unsigned long number;

	if (parse_id(text, &number)) {
		*group = (gid_t)number;
		return true;
	}
	errno = 0;
	entry = getgrnam(text);
	if (entry)
		*group = entry->gr_gid;
	return entry;
}

bool account_list_groups(const char *name, gid_t group, gid_t **groups, int *count)
{
	for (int room = GROUPS_USUAL; room <= GROUPS_MOST; room *= 2) {
		gid_t *grown = realloc(*groups, (size_t)room * sizeof *grown);

		if (!grown)
			return false;
		*groups = grown;
		*count = room;
		if (getgrouplist(name, group, grown, count) >= 0)
			return true;
	}
	return false;
}

const char *account_explain(int error)
{
	/* For an unknown name errno is 0, ENOENT or ESRCH, depending on the system. */
	bool absent = error == 0 || error == ENOENT || error == ESRCH;

	return absent ? "there is none of that name" : strerror(error);
}
