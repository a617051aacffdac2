#include <config.h>

#include "peer.h"

#include "account.h"
#include "compat.h"
#include "report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* IPv4 networks are kept as IPv4-mapped IPv6 networks, for one way to compare. */
struct network {
	unsigned char address[16];
	unsigned bits;
};

enum { MAPPED_BITS = 96 };

static const unsigned char mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };
static struct network *networks;
static size_t network_count;
static uid_t *users;
static size_t user_count;

static void map_ipv4(unsigned char out[16], const struct in_addr *address)
{
	memcpy(out, mapped_prefix, sizeof mapped_prefix);
	memcpy(out + sizeof mapped_prefix, address, 4);
}

static bool parse_network(struct network *out, const char *text)
{
	char host[INET6_ADDRSTRLEN];
	struct in_addr ipv4;
	size_t length = strcspn(text, "/");
	unsigned long bits, most = 128;
	char *end;

	if (length >= sizeof host)
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	if (inet_pton(AF_INET, host, &ipv4) == 1) {
		map_ipv4(out->address, &ipv4);
		most = 32;
	} else if (inet_pton(AF_INET6, host, out->address) != 1) {
		return false;
	}
	bits = most;
	if (text[length] == '/') {
		if (text[length + 1] < '0' || text[length + 1] > '9')
			return false;
		bits = strtoul(text + length + 1, &end, 10);
		if (*end || bits > most)
			return false;
	}
	out->bits = (unsigned)(bits + (most == 32 ? MAPPED_BITS : 0));
	return true;
}

static bool add_network(const char *text, const char *source)
{
	struct network *more = realloc(networks, (network_count + 1) * sizeof *more);

	if (!more) {
		report("%s: %s", source, strerror(errno));
		return false;
	}
	networks = more;
	if (parse_network(&networks[network_count], text)) {
		network_count++;
		return true;
	}
	report("%s: \"%s\" is not an address, or a network ADDRESS/BITS", source, text);
	return false;
}

static bool add_user(const char *text)
{
	uid_t *more = realloc(users, (user_count + 1) * sizeof *more);
	const struct passwd *entry;

	if (more)
		users = more;
	if (more && account_find_user(text, &users[user_count], &entry)) {
		user_count++;
		return true;
	}
	report("--allow-user %s: %s", text, account_explain(errno));
	return false;
}

static bool add_web_servers(const char *list)
{
	char *copy = strdup(list), *rest = copy;
	bool fine = copy != NULL, named = false;

	if (!copy)
		report("FCGI_WEB_SERVER_ADDRS: %s", strerror(errno));
	for (char *one; fine && (one = strtok_r(rest, ", ", &rest)); named = true)
		fine = add_network(one, "FCGI_WEB_SERVER_ADDRS");
	free(copy);
	if (!fine || named)
		return fine;
	report("FCGI_WEB_SERVER_ADDRS: \"%s\" names no address (unset it to let everybody in)", list);
	return false;
}

bool peer_allow(const struct option_list *allowed, const struct option_list *names,
		const char *web_server_addresses)
{
	for (size_t i = 0; i < allowed->count; i++)
		if (!add_network(allowed->texts[i], "--allow"))
			return false;
	for (size_t i = 0; i < names->count; i++)
		if (!add_user(names->texts[i]))
			return false;
	/* Empty means unset, as with libfcgi. */
	return !web_server_addresses || !*web_server_addresses ||
	       add_web_servers(web_server_addresses);
}

bool peer_addresses_are_listed(void)
{
	return network_count > 0;
}

static bool is_in_network(const unsigned char address[16], const struct network *n)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	if (memcmp(address, n->address, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ n->address[whole]) >> (8 - rest) == 0;
}

static bool may_address(const unsigned char address[16])
{
	for (size_t i = 0; i < network_count; i++)
		if (is_in_network(address, &networks[i]))
			return true;
	return network_count == 0;
}

static bool may_user(int fd, char *who, size_t size)
{
	uid_t user;
	gid_t group;

	if (user_count == 0)
		return true;
	if (getpeereid(fd, &user, &group) < 0) {
		snprintf(who, size, "a user who cannot be told (%s)", strerror(errno));
		return false;
	}
	for (size_t i = 0; i < user_count; i++)
		if (users[i] == user)
			return true;
	snprintf(who, size, "uid %ld", (long)user);
	return false;
}

bool peer_is_allowed(int fd, char *who, size_t size)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
		struct sockaddr_storage room;
	} peer;
	socklen_t length = sizeof peer;
	unsigned char address[16];

	if (network_count == 0 && user_count == 0)
		return true;
	if (getpeername(fd, &peer.any, &length) < 0) {
		snprintf(who, size, "a peer that is gone");
		return false;
	}
	if (peer.any.sa_family == AF_UNIX)
		return may_user(fd, who, size);
	if (peer.any.sa_family == AF_INET)
		map_ipv4(address, &peer.ipv4.sin_addr);
	else
		memcpy(address, &peer.ipv6.sin6_addr, sizeof address);
	if (may_address(address))
		return true;
	inet_ntop(peer.any.sa_family,
		  peer.any.sa_family == AF_INET ? (void *)&peer.ipv4.sin_addr
						: (void *)&peer.ipv6.sin6_addr,
		  who, (socklen_t)size);
	return false;
}

bool peer_is_loopback(const struct sockaddr *address)
{
	static const struct network loopback4 = {
		.address = { [10] = 0xff, [11] = 0xff, [12] = 127 }, .bits = MAPPED_BITS + 8
	};
	const struct sockaddr_in6 *ipv6 = (const void *)address;
	unsigned char mapped[16];

	if (address->sa_family == AF_UNIX)
		return true;
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr) ||
		       is_in_network(ipv6->sin6_addr.s6_addr, &loopback4);
	map_ipv4(mapped, &((const struct sockaddr_in *)(const void *)address)->sin_addr);
	return is_in_network(mapped, &loopback4);
}
