#include <config.h>

#include "acl.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/*
 * A list is an extended attribute: a version, then entries of a tag, rights and a user or group,
 * in the order of the tags; all little-endian. With a list the bits of the mode for the group
 * are a mask for all entries but those of the owner and of others: see acl(5).
 */
static const char attribute[] = "system.posix_acl_access";

enum { LIST_VERSION = 2, VERSION_SIZE = 4, ENTRY_SIZE = 8 };

enum tag { OWNER = 1, USER = 2, OWNING_GROUP = 4, GROUP = 8, MASK = 16, OTHERS = 32 };

enum { READ_WRITE = 6, RIGHTS = 7, USUAL_ENTRIES = 4 };

#define NOBODY UINT32_MAX

struct text {
	unsigned char bytes[VERSION_SIZE + (2 * ACL_MOST + USUAL_ENTRIES) * ENTRY_SIZE];
	size_t size;
};

static void put(struct text *out, uint32_t number, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out->bytes[out->size++] = (unsigned char)(number >> 8 * i);
}

static void put_entry(struct text *out, enum tag tag, mode_t rights, uint32_t who)
{
	put(out, tag, 2);
	put(out, (uint32_t)rights & RIGHTS, 2);
	put(out, who, 4);
}

static void write_list(struct text *out, const struct acl *acl, mode_t mode)
{
	out->size = 0;
	put(out, LIST_VERSION, VERSION_SIZE);
	put_entry(out, OWNER, mode >> 6, NOBODY);
	for (size_t i = 0; i < acl->user_count; i++)
		put_entry(out, USER, READ_WRITE, acl->users[i]);
	put_entry(out, OWNING_GROUP, mode >> 3, NOBODY);
	for (size_t i = 0; i < acl->group_count; i++)
		put_entry(out, GROUP, READ_WRITE, acl->groups[i]);
	put_entry(out, MASK, mode >> 3 | READ_WRITE, NOBODY);
	put_entry(out, OTHERS, mode, NOBODY);
}

bool acl_set(const char *path, bool follow, const struct acl *acl, mode_t mode)
{
	struct text list;

	write_list(&list, acl, mode);
	return (follow ? setxattr : lsetxattr)(path, attribute, list.bytes, list.size, 0) == 0;
}

bool acl_is_set(const char *path, const struct acl *acl, mode_t mode)
{
	struct text wanted, found;
	struct stat st;
	ssize_t size = lgetxattr(path, attribute, found.bytes, sizeof found.bytes);

	if (acl_is_empty(acl))
		return size < 0 && errno != ERANGE && lstat(path, &st) == 0 &&
		       (st.st_mode & 07777) == mode;
	write_list(&wanted, acl, mode);
	return size == (ssize_t)wanted.size && memcmp(found.bytes, wanted.bytes, wanted.size) == 0;
}

bool acl_is_possible(const char *directory)
{
	return getxattr(directory, attribute, NULL, 0) >= 0 || errno == ENODATA;
}
