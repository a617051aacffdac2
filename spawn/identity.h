/*
 * Users and groups: looked up while the system's files are in sight, assumed
 * for good in the process that becomes the program.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "acl.h"

#include <stdbool.h>
#include <sys/types.h>

#define USER_UNCHANGED ((uid_t)-1)
#define GROUP_UNCHANGED ((gid_t)-1)

/* By name or number; NULL: not given. */
struct identity_names {
	const char *user, *group; /* of the program */
	const char *socket_owner, *socket_group;
	const char *acl_users, *acl_groups; /* lists, with commas */
};

struct identity {
	uid_t user;
	gid_t group;
	gid_t *groups; /* supplementary */
	int group_count;
	uid_t socket_owner;
	gid_t socket_group;
	struct acl acl; /* of the socket */
};

/* True if the real user is root. */
bool identity_is_root(void);

/* True if rights come from the program's file (set-user-ID or set-group-ID), not the user. */
bool identity_is_borrowed(void);

/* Looks up all names. False after reporting an unknown one, or root where the program
 * must not be root. */
bool identity_find(struct identity *out, const struct identity_names *names);

/* True if identity_assume changes user or group. */
bool identity_changes(const struct identity *identity);

/* Takes the groups and the user on for good, and proves the way back to root closed.
 * False after reporting; then the process must not go on. */
bool identity_assume(const struct identity *identity);

#endif
