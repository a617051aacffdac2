#include <config.h>

#include "sockets.h"

#include "compat.h"
#include "diag.h"
#include "hash.h"
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/*
 * If netlink is refused, the tables in /proc/net show nearly the same: see
 * proc_pid_net(5). A newline in the name of a Unix socket allows any user to forge lines,
 * but not to remove one: so a line never makes a process look idle, or a queue look long.
 */

enum {
	UNIX_CONNECTED = 3,      /* states and flags in net/unix */
	UNIX_LISTENING = 0x10000
};

/* A socket, as in one line of a table. */
struct line {
	unsigned long inode;
	bool listening;
	bool is_connection; /* of the listening socket */
	bool waits;         /* a connection not accepted yet */
	uint64_t peer;
	long queue;
};

typedef void line_reader(const struct line *line, void *argument);

struct items {
	struct sockets_item *items;
	size_t count;
};

static struct sockets_own own;
static bool by_netlink;
static unsigned long former_inode; /* of the former socket; 0: none */
static char unix_path[sizeof own.address.as.local.sun_path + 1], former_path[sizeof unix_path];
static char inet_address[40]; /* as in the tables, or empty for any */

static bool is_unix(void)
{
	return own.address.as.any.sa_family == AF_UNIX;
}

static const char *table_name(void)
{
	return is_unix() ? "/proc/net/unix"
	       : own.address.as.any.sa_family == AF_INET ? "/proc/net/tcp"
							 : "/proc/net/tcp6";
}

/* Addresses in the form of the tables. */

static void name_inet(const void *address, size_t size)
{
	uint32_t words[4] = { 0 };
	char *out = inet_address;

	memcpy(words, address, size);
	if (!(words[0] | words[1] | words[2] | words[3]))
		return;
	for (size_t i = 0; i < size / sizeof *words; i++)
		out += sprintf(out, "%08" PRIX32, words[i]);
}

static void name_own(void)
{
	const struct listen_address *address = &own.address;

	if (is_unix()) {
		memcpy(unix_path, address->as.local.sun_path, sizeof address->as.local.sun_path);
		if (unix_path[0] == '\0')
			unix_path[0] = '@';
	} else if (address->as.any.sa_family == AF_INET) {
		name_inet(&address->as.ipv4.sin_addr, sizeof address->as.ipv4.sin_addr);
	} else {
		name_inet(&address->as.ipv6.sin6_addr, sizeof address->as.ipv6.sin6_addr);
	}
}

/* Lines; false if not of a socket. */

static bool parse_unix(char *text, struct line *out)
{
	unsigned flags, state;
	int path = 0;

	if (sscanf(text, "%*s %*s %*s %x %*s %x %lu %n", &flags, &state, &out->inode, &path) < 3)
		return false;
	out->listening = flags & UNIX_LISTENING;
	out->is_connection = path && state == UNIX_CONNECTED &&
			     (strcmp(text + path, unix_path) == 0 ||
			      (*former_path && strcmp(text + path, former_path) == 0));
	out->waits = false; /* waiting connections are shown without a name */
	out->queue = 0;     /* not shown */
	return true;
}

static bool parse_tcp(const char *text, struct line *out)
{
	char address[33], peer[40];
	unsigned port, state;

	if (sscanf(text, "%*s %32[0-9A-F]:%x %39s %x %*x:%lx %*s %*s %*s %*s %lu", address, &port,
		   peer, &state, (unsigned long *)&out->queue, &out->inode) != 6)
		return false;
	out->peer = hash_bytes(peer, strlen(peer));
	out->listening = state == TCP_LISTEN;
	out->is_connection = state != TCP_LISTEN && port == ntohs(own.address.as.ipv4.sin_port) &&
			     (!*inet_address || strcmp(address, inet_address) == 0);
	out->waits = out->is_connection && out->inode == 0 &&
		     (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT);
	return true;
}

static bool read_table(line_reader *read_line, void *argument)
{
	FILE *table = fopen(table_name(), "re");
	char text[512];
	struct line line;
	bool good;

	if (!table)
		return false;
	while (fgets(text, sizeof text, table)) {
		text[strcspn(text, "\n")] = '\0';
		if (is_unix() ? parse_unix(text, &line) : parse_tcp(text, &line))
			read_line(&line, argument);
	}
	good = !ferror(table);
	fclose(table);
	return good;
}

static void find_own(const struct line *line, void *argument)
{
	struct line *found = argument;

	if (line->inode == own.inode && line->listening)
		*found = *line;
}

/* /proc/net/unix shows no length of the queue: 1 stands for any number. */
static bool table_count_waiting(long *waiting)
{
	struct line found = { .inode = 0 };

	*waiting = 1;
	if (is_unix())
		return true;
	if (!read_table(find_own, &found))
		return false;
	*waiting = found.queue;
	return true;
}

struct naming {
	struct overload_names *names;
	bool complete;
};

static void name_line(const struct line *line, void *argument)
{
	struct naming *out = argument;

	if (line->waits && out->complete)
		out->complete = overload_name(out->names, line->peer);
}

static bool table_name_waiting(struct overload_names *names)
{
	struct naming out = { .names = names, .complete = true };

	errno = EOPNOTSUPP;
	return !is_unix() && read_table(name_line, &out) && out.complete;
}

static void mark_line(const struct line *line, void *argument)
{
	const struct items *wanted = argument;
	struct sockets_item *item = sockets_find(wanted->items, wanted->count, line->inode);

	if (!item)
		return;
	item->known = true;
	item->accepted |= line->is_connection;
}

static bool table_mark(struct sockets_item *items, size_t count)
{
	struct items wanted = { items, count };

	return read_table(mark_line, &wanted);
}

static bool table_open(void)
{
	struct line found = { .inode = 0 };

	if (!read_table(find_own, &found))
		return false;
	errno = ENOENT;
	return found.inode == own.inode;
}

/* True if the socket certainly belongs to another network namespace: neither netlink nor
 * the tables show it then. */
static bool is_elsewhere(void)
{
	bool elsewhere = false;
#ifdef SO_NETNS_COOKIE
	int here = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t cookies[2] = { 0, 0 };
	socklen_t size = sizeof *cookies;

	elsewhere = here >= 0 &&
		    getsockopt(here, SOL_SOCKET, SO_NETNS_COOKIE, &cookies[0], &size) == 0 &&
		    getsockopt(own.fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookies[1], &size) == 0 &&
		    cookies[0] != cookies[1];
	if (here >= 0)
		close(here);
#endif
	return elsewhere;
}

static bool has_tables(void)
{
	sa_family_t family = own.address.as.any.sa_family;

	return family == AF_UNIX || family == AF_INET || family == AF_INET6;
}

static bool be_blind(const char *reason)
{
	report("cannot see who is connected to the socket: %s; every process counts as busy",
	       reason);
	return false;
}

bool sockets_open(int listener)
{
	struct stat st;
	int refusal;

	own = (struct sockets_own){ .fd = listener, .address.size = sizeof own.address.as };
	if (fstat(listener, &st) < 0 ||
	    getsockname(listener, &own.address.as.any, &own.address.size) < 0)
		return be_blind(strerror(errno));
	own.inode = st.st_ino;
	if (!has_tables())
		return be_blind("the system shows only those of Unix and TCP sockets");
	if (is_elsewhere())
		return be_blind("it belongs to another network namespace");
	name_own();
	by_netlink = diag_open(&own);
	if (by_netlink)
		return true;
	refusal = errno;
	if (!table_open())
		return be_blind(errno == ENOENT ? "it is not among the sockets that are shown here"
						: strerror(errno));
	report(REPORT_WARNING "netlink is refused (%s); %s is read instead", strerror(refusal), table_name());
	return true;
}

bool sockets_renew(int listener)
{
	struct stat st;

	strcpy(former_path, unix_path);
	former_inode = own.inode;
	own = (struct sockets_own){ .fd = listener, .address.size = sizeof own.address.as };
	if (fstat(listener, &st) < 0 ||
	    getsockname(listener, &own.address.as.any, &own.address.size) < 0)
		return false;
	own.inode = st.st_ino;
	name_own();
	return by_netlink ? diag_renew() : table_open();
}

void sockets_forget_former(void)
{
	former_inode = 0;
	former_path[0] = '\0';
	if (by_netlink)
		diag_forget_former();
}

bool sockets_is_own(unsigned long inode)
{
	return inode == own.inode || inode == former_inode;
}

bool sockets_count_waiting(long *waiting)
{
	return by_netlink ? diag_count_waiting(waiting) : table_count_waiting(waiting);
}

bool sockets_have_length(void)
{
	return by_netlink || !is_unix();
}

long sockets_queue_limit(void)
{
	return by_netlink ? diag_queue_limit() : 0;
}

bool sockets_name_waiting(struct overload_names *out)
{
	out->count = 0;
	return by_netlink ? diag_name_waiting(out) : table_name_waiting(out);
}

bool sockets_mark(struct sockets_item *items, size_t count)
{
	return by_netlink ? diag_mark(items, count) : table_mark(items, count);
}

static int find_inode(const void *inode, const void *item)
{
	const unsigned long x = *(const unsigned long *)inode;
	const unsigned long y = ((const struct sockets_item *)item)->inode;

	return (x > y) - (x < y);
}

struct sockets_item *sockets_find(struct sockets_item *items, size_t count, unsigned long inode)
{
	return count > 0 ? bsearch(&inode, items, count, sizeof *items, find_inode) : NULL;
}
