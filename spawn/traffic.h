/*
 * Traffic on connections of other processes: Linux alone.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <sys/types.h>

enum traffic {
	TRAFFIC_REFUSED, /* with errno */
	TRAFFIC_BLOCKED, /* watched, but the client does not read now: less shows */
	TRAFFIC_BEGUN,   /* the first traffic_tell() reports the socket anyhow */
	TRAFFIC_WATCHED  /* by an earlier call */
};

/* Watches a socket that the process has open as descriptor, as long as any process has it. */
enum traffic traffic_watch(pid_t process, int descriptor, unsigned long inode);

/* Calls passed() for each socket with traffic since the last call: bytes or an end, in either
 * direction, but bytes to a TCP client only now and then. */
void traffic_tell(void (*passed)(unsigned long inode, void *argument), void *argument);

#endif
