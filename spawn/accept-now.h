/*
 * Accepting from a socket that others accept from, too, without waiting for long.
 */
#ifndef ACCEPT_NOW_H
#define ACCEPT_NOW_H

/* A connection, close-on-exec and non-blocking; -1 with errno, EINTR or EAGAIN if somebody else
 * has taken it. */
int accept_now(int listener);

#endif
