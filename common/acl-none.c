#include <config.h>

#include "acl.h"

#include <errno.h>
#include <sys/stat.h>

bool acl_set(const char *path, bool follow, const struct acl *acl, mode_t mode)
{
	(void)path, (void)follow, (void)acl, (void)mode;
	errno = ENOSYS;
	return false;
}

bool acl_is_set(const char *path, const struct acl *acl, mode_t mode)
{
	struct stat st;

	return acl_is_empty(acl) && lstat(path, &st) == 0 && (st.st_mode & 07777) == mode;
}

bool acl_is_possible(const char *directory)
{
	(void)directory;
	errno = ENOSYS;
	return false;
}
