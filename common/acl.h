/*
 * Access control lists: users and groups that may read and write a file besides owner, group
 * and others. acl-linux.c sets a list; acl-none.c stands in where the system has none.
 */
#ifndef ACL_H
#define ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { ACL_MOST = 64 }; /* of users, and of groups */

struct acl {
	uid_t users[ACL_MOST];
	gid_t groups[ACL_MOST];
	size_t user_count, group_count;
};

/* Add users or groups, from names or numbers separated by commas; NULL is none. False after
 * reporting with the name of the option. */
bool acl_find_users(struct acl *acl, const char *option, const char *names);
bool acl_find_groups(struct acl *acl, const char *option, const char *names);

bool acl_is_empty(const struct acl *acl);

/* Sets the list of a file of this mode; follow: through a symbolic link. False with errno:
 * ENOTSUP if the file system has no lists, ENOSYS if the system has none. */
bool acl_set(const char *path, bool follow, const struct acl *acl, mode_t mode);

/* True if a file has the mode, and the list as set by acl_set; for an empty list, none. */
bool acl_is_set(const char *path, const struct acl *acl, mode_t mode);

/* True if files in the directory can have lists, as far as is known. False with errno. */
bool acl_is_possible(const char *directory);

#endif
