/*
 * Users and groups, by name or number.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <pwd.h>
#include <stdbool.h>
#include <sys/types.h>

/* Looks up a user, and its entry, which the next look-up overwrites; a number may
 * be nobody's, then the entry is NULL. False with errno, 0 if there is no such
 * user. */
bool account_find_user(const char *text, uid_t *user, const struct passwd **entry);

/* Looks up a group. False with errno, 0 if there is no such group. */
bool account_find_group(const char *text, gid_t *group);

/* Why a look-up failed, in words. */
const char *account_explain(int error);

#endif
