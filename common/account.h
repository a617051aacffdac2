/*
 * Users and groups, by name or number.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <pwd.h>
#include <stdbool.h>
#include <sys/types.h>

/* Looks up a user and the entry, overwritten by the next look-up; NULL for a number
 * without an entry. False with errno, for account_explain(). */
bool account_find_user(const char *text, uid_t *user, const struct passwd **entry);

/* Looks up a group. False with errno, as account_find_user. */
bool account_find_group(const char *text, gid_t *group);

/* Lists the groups of a user by name, and group, in memory from malloc or realloc: *groups, NULL at
 * first, has *count. False if there is no memory, or there are too many. */
bool account_list_groups(const char *name, gid_t group, gid_t **groups, int *count);

/* Returns the reason of a failed look-up, from errno. */
const char *account_explain(int error);

#endif
