/* Who is seen to wait for one of its sockets. */
#include <config.h>

#include "waits.h"
#include "compat.h"
#include "tap.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 2000, PAUSE_US = 2000, MANY = 200 };

/* What a program does with a connection, and with one of another kind: a database's, say. It does
 * not return before it is killed. */
typedef void program(int client, int other);

static void reads(int client, int other)
{
	char byte;

	(void)other;
	if (read(client, &byte, 1) < 0)
		abort();
}

static void reads_vector(int client, int other)
{
	char byte;
	struct iovec vector = { &byte, 1 };

	(void)other;
	if (readv(client, &vector, 1) < 0)
		abort();
}

static void receives(int client, int other)
{
	char byte;

	(void)other;
	recv(client, &byte, 1, 0);
}

static void receives_message(int client, int other)
{
	struct msghdr message = { .msg_iovlen = 0 };
	char byte;
	struct iovec vector = { &byte, 1 };

	(void)other;
	message.msg_iov = &vector;
	message.msg_iovlen = 1;
	recvmsg(client, &message, 0);
}

static void writes(int client, int other)
{
	static const char bytes[65536];

	(void)other;
	while (write(client, bytes, sizeof bytes) > 0)
		continue;
}

static void polls(int client, int other)
{
	struct pollfd fds[] = {
		{ .fd = -1 }, { .fd = other, .events = POLLIN }, { .fd = client, .events = POLLIN },
	};

	poll(fds, sizeof fds / sizeof *fds, -1);
}

static void polls_many(int client, int other)
{
	struct pollfd fds[MANY];

	for (int i = 0; i < MANY; i++)
		fds[i] = (struct pollfd){ .fd = i == MANY - 1 ? client : other, .events = POLLIN };
	poll(fds, MANY, -1);
}

static void polls_with_time(int client, int other)
{
	struct pollfd fd = { .fd = client, .events = POLLIN };
	struct timespec long_time = { .tv_sec = 1000 };

	(void)other;
	ppoll(&fd, 1, &long_time, NULL);
}

static void selects(int client, int other)
{
	fd_set set;

	(void)other;
	FD_ZERO(&set);
	FD_SET(client, &set);
	select(client + 1, &set, NULL, NULL, NULL);
}

static void selects_high(int client, int other)
{
	selects(dup2(client, 700), other);
}

static void selects_to_write(int client, int other)
{
	fd_set set;

	(void)other;
	fcntl(client, F_SETFL, O_NONBLOCK);
	writes(client, other);
	FD_ZERO(&set);
	FD_SET(client, &set);
	select(client + 1, NULL, &set, NULL, NULL);
}

static void epolls(int client, int other)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, other, &event);
	epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
	epoll_wait(epoll, &event, 1, -1);
}

static void *read_in_thread(void *client)
{
	reads(*(int *)client, -1);
	return NULL;
}

static void has_thread(int client, int other)
{
	pthread_t thread;

	(void)other;
	pthread_create(&thread, NULL, read_in_thread, &client);
	for (;;)
		sleep(1000);
}

/* Not for the client. */

static void reads_elsewhere(int client, int other)
{
	reads(other, client);
}

static void polls_elsewhere(int client, int other)
{
	struct pollfd fd = { .fd = other, .events = POLLIN };

	(void)client;
	poll(&fd, 1, -1);
}

static void selects_elsewhere(int client, int other)
{
	selects(other, client);
}

static void selects_nothing(int client, int other)
{
	(void)client, (void)other;
	select(0, NULL, NULL, NULL, &(struct timeval){ .tv_sec = 1000 });
}

static void epolls_elsewhere(int client, int other)
{
	close(client);
	epolls(other, other);
}

static void epolls_under_false_number(int client, int other)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0), number = dup(other);

	epoll_ctl(epoll, EPOLL_CTL_ADD, number, &event);
	dup2(client, number);
	epoll_wait(epoll, &event, 1, -1);
}

static void sleeps(int client, int other)
{
	(void)client, (void)other;
	sleep(1000);
}

static void waits_for_child(int client, int other)
{
	(void)client, (void)other;
	if (fork() == 0)
		for (;;)
			pause();
	wait(NULL);
}

/* Hidden. */

static void nests(int client, int other)
{
	struct epoll_event event = { .events = EPOLLIN };
	int inner = epoll_create1(0), outer = epoll_create1(0);

	(void)other;
	epoll_ctl(inner, EPOLL_CTL_ADD, client, &event);
	epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event);
	epoll_wait(outer, &event, 1, -1);
}

static void polls_too_many(int client, int other)
{
	static struct pollfd fds[2000];

	(void)client;
	for (int i = 0; i < 2000; i++)
		fds[i] = (struct pollfd){ .fd = other, .events = POLLIN };
	poll(fds, 1024 + 1, -1);
}

static void runs(int client, int other)
{
	(void)client, (void)other;
	for (volatile unsigned i = 0;; i++)
		continue;
}

static pid_t start(program *run, int client, int other)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		run(client, other);
		_exit(EXIT_FAILURE);
	}
	setpgid(pid, pid);
	return pid;
}

/* With all that it has started. */
static void end(pid_t pid)
{
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static unsigned long inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* As it is found in the end. */
static enum waits found(program *run, enum waits expected)
{
	int client[2], other[2];
	unsigned long sockets[3];
	enum waits result = expected;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, client) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, other) < 0)
		abort();
	sockets[0] = 1;
	sockets[1] = inode_of(client[0]);
	sockets[2] = sockets[1] + 100000;
	pid = start(run, client[0], other[0]);
	/* It has to come there first, and then to stay. */
	for (int i = 0, same = 0; i < TRIES && same < 10; i++) {
		usleep(PAUSE_US);
		result = waits_for(pid, sockets, 3);
		same = result == expected ? same + 1 : 0;
	}
	end(pid);
	for (int i = 0; i < 2; i++) {
		close(client[i]);
		close(other[i]);
	}
	return result;
}

static bool is_shown(void)
{
	char text[64];
	FILE *file = fopen("/proc/self/syscall", "r");
	bool shown = file && fgets(text, sizeof text, file);

	if (file)
		fclose(file);
	return shown;
}

static void all(enum waits expected, const char *words)
{
	static const struct {
		enum waits as;
		const char *name;
		program *run;
	} rows[] = {
		{ WAITS, "read", reads }, { WAITS, "readv", reads_vector },
		{ WAITS, "recv", receives }, { WAITS, "recvmsg", receives_message },
		{ WAITS, "write, which nobody reads", writes }, { WAITS, "poll", polls },
		{ WAITS, "poll for many", polls_many }, { WAITS, "ppoll", polls_with_time },
		{ WAITS, "select", selects }, { WAITS, "select for a high number", selects_high },
		{ WAITS, "select to write", selects_to_write },
		{ WAITS, "epoll_wait", epolls }, { WAITS, "read, in a thread", has_thread },
		{ WAITS_NOT, "read from another one", reads_elsewhere },
		{ WAITS_NOT, "poll for another one", polls_elsewhere },
		{ WAITS_NOT, "select for another one", selects_elsewhere },
		{ WAITS_NOT, "select for nothing", selects_nothing },
		{ WAITS_NOT, "epoll_wait for another one", epolls_elsewhere },
		{ WAITS_NOT, "epoll_wait for another one that has had its number",
		  epolls_under_false_number },
		{ WAITS_NOT, "sleep", sleeps }, { WAITS_NOT, "wait for a child", waits_for_child },
		{ WAITS_NOT, "no system call", runs },
		{ WAITS_HIDDEN, "epoll_wait for another epoll descriptor", nests },
		{ WAITS_HIDDEN, "poll for too many", polls_too_many },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].as == expected)
			ok(found(rows[i].run, expected) == expected, "%s: in %s", words, rows[i].name);
}

int main(void)
{
	const unsigned long none[] = { 1 };
	pid_t ended;

	if (!is_shown()) {
		puts("1..0 # SKIP /proc does not show system calls");
		return 0;
	}
	all(WAITS, "it waits");
	all(WAITS_NOT, "not");
	all(WAITS_HIDDEN, "that does not show");
	ended = start(runs, 0, 0);
	end(ended);
	ok(waits_for(ended, none, 1) == WAITS_NOT, "not: it has ended");
	return tap_done();
}
