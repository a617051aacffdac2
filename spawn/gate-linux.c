#include <config.h>

#include "gate.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * A listening socket bound to a network interface is not found by clients coming over another
 * one: the system answers as if nobody listened, and a web server asks another server at once.
 * No interface has the number NO_INTERFACE. Connections waiting to be accepted, or begun, are
 * sockets of their own, found by both ends.
 *
 * Before Linux 5.7 SO_BINDTOIFINDEX takes CAP_NET_RAW. Otherwise a filter drops each SYN: the
 * client repeats the SYN after a second, and later, until the socket is closed.
 *
 * Neither shutdown() nor a shorter queue would do: shutdown() resets waiting connections, and
 * a shorter queue lets one more in whenever there is room.
 */
enum { NO_INTERFACE = INT_MAX };

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62 /* since Linux 5.0 */
#endif

static bool is_tied(int listener)
{
	int interface = 0;
	socklen_t size = sizeof interface;

	return getsockopt(listener, SOL_SOCKET, SO_BINDTOIFINDEX, &interface, &size) == 0 &&
	       interface == NO_INTERFACE;
}

static bool tie(int listener, int interface)
{
	return setsockopt(listener, SOL_SOCKET, SO_BINDTOIFINDEX, &interface,
			  sizeof interface) == 0;
}

/* An instruction of a filter, as in <linux/filter.h>, missing on some systems. */
struct step {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};
enum { LOAD_BYTE = 0x30, JUMP_IF_SET = 0x45, RETURN = 0x06 };

/* The filter sees the packet from the TCP header on. */
static bool drop_requests(int listener)
{
	struct step steps[] = {
		{ LOAD_BYTE, 0, 0, 13 }, /* the flags */
		{ JUMP_IF_SET, 0, 1, TH_SYN },
		{ RETURN, 0, 0, 0 },
		{ RETURN, 0, 0, UINT_MAX },
	};
	const struct { unsigned short count; struct step *steps; } filter = {
		sizeof steps / sizeof *steps, steps
	};

	return setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

bool gate_close(int listener)
{
	return tie(listener, NO_INTERFACE) || drop_requests(listener);
}

bool gate_open(int listener)
{
	int none = 0;

	setsockopt(listener, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
	return !is_tied(listener) || tie(listener, 0);
}
