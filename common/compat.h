/*
 * Stand-ins for constants and calls that older or other systems lack; getpeereid.c
 * is used only without libc's own. Include after config.h. For calls that only a
 * kernel may lack see calls.h.
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

/* Opens a directory for search, if possible without permission to read. */
#ifndef O_SEARCH
#ifdef O_PATH
#define O_SEARCH O_PATH
#else
#define O_SEARCH O_RDONLY
#endif
#endif

/* Opens a file for execution, if possible without permission to read. */
#ifndef O_EXEC
#ifdef O_PATH
#define O_EXEC O_PATH
#else
#define O_EXEC O_RDONLY
#endif
#endif

/* -1: the system has no such limit. */
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
