/*
 * Accepting from a socket shared with other processes, without waiting for long.
 */
#ifndef ACCEPT_NOW_H
#define ACCEPT_NOW_H

/* Returns a connection, close-on-exec and non-blocking; -1 with errno, EINTR or EAGAIN if
 * another process has taken the connection. */
int accept_now(int listener);

#endif
