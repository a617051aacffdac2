/* Addresses to listen on: read, written, and what is a listening socket. */
#include <config.h>

#include "listen.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct listen_address address;

/* Whether a URL is understood, and printed as it should be. */
static bool reads(const char *url, const char *printed)
{
	char text[200];

	if (!listen_address_url(&address, url))
		return false;
	listen_address_print(&address, text, sizeof text);
	if (strcmp(text, printed) == 0)
		return true;
	printf("# %s\n", text);
	return false;
}

static void urls(void)
{
	static const char *const bad[] = {
		"", "unix:", "unix", "/path", "path", "tcp:", "tcp:9000", ":9000", "tcp:127.0.0.1",
		"tcp:127.0.0.1:", "tcp:127.0.0.1:0", "tcp:127.0.0.1:65536", "tcp:127.0.0.1:-1",
		"tcp:127.0.0.1:+1", "tcp:127.0.0.1: 1", "tcp:127.0.0.1:9000x", "tcp:127.0.0.1:0x50",
		"tcp:127.0.0.1:99999999999999999999", "tcp:localhost:9000", "tcp:300.0.0.1:9000",
		"tcp:[127.0.0.1]:9000", "tcp:[::1]:9000", "tcp:::1:9000", "tcp6:", "tcp6:[::1]",
		"tcp6:::1:9000", "tcp6:[::1:9000", "tcp6:::1]:9000", "tcp6:[]:9000", "tcp6:[]",
		"tcp6:[127.0.0.1]:9000", "tcp6:[::1]:0", "tcp6:[::g]:9000", "tcp6:[::1%]:9000",
		"tcp6::9000", "tcp6:]:1", "TCP:127.0.0.1:9000", "udp:127.0.0.1:9000",
		"tcp:1111111111111111111111111111111111111111111111111111111111111111111:1",
		"tcp6:[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd]:1",
	};

	ok(reads("unix:/run/s", "unix:/run/s"), "unix:PATH");
	ok(reads("unix:s", "unix:s"), "a path may be relative");
	ok(reads("unix:/a:b:1", "unix:/a:b:1"), "a path may have colons");
	ok(reads("tcp:127.0.0.1:9000", "tcp:127.0.0.1:9000"), "tcp:ADDRESS:PORT");
	ok(reads("tcp:0.0.0.0:65535", "tcp:0.0.0.0:65535"), "up to port 65535");
	ok(reads("tcp:127.1:1", "tcp:127.0.0.1:1"), "short addresses, as inet_addr(3) takes them");
	ok(reads("tcp6:[::1]:9000", "tcp6:[::1]:9000"), "tcp6:[ADDRESS]:PORT");
	ok(reads("tcp6:[::]:1", "tcp6:[::]:1"), "any IPv6 address");
	ok(reads("tcp6:[2001:DB8:0:0:0:0:0:1]:80", "tcp6:[2001:db8::1]:80"), "in its shortest form");
	ok(reads("tcp6:[::ffff:1.2.3.4]:80", "tcp6:[::ffff:1.2.3.4]:80"), "a mapped address");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(!listen_address_url(&address, bad[i]), "\"%s\" is none", bad[i]);
}

static void paths(void)
{
	enum { MOST = sizeof address.as.local.sun_path };
	char path[MOST + 1];

	memset(path, 'p', sizeof path);
	path[MOST - 1] = '\0';
	ok(listen_address_local(&address, path) && strcmp(address.as.local.sun_path, path) == 0,
	   "a path of %d bytes fits", MOST - 1);
	path[MOST - 1] = 'p';
	path[MOST] = '\0';
	errno = 0;
	ok(!listen_address_local(&address, path) && errno == ENAMETOOLONG, "one more does not");
	ok(!listen_address_local(&address, ""), "an empty path is none");
}

static void internet(void)
{
	ok(listen_address_internet(&address, NULL, 80) && address.as.any.sa_family == AF_INET &&
	   address.as.ipv4.sin_addr.s_addr == htonl(INADDR_ANY) &&
	   address.as.ipv4.sin_port == htons(80), "no address is any IPv4 address");
	ok(listen_address_internet(&address, "::1", 80) && address.as.any.sa_family == AF_INET6 &&
	   address.as.ipv6.sin6_port == htons(80), "a number with colons is IPv6");
	ok(!listen_address_internet(&address, "localhost", 80), "a name is no address");
	ok(!listen_address_internet(&address, "255.255.255.255", 80), "255.255.255.255 is none to bind");
}

static void listening(void)
{
	int pair[2], ends[2], listener = socket(AF_UNIX, SOCK_STREAM, 0);
	int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
	char name[64];

	snprintf(name, sizeof name, "/tmp/unit-listen-%ld", (long)getpid());
	ok(!listen_is_socket(listener), "a new socket does not listen");
	listen_address_local(&address, name);
	ok(bind(listener, &address.as.any, address.size) == 0 && listen(listener, 1) == 0 &&
	   listen_is_socket(listener), "a socket that listens does");
	listen_remove(&address);
	ok(access(name, F_OK) < 0, "its file can be removed");
	ok(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && !listen_is_socket(pair[0]),
	   "a connected socket does not listen");
	ok(!listen_is_socket(datagram), "nor does one for datagrams");
	ok(pipe(ends) == 0 && !listen_is_socket(ends[0]), "nor a pipe");
	ok(!listen_is_socket(-1), "nor what is not open");
}

static int inherited(const char *pid, const char *fds)
{
	if (pid)
		setenv("LISTEN_PID", pid, 1);
	if (fds)
		setenv("LISTEN_FDS", fds, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
	return listen_inherited();
}

static void passed_sockets(void)
{
	char self[24], other[24];

	snprintf(self, sizeof self, "%ld", (long)getpid());
	snprintf(other, sizeof other, "%ld", (long)getpid() + 1);
	ok(inherited(NULL, NULL) == 0, "without LISTEN_PID nothing is inherited");
	ok(inherited(self, "2") == 2, "with it as many as LISTEN_FDS says");
	ok(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"),
	   "then the variables are gone");
	ok(inherited(other, "2") == 0 && !getenv("LISTEN_PID"), "those of another process are not ours");
	ok(inherited(self, NULL) == 0 && inherited(NULL, "1") == 0, "one variable is not enough");
	ok(inherited(self, "0") == 0 && inherited(self, "-1") == 0 && inherited(self, "1x") == 0 &&
	   inherited(self, "99999999999") == 0, "a number that is none is 0");
	strcat(self, "x");
	ok(inherited(self, "1") == 0, "a pid that is none is not ours");
}

int main(void)
{
	urls();
	paths();
	internet();
	listening();
	passed_sockets();
	return tap_done();
}
