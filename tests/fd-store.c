/*
 * A service manager as far as it keeps descriptors: fd-store SOCKET GO COMMAND...
 *
 * Runs the command, with NOTIFY_SOCKET and the environment that it has itself, and writes what
 * it is told to standard output, a line per message. When the command was killed by SIGKILL,
 * it waits until there is a file GO, removes that, and runs the command again, with what it was
 * given to keep, as LISTEN_FDS. Else it ends, with the same status. It keeps no more than FDSTORE
 * says, as systemd does: what comes beyond that is closed, also if it is kept already.
 */
#include <config.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT = 8, FIRST = 3, ASIDE = 50 };

static struct {
	int fd;
	char name[256];
} kept[KEPT];
static int count;

static void keep(int fd, const char *name)
{
	const char *most = getenv("FDSTORE");

	if (count == KEPT || (most && count >= atoi(most))) {
		close(fd);
		puts("no room");
		return;
	}
	kept[count].fd = fcntl(fd, F_DUPFD_CLOEXEC, ASIDE);
	close(fd);
	snprintf(kept[count++].name, sizeof kept->name, "%s", name);
}

static void drop(const char *name)
{
	for (int i = count; i-- > 0;)
		if (strcmp(kept[i].name, name) == 0) {
			close(kept[i].fd);
			kept[i] = kept[--count];
		}
}

/* Takes one message, if there is one within a moment. */
static void hear(int manager)
{
	char text[4096] = "", *name;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { text, sizeof text - 1 };
	struct msghdr all = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof control.room };
	struct pollfd ready = { .fd = manager, .events = POLLIN };
	struct cmsghdr *with;
	int fd;

	if (poll(&ready, 1, 10) != 1 || recvmsg(manager, &all, 0) <= 0)
		return;
	name = strstr(text, "FDNAME=");
	name = name ? name + strlen("FDNAME=") : text;
	with = CMSG_FIRSTHDR(&all);
	if (with && with->cmsg_type == SCM_RIGHTS) {
		memcpy(&fd, CMSG_DATA(with), sizeof fd);
		keep(fd, name);
	}
	if (strncmp(text, "FDSTOREREMOVE=1", strlen("FDSTOREREMOVE=1")) == 0)
		drop(name);
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = '|';
	puts(text);
}

static pid_t run(char **command)
{
	char names[KEPT * 260] = "", number[24];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (int i = 0; i < count; i++) {
		dup2(kept[i].fd, FIRST + i);
		strcat(names, i ? ":" : "");
		strcat(names, kept[i].name);
	}
	snprintf(number, sizeof number, "%ld", (long)getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof number, "%d", count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	execvp(command[0], command);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int manager = socket(AF_UNIX, SOCK_DGRAM, 0), status;

	if (argc < 4)
		return 2;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
	if (fcntl(manager, F_DUPFD_CLOEXEC, ASIDE) != ASIDE)
		return 2;
	close(manager);
	manager = ASIDE;
	if (bind(manager, (struct sockaddr *)&address, sizeof address) < 0)
		return 2;
	setenv("NOTIFY_SOCKET", argv[1], 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		pid_t pid = run(argv + 3);

		while (waitpid(pid, &status, WNOHANG) == 0)
			hear(manager);
		hear(manager);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		puts("killed");
		while (access(argv[2], F_OK) < 0)
			hear(manager);
		unlink(argv[2]);
	}
}
