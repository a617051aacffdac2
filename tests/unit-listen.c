/* Addresses to listen on: read, written, and what is a listening socket. */
#include <config.h>

#include "listen.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static bool is_address(const char *text, const char *printed)
{
	char print[128];

	if (!listen_address_any(&address, text))
		return false;
	listen_address_print(&address, print, sizeof print);
	return strcmp(print, printed) == 0;
}

static void any(void)
{
	static const char *const bad[] = {
		"", "localhost:9000", "9000:", ":9000", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
		"::1:9000", "[::1]", "[::1]:x", "unix:", "tcp:localhost:1",
	};

	ok(is_address("/run/app.socket", "unix:/run/app.socket"), "a path");
	ok(is_address("app", "unix:app"), "a relative path");
	ok(is_address("./a:1", "unix:./a:1"), "a path with a colon, and a slash to tell it by");
	ok(is_address("unix:/s", "unix:/s"), "unix:PATH, to connect to");
	ok(is_address("127.0.0.1:9000", "tcp:127.0.0.1:9000"), "ADDRESS:PORT");
	ok(is_address("tcp:127.0.0.1:9000", "tcp:127.0.0.1:9000"), "tcp:ADDRESS:PORT, to connect to");
	ok(is_address("[::1]:9000", "tcp6:[::1]:9000"), "[ADDRESS]:PORT");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(!listen_address_any(&address, bad[i]), "\"%s\" is none to connect to", bad[i]);
}

static void paths(void)
{
	enum { MOST = sizeof address.as.local.sun_path };
	char longest[MOST + 1];

	memset(longest, 'p', sizeof longest);
	longest[MOST - 1] = '\0';
	ok(listen_address_local(&address, longest) && strcmp(address.as.local.sun_path, longest) == 0,
	   "a path of %d bytes fits", MOST - 1);
	longest[MOST - 1] = 'p';
	longest[MOST] = '\0';
	errno = 0;
	ok(!listen_address_local(&address, longest) && errno == ENAMETOOLONG, "one more does not");
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

/* Files of sockets, in a folder of their own. */

static char folder[] = "/tmp/unit-listen-XXXXXX";
static char path[48], beside[64];
static struct listen_file file = { 0600, (uid_t)-1, (gid_t)-1, NULL };

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

static int open_here(void)
{
	return listen_open(&address, &file, 1);
}

static void binding(void)
{
	struct stat st;
	int fd = open_here();

	ok(fd >= 0 && lstat(path, &st) == 0 && st.st_mode == (S_IFSOCK | 0600),
	   "the file of a socket has the mode that it is to have");
	ok(open_here() < 0 && !listen_would_bind(&address, NULL) && listen_is_live(&address),
	   "one that is served is not replaced");
	close(fd);
	ok(!listen_is_live(&address) && listen_would_bind(&address, NULL), "one that nobody serves");
	/* Another group, if there is one that may be had. */
	file.group = chown(folder, (uid_t)-1, getegid() + 1) == 0 ? getegid() + 1 : getegid();
	fd = open_here();
	ok(fd >= 0 && lstat(path, &st) == 0 && st.st_gid == file.group,
	   "is, and may be given to a group alone");
	file.group = (gid_t)-1;
	close(fd);
	unlink(path);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	ok(open_here() < 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode),
	   "any other file stays, and nobody listens");
	unlink(path);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ok(!listen_bind(fd, &address, &file, 1) && !is_there(path),
	   "of a socket that cannot listen no file is left");
	close(fd);
}

static void replacing(void)
{
	struct listen_identity own, other;
	int old = open_here(), new = listen_socket(&address);

	listen_identify(&address, &own);
	unlink(path);
	close(open_here());
	listen_identify(&address, &other);
	ok(!listen_replace(new, &address, &file, 1, &own) && !is_there(beside),
	   "another's socket is not replaced, and no file is left beside it");
	listen_remove_own(&address, &own);
	ok(is_there(path), "nor removed");
	close(new);
	new = listen_socket(&address);
	ok(listen_replace(new, &address, &file, 1, &other) && !is_there(beside) &&
	   listen_is_live(&address), "one's own is");
	listen_identify(&address, &own);
	listen_remove_own(&address, &own);
	ok(!is_there(path), "and removed");
	close(old);
	close(new);
}

/* While somebody else is between a look at the path and the bind. */
static void taking_turns(void)
{
	int directory = open(folder, O_RDONLY | O_DIRECTORY), status;
	bool waited;
	pid_t child;

	flock(directory, LOCK_EX);
	child = fork();
	if (child == 0)
		_exit(open_here() < 0);
	poll(NULL, 0, 100);
	waited = !is_there(path);
	flock(directory, LOCK_UN);
	ok(waited && waitpid(child, &status, 0) == child && status == 0 && is_there(path),
	   "two that start on one path take turns");
	close(directory);
	unlink(path);
}

static void trying(void)
{
	int before = dup(STDIN_FILENO), after;

	close(before);
	ok(listen_address_internet(&address, "127.0.0.1", 0) && listen_would_bind(&address, NULL),
	   "a port that is free would be bound");
	after = dup(STDIN_FILENO);
	close(after);
	ok(after == before, "and is given back");
}

static void files(void)
{
	if (!mkdtemp(folder))
		abort();
	snprintf(path, sizeof path, "%s/s", folder);
	snprintf(beside, sizeof beside, "%s.new", path);
	listen_address_local(&address, path);
	binding();
	replacing();
	taking_turns();
	trying();
	rmdir(folder);
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
	any();
	paths();
	internet();
	listening();
	files();
	passed_sockets();
	return tap_done();
}
