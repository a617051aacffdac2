#include <config.h>

#include "diag.h"

#include "compat.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

enum {
	/* Up to so many sockets, a question for each costs less than one about all. */
	ASK_SINGLY = 8,
	/* A socket opened or closed meanwhile can push another one out of a list written in
	 * pieces, but hardly twice. */
	LISTS = 2,
	ANSWERS_SIZE = 32768, /* the kernel writes no longer pieces */
	ALL_STATES = 0xfff   /* but for half-open connections */
};

typedef void answer_reader(const struct nlmsghdr *answer, void *argument);

struct unix_question {
	struct nlmsghdr header;
	struct unix_diag_req about;
};

struct inet_question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 about;
};

/* A Unix socket. An accepted one has name and file of the listening socket. */
struct unix_socket {
	unsigned long inode;
	unsigned state;
	char name[sizeof(struct sockaddr_un)];
	size_t name_size;
	struct unix_diag_vfs file;
	struct unix_diag_rqlen queue;
};

struct inet_socket {
	bool found;
	unsigned queue, limit;
};

/* Items to find. */
struct wanted {
	struct sockets_item *items;
	size_t count;
};

static const struct sockets_own *own;
static struct unix_socket own_unix, former_unix; /* the latter with inode 0: none */
static int netlink = -1;
static unsigned sequence;
static long queue_limit;

/* True at the end of the answers; errno is 0, or the kernel's error. */
static bool is_end(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *problem = NLMSG_DATA(answer);

	errno = 0;
	if (answer->nlmsg_type == NLMSG_ERROR &&
	    answer->nlmsg_len >= NLMSG_LENGTH(sizeof problem->error))
		errno = -problem->error;
	return answer->nlmsg_type == NLMSG_ERROR || answer->nlmsg_type == NLMSG_DONE;
}

/* The kernel answers within send(2): there is nothing to wait for. */
static bool query(struct nlmsghdr *question, answer_reader *read_answer, void *argument)
{
	_Alignas(struct nlmsghdr) char answers[ANSWERS_SIZE];

	question->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	question->nlmsg_flags |= NLM_F_REQUEST;
	question->nlmsg_seq = ++sequence;
	if (send(netlink, question, question->nlmsg_len, 0) < 0)
		return false;
	for (;;) {
		ssize_t n = read(netlink, answers, sizeof answers);
		unsigned left = n > 0 ? (unsigned)n : 0;
		const struct nlmsghdr *answer = (const struct nlmsghdr *)(const void *)answers;

		if (n <= 0)
			return false;
		for (; NLMSG_OK(answer, left); answer = NLMSG_NEXT(answer, left)) {
			if (answer->nlmsg_seq != sequence)
				continue;
			if (is_end(answer))
				return errno == 0;
			read_answer(answer, argument);
			if (!(question->nlmsg_flags & NLM_F_DUMP))
				return true;
		}
	}
}

/* Unix sockets. */

static void read_attribute(const struct nlattr *attribute, struct unix_socket *out)
{
	const char *data = (const char *)attribute + NLA_HDRLEN;
	size_t size = attribute->nla_len - NLA_HDRLEN;

	if (attribute->nla_type == UNIX_DIAG_NAME && size <= sizeof out->name) {
		memcpy(out->name, data, size);
		out->name_size = size;
	} else if (attribute->nla_type == UNIX_DIAG_VFS && size == sizeof out->file) {
		memcpy(&out->file, data, size);
	} else if (attribute->nla_type == UNIX_DIAG_RQLEN && size >= sizeof out->queue) {
		memcpy(&out->queue, data, sizeof out->queue);
	}
}

static void read_unix(const struct nlmsghdr *answer, void *argument)
{
	const struct unix_diag_msg *message = NLMSG_DATA(answer);
	struct unix_socket *out = argument;
	size_t at = NLMSG_LENGTH(sizeof *message);

	*out = (struct unix_socket){ .inode = 0 };
	if (answer->nlmsg_len < at)
		return;
	out->inode = message->udiag_ino;
	out->state = message->udiag_state;
	while (at + NLA_HDRLEN <= answer->nlmsg_len) {
		const struct nlattr *attribute =
			(const struct nlattr *)(const void *)((const char *)answer + at);

		if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > answer->nlmsg_len - at)
			return;
		read_attribute(attribute, out);
		at += NLA_ALIGN(attribute->nla_len);
	}
}

static struct unix_question about_unix(unsigned long inode)
{
	return (struct unix_question){
		.header = { .nlmsg_len = sizeof(struct unix_question) },
		.about = {
			.sdiag_family = AF_UNIX, .udiag_states = ALL_STATES,
			.udiag_ino = (uint32_t)inode, .udiag_cookie = { ~0U, ~0U },
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN,
		},
	};
}

static bool find_unix(unsigned long inode, struct unix_socket *out)
{
	struct unix_question question = about_unix(inode);

	*out = (struct unix_socket){ .inode = 0 };
	return query(&question.header, read_unix, out);
}

static bool has_name_of(const struct unix_socket *a, const struct unix_socket *b)
{
	return a->name_size == b->name_size && memcmp(a->name, b->name, b->name_size) == 0 &&
	       a->file.udiag_vfs_ino == b->file.udiag_vfs_ino &&
	       a->file.udiag_vfs_dev == b->file.udiag_vfs_dev;
}

static void mark_unix(const struct wanted *wanted, const struct unix_socket *socket)
{
	struct sockets_item *item = sockets_find(wanted->items, wanted->count, socket->inode);

	if (!item)
		return;
	item->known = true;
	item->accepted = socket->state == TCP_ESTABLISHED &&
			 (has_name_of(socket, &own_unix) ||
			  (former_unix.inode && has_name_of(socket, &former_unix)));
}

static void read_listed_unix(const struct nlmsghdr *answer, void *argument)
{
	struct unix_socket socket;

	read_unix(answer, &socket);
	mark_unix(argument, &socket);
}

/* ENOENT means a socket of another family: no connection of ours. */
static bool mark_singly(const struct wanted *wanted)
{
	struct unix_socket socket;

	for (size_t i = 0; i < wanted->count; i++)
		if (find_unix(wanted->items[i].inode, &socket))
			mark_unix(wanted, &socket);
		else if (errno != ENOENT)
			return false;
	return true;
}

static bool all_known(const struct wanted *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (!wanted->items[i].known)
			return false;
	return true;
}

static bool mark_all_unix(struct wanted *wanted)
{
	struct unix_question question = about_unix(0);

	if (wanted->count <= ASK_SINGLY)
		return mark_singly(wanted);
	question.header.nlmsg_flags = NLM_F_DUMP;
	for (int i = 0; i < LISTS && !all_known(wanted); i++)
		if (!query(&question.header, read_listed_unix, wanted))
			return false;
	return true;
}

/* A waiting connection is named by the inode of the client's socket; 0: the client has closed
 * the socket. */
struct naming {
	struct overload_names *names;
	bool complete;
};

static void read_icons(const struct nlmsghdr *answer, void *argument)
{
	const struct unix_diag_msg *message = NLMSG_DATA(answer);
	struct naming *out = argument;
	const struct nlattr *attribute;
	const char *data;
	uint32_t icon;

	for (size_t at = NLMSG_LENGTH(sizeof *message); at + NLA_HDRLEN <= answer->nlmsg_len;
	     at += NLA_ALIGN(attribute->nla_len)) {
		attribute = (const struct nlattr *)(const void *)((const char *)answer + at);
		if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > answer->nlmsg_len - at)
			return;
		if (attribute->nla_type != UNIX_DIAG_ICONS || message->udiag_ino != own->inode)
			continue;
		out->complete = true;
		data = (const char *)attribute + NLA_HDRLEN;
		for (size_t n = (attribute->nla_len - NLA_HDRLEN) / sizeof icon; n-- > 0;
		     data += sizeof icon) {
			memcpy(&icon, data, sizeof icon);
			out->complete = out->complete && overload_name(out->names, icon);
		}
	}
}

/* The answer to a question about one socket has room for some hundred names. */
static bool name_unix(struct overload_names *names)
{
	struct unix_question question = about_unix(own->inode);
	struct naming out = { .names = names };

	question.about.udiag_show = UDIAG_SHOW_ICONS;
	if (query(&question.header, read_icons, &out))
		return out.complete;
	if (errno != EMSGSIZE)
		return false;
	question.about.udiag_ino = 0;
	question.about.udiag_states = 1 << TCP_LISTEN;
	question.header.nlmsg_flags = NLM_F_DUMP;
	names->count = 0;
	return query(&question.header, read_icons, &out) && out.complete;
}

/* TCP sockets. */

static struct inet_question about_inet(unsigned states)
{
	const struct listen_address *address = &own->address;
	bool is_ipv4 = address->as.any.sa_family == AF_INET;

	return (struct inet_question){
		.header = { .nlmsg_len = sizeof(struct inet_question), .nlmsg_flags = NLM_F_DUMP },
		.about = {
			.sdiag_family = (uint8_t)address->as.any.sa_family,
			.sdiag_protocol = IPPROTO_TCP, .idiag_states = states,
			.id.idiag_sport = is_ipv4 ? address->as.ipv4.sin_port
						  : address->as.ipv6.sin6_port,
			.id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
		},
	};
}

static void read_inet_listener(const struct nlmsghdr *answer, void *argument)
{
	const struct inet_diag_msg *message = NLMSG_DATA(answer);
	struct inet_socket *out = argument;

	if (answer->nlmsg_len < NLMSG_LENGTH(sizeof *message) ||
	    message->idiag_inode != own->inode || message->idiag_state != TCP_LISTEN)
		return;
	*out = (struct inet_socket){ .found = true, .queue = message->idiag_rqueue,
				     .limit = message->idiag_wqueue };
}

static bool find_inet_listener(struct inet_socket *out)
{
	struct inet_question question = about_inet(1 << TCP_LISTEN);

	*out = (struct inet_socket){ .found = false };
	if (!query(&question.header, read_inet_listener, out))
		return false;
	errno = ENOENT;
	return out->found;
}

/* A socket listening on any address has connections to each. */
static bool is_own_address(const void *found)
{
	const struct listen_address *address = &own->address;

	if (address->as.any.sa_family == AF_INET)
		return address->as.ipv4.sin_addr.s_addr == htonl(INADDR_ANY) ||
		       memcmp(found, &address->as.ipv4.sin_addr, sizeof(struct in_addr)) == 0;
	return IN6_IS_ADDR_UNSPECIFIED(&address->as.ipv6.sin6_addr) ||
	       memcmp(found, &address->as.ipv6.sin6_addr, sizeof(struct in6_addr)) == 0;
}

static void read_listed_inet(const struct nlmsghdr *answer, void *argument)
{
	const struct inet_diag_msg *message = NLMSG_DATA(answer);
	const struct wanted *wanted = argument;
	struct sockets_item *item;

	if (answer->nlmsg_len < NLMSG_LENGTH(sizeof *message) ||
	    !is_own_address(message->id.idiag_src))
		return;
	item = sockets_find(wanted->items, wanted->count, message->idiag_inode);
	if (item)
		item->known = item->accepted = true;
}

static bool mark_all_inet(struct wanted *wanted)
{
	struct inet_question question = about_inet(
		ALL_STATES & ~(1U << TCP_LISTEN | 1U << TCP_SYN_RECV | 1U << TCP_TIME_WAIT));

	return query(&question.header, read_listed_inet, wanted);
}

/* A connection not accepted is no file yet: inode 0. One closed on our side was accepted. */
static void read_waiting_inet(const struct nlmsghdr *answer, void *argument)
{
	const struct inet_diag_msg *message = NLMSG_DATA(answer);
	struct naming *out = argument;

	if (answer->nlmsg_len < NLMSG_LENGTH(sizeof *message) || message->idiag_inode != 0 ||
	    !is_own_address(message->id.idiag_src))
		return;
	if (out->complete)
		out->complete = overload_name(out->names, message->id.idiag_cookie[0] |
					      (uint64_t)message->id.idiag_cookie[1] << 32);
}

static bool name_waiting_inet(struct overload_names *names)
{
	struct inet_question question = about_inet(1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT);
	struct naming out = { .names = names, .complete = true };

	return query(&question.header, read_waiting_inet, &out) && out.complete;
}

/* Both families. */

static bool own_is_unix(void)
{
	return own->address.as.any.sa_family == AF_UNIX;
}

bool diag_count_waiting(long *waiting)
{
	struct unix_socket local;
	struct inet_socket inet;
	bool good = own_is_unix() ? find_unix(own->inode, &local) : find_inet_listener(&inet);

	if (!good)
		return false;
	*waiting = own_is_unix() ? local.queue.udiag_rqueue : inet.queue;
	queue_limit = own_is_unix() ? local.queue.udiag_wqueue : inet.limit;
	return true;
}

long diag_queue_limit(void)
{
	return queue_limit;
}

bool diag_mark(struct sockets_item *items, size_t count)
{
	struct wanted wanted = { items, count };

	return own_is_unix() ? mark_all_unix(&wanted) : mark_all_inet(&wanted);
}

bool diag_name_waiting(struct overload_names *out)
{
	out->count = 0;
	return own_is_unix() ? name_unix(out) : name_waiting_inet(out);
}

static bool find_own_socket(void)
{
	struct inet_socket inet;

	if (!own_is_unix())
		return find_inet_listener(&inet);
	if (!find_unix(own->inode, &own_unix))
		return false;
	errno = ENOENT;
	return own_unix.state == TCP_LISTEN;
}

bool diag_renew(void)
{
	former_unix = own_unix;
	return find_own_socket();
}

void diag_forget_former(void)
{
	former_unix.inode = 0;
}

bool diag_open(const struct sockets_own *wanted)
{
	int error;

	own = wanted;
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	if (netlink < 0)
		return false;
	if (find_own_socket())
		return true;
	error = errno;
	close(netlink);
	netlink = -1;
	errno = error;
	return false;
}
