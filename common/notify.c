#include <config.h>

#include "notify.h"

#include "listen.h"
#include "loop.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { USEC_PER_MS = 1000, AGAIN_MS = 50 };

/* Room for one message of each kind, and some more FDSTOREREMOVE. */
enum { MESSAGES = 12, MESSAGE_SIZE = 512 };

struct message {
	char text[MESSAGE_SIZE];
	int fd; /* sent with the text; -1: none */
};

static int fd = -1;
static struct listen_address manager;
static struct message messages[MESSAGES]; /* not sent yet, oldest first */
static size_t count;
static struct deadline again;

/* From the environment, which notify_leave() may clear. */
static long long watchdog_usec; /* 0: none */
static long watchdog_pid;       /* 0: of any process */

static void report_deaf(const char *path, int error)
{
	static bool told;

	if (!told)
		report("cannot tell a service manager at %s (NOTIFY_SOCKET): %s", path,
		       strerror(error));
	told = true;
}

static void read_watchdog(void)
{
	const char *interval = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	watchdog_usec = interval ? atoll(interval) : 0;
	watchdog_pid = pid ? atol(pid) : 0;
}

void notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	read_watchdog();
	if (!path || !*path)
		return;
	errno = EAFNOSUPPORT;
	if ((path[0] == '/' || path[0] == '@') && listen_address_local(&manager, path))
		fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0) {
		report_deaf(path, errno);
		return;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	manager.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')
		manager.as.local.sun_path[0] = '\0'; /* abstract name: unix(7) */
}

void notify_close(void)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
	count = 0;
}

bool notify_is_heard(void)
{
	return fd >= 0;
}

/* An abstract name begins with a zero byte in the address, with '@' where it is shown. */
static void report_failure(int error)
{
	char path[sizeof manager.as.local.sun_path];

	memcpy(path, manager.as.local.sun_path, sizeof path);
	if (!path[0])
		path[0] = '@';
	report_deaf(path, error);
}

/* False if the socket has no room now. Any other error is reported once, and the message lost. */
static bool notify_send(const struct message *message)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = "" };
	struct iovec text = { .iov_base = (void *)(uintptr_t)message->text,
			      .iov_len = strlen(message->text) };
	struct msghdr all = { .msg_name = &manager.as.any, .msg_namelen = manager.size,
			      .msg_iov = &text, .msg_iovlen = 1 };

	if (message->fd >= 0) {
		all.msg_control = &control;
		all.msg_controllen = sizeof control.room;
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &message->fd, sizeof(int));
	}
	if (sendmsg(fd, &all, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
		return false;
	report_failure(errno);
	return true;
}

static void forget_message(size_t i)
{
	count--;
	memmove(&messages[i], &messages[i + 1], (count - i) * sizeof *messages);
}

static void notify_flush(struct deadline *d)
{
	size_t told = 0;

	while (told < count && notify_send(&messages[told]))
		told++;
	count -= told;
	memmove(messages, &messages[told], count * sizeof *messages);
	if (count > 0)
		deadline_set(d, AGAIN_MS, notify_flush);
}

/* True if the later of two messages replaces the earlier: same word before "=", and for
 * FDSTOREREMOVE the same name. */
static bool is_alike(const char *a, const char *b)
{
	size_t word = strcspn(a, "=");

	return strncmp(a, b, word + 1) == 0 &&
	       (strncmp(a, "FDSTOREREMOVE", word) != 0 || strcmp(a, b) == 0);
}

static void add(int with, const char *text)
{
	if (fd < 0)
		return;
	for (size_t i = count; i-- > 0;)
		if (is_alike(messages[i].text, text))
			forget_message(i);
	if (count == MESSAGES)
		forget_message(0);
	messages[count].fd = with;
	snprintf(messages[count++].text, MESSAGE_SIZE, "%s", text);
}

static void tell_unless_full(void)
{
	if (count > 0 && !deadline_is_set(&again))
		notify_flush(&again);
}

void notify(const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	add(-1, text);
	tell_unless_full();
}

void notify_ready(void)
{
	notify("READY=1\nMAINPID=%ld", (long)getpid());
}

void notify_reloading(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	       (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

void notify_stopping(int64_t within)
{
	notify("STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld", (long long)within * USEC_PER_MS);
}

int64_t notify_watchdog(void)
{
	long long half = watchdog_usec / 2;

	if (fd < 0 || watchdog_usec <= 0 || (watchdog_pid && watchdog_pid != (long)getpid()))
		return 0;
	return half < USEC_PER_MS ? 1 : half / USEC_PER_MS;
}

bool notify_keeps(bool said)
{
	const char *most = getenv("FDSTORE");

	return fd >= 0 && (said || (most && atol(most) > 0));
}

void notify_store(int stored, const char *name)
{
	char text[MESSAGE_SIZE];

	snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", name);
	add(stored, text);
	tell_unless_full();
}

void notify_drop(const char *name)
{
	char text[MESSAGE_SIZE];

	snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	add(-1, text);
}

void notify_leave(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	unsetenv("FDSTORE");
}
