/*
 * Users and groups, by name or number.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

/* Looks up a user; a number need not be known to the system, *group is then -1,
 * else the user's primary group. False if there is no such user. */
bool account_find_user(const char *text, uid_t *user, gid_t *group);

bool account_find_group(const char *text, gid_t *group);

#endif
