/*
 * Access control lists: who may read and write a file besides those whom its mode lets. Setting
 * one is acl-linux.c, or acl-none.c where the system has no such lists.
 */
#ifndef ACL_H
#define ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { ACL_MOST = 64 }; /* users, and groups */

struct acl {
	uid_t users[ACL_MOST];
	gid_t groups[ACL_MOST];
	size_t user_count, group_count;
};

/* Looks up users and groups, by names or numbers with commas between them; NULL is none. False
 * after reporting, with the option that asks for it. */
bool acl_find_users(struct acl *acl, const char *option, const char *names);
bool acl_find_groups(struct acl *acl, const char *option, const char *names);

bool acl_is_empty(const struct acl *acl);

/* Gives a file, with this mode, this list. A symbolic link is followed if told so. False with
 * errno; ENOTSUP if the file system has no lists. */
bool acl_set(const char *path, bool follow, const struct acl *acl, mode_t mode);

/* Whether a file has the mode and the list that acl_set would give it; if that is empty, none. */
bool acl_is_set(const char *path, const struct acl *acl, mode_t mode);

/* Whether lists may be set in this directory, as far as can be told. False with errno. */
bool acl_is_possible(const char *directory);

#endif
