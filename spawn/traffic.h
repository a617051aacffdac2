/*
 * Whether anything passes over connections that other processes have open: Linux alone.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <sys/types.h>

enum traffic {
	TRAFFIC_REFUSED, /* with errno */
	TRAFFIC_BLOCKED, /* now: its client does not read, and then less can be told */
	TRAFFIC_BEGUN,   /* the next time it counts as if something had passed */
	TRAFFIC_WATCHED  /* since before */
};

/* Watches a socket that the process has open by this number, as long as somebody has it. */
enum traffic traffic_watch(pid_t process, int descriptor, unsigned long inode);

/* Tells over which sockets something has passed since the last time: bytes, or an end, in either
 * direction, but of TCP bytes to the client only now and then. */
void traffic_tell(void (*passed)(unsigned long inode, void *argument), void *argument);

#endif
