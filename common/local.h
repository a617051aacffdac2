/*
 * Connections to daemons of this machine that never make us wait.
 */
#ifndef LOCAL_H
#define LOCAL_H

/* Connects to the Unix socket of a path, by a type such as SOCK_DGRAM. Returns a descriptor,
 * close-on-exec and non-blocking; -1 with errno. */
int local_connect(const char *path, int type);

#endif
