/* Who is seen to wait for connections on a socket. */
#include <config.h>

#include "listen.h"
#include "ready.h"
#include "tap.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIES = 2000, PAUSE_US = 5000 };

static const struct identity same = { .user = USER_UNCHANGED, .group = GROUP_UNCHANGED };

/* What a program does with the socket, and with one that is not the socket. It
 * does not return before it is killed. */
typedef void program(int listener, int other);

static void accepts(int listener, int other)
{
	(void)other;
	accept(listener, NULL, NULL);
}

static void accepts_elsewhere(int listener, int other)
{
	accepts(other, listener);
}

static void accepts_from_copy(int listener, int other)
{
	int copy = dup(listener);

	close(listener);
	accepts(copy, other);
}

static void *accept_in_thread(void *listener)
{
	accepts(*(int *)listener, -1);
	return NULL;
}

static void has_thread(int listener, int other)
{
	pthread_t thread;

	(void)other;
	pthread_create(&thread, NULL, accept_in_thread, &listener);
	pthread_join(thread, NULL);
}

static void has_child(int listener, int other)
{
	if (fork() == 0 && fork() == 0)
		accepts(listener, other);
	pause();
}

static int polls(int descriptor, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
	return epoll;
}

static void wait_for(int epoll)
{
	struct epoll_event event;

	epoll_wait(epoll, &event, 1, -1);
}

static void epolls(int listener, int other)
{
	(void)other;
	wait_for(polls(listener, EPOLLIN));
}

static void epolls_elsewhere(int listener, int other)
{
	epolls(other, listener);
}

static void epolls_but_not_for_connections(int listener, int other)
{
	(void)other;
	wait_for(polls(listener, EPOLLPRI));
}

static void epolls_under_false_number(int listener, int other)
{
	int number = dup(other), epoll = polls(number, EPOLLIN);

	dup2(listener, number);
	wait_for(epoll);
}

static void uses_poll(int listener, int other)
{
	struct pollfd wanted = { .fd = listener, .events = POLLIN };

	(void)other;
	poll(&wanted, 1, -1);
}

static void sleeps(int listener, int other)
{
	(void)listener, (void)other;
	pause();
}

static pid_t start(program *run, int listener, int other)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		run(listener, other);
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

static char state_of(pid_t pid)
{
	char path[64], state = '\0';
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = '\0';
	if (file)
		fclose(file);
	return state;
}

static bool becomes_ready(program *run, int listener, int other)
{
	pid_t pid = start(run, listener, other);
	bool seen = false;

	for (int i = 0; i < TRIES && !seen; i++) {
		seen = ready_is_seen(pid, listener, &same);
		if (!seen)
			usleep(PAUSE_US);
	}
	end(pid);
	return seen;
}

static bool stays_unready(program *run, int listener, int other)
{
	pid_t pid = start(run, listener, other);
	bool seen;

	for (int i = 0; i < TRIES && state_of(pid) != 'S'; i++)
		usleep(PAUSE_US);
	usleep(PAUSE_US);
	seen = ready_is_seen(pid, listener, &same);
	end(pid);
	return !seen;
}

static int listening(void)
{
	struct listen_address address;
	int fd;

	listen_address_internet(&address, "127.0.0.1", 0);
	fd = listen_socket(&address);
	if (fd < 0 || listen(fd, 1) < 0)
		exit(EXIT_FAILURE);
	return fd;
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

int main(void)
{
	int socket = listening(), other = listening();
	pid_t ended;

	if (!is_shown()) {
		puts("1..0 # SKIP /proc does not show system calls");
		return 0;
	}
	ok(becomes_ready(accepts, socket, other), "it waits in accept");
	ok(becomes_ready(accepts_from_copy, socket, other), "with another descriptor");
	ok(becomes_ready(has_thread, socket, other), "one of its threads does");
	ok(becomes_ready(has_child, socket, other), "a child of its child does");
	ok(becomes_ready(epolls, socket, other), "it waits in epoll_wait");
	ok(stays_unready(accepts_elsewhere, socket, other), "not: in accept for another socket");
	ok(stays_unready(epolls_elsewhere, socket, other), "not: in epoll_wait for another socket");
	ok(stays_unready(epolls_but_not_for_connections, socket, other),
	   "not: in epoll_wait, but not for connections");
	ok(stays_unready(epolls_under_false_number, socket, other),
	   "not: in epoll_wait for another socket that has had its number");
	ok(stays_unready(uses_poll, socket, other), "not: in poll, which does not show for what");
	ok(stays_unready(sleeps, socket, other), "not: it sleeps");
	ended = start(accepts, socket, other);
	end(ended);
	ok(!ready_is_seen(ended, socket, &same), "not: it has ended");
	return tap_done();
}
