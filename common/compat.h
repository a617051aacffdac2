/*
 * Calls that older systems lack. Where libc has them, these are its own;
 * elsewhere accept4.c and pipe2.c stand in. To be included after config.h.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include <sys/socket.h>
#include <unistd.h>

#ifndef SOCK_NONBLOCK
#define SOCK_NONBLOCK 0x10000000
#define SOCK_CLOEXEC 0x20000000
#endif

#ifndef HAVE_ACCEPT4
int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
#endif
#ifndef HAVE_PIPE2
int pipe2(int fds[2], int flags);
#endif

#endif
