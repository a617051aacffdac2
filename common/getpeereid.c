#include <config.h>

#include "compat.h"

#include <errno.h>

#ifdef SO_PEERCRED
int getpeereid(int fd, uid_t *user, gid_t *group)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -1;
	*user = peer.uid;
	*group = peer.gid;
	return 0;
}
#else
int getpeereid(int fd, uid_t *user, gid_t *group)
{
	(void)fd, (void)user, (void)group;
	errno = ENOSYS;
	return -1;
}
#endif
