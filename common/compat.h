/*
 * What older or other systems lack. Where libc has a call, it is libc's own;
 * elsewhere the file of its name stands in. To be included after config.h.
 * For calls that only a kernel may lack see calls.h.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef SOCK_NONBLOCK
#define SOCK_NONBLOCK 0x10000000
#define SOCK_CLOEXEC 0x20000000
#endif

/* To walk through a directory one need not be allowed to list it. */
#ifndef O_SEARCH
#ifdef O_PATH
#define O_SEARCH O_PATH
#else
#define O_SEARCH O_RDONLY
#endif
#endif

/* To execute a file one need not be allowed to read it. */
#ifndef O_EXEC
#ifdef O_PATH
#define O_EXEC O_PATH
#else
#define O_EXEC O_RDONLY
#endif
#endif

/* -1: there is no such limit. */
#ifndef RLIMIT_AS
#define RLIMIT_AS (-1)
#endif
#ifndef RLIMIT_NPROC
#define RLIMIT_NPROC (-1)
#endif

#ifndef HAVE_GETPEEREID
int getpeereid(int fd, uid_t *user, gid_t *group);
#endif
#endif
