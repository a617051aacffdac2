#include <config.h>

#include "waits.h"

#include "compat.h"
#include "proc.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * /proc/PID/syscall shows number and arguments of the system call in which a thread sleeps, and
 * neither for a running thread. The arrays of poll(2) and select(2) are read from /proc/PID/mem.
 * Data that cannot be read counts as hidden; a call missing in the table waits for no socket.
 */

enum {
	FDS_MOST = 1024, /* in a set of poll or select; a larger set is hidden */
	FDS_AT_ONCE = 64,
	NAME_MOST = 64
};

/* Objects that a system call waits for. */
enum kind {
	ITS_FIRST, /* a descriptor: the first argument */
	ITS_BOTH,  /* descriptors: first and third argument */
	A_LIST,    /* of struct pollfd */
	A_SET,     /* of bits (fd_set) */
	AN_EPOLL,
	ANYTHING   /* not shown */
};

static const struct {
	long number;
	enum kind kind;
} calls[] = {
	{ SYS_read, ITS_FIRST }, { SYS_readv, ITS_FIRST }, { SYS_write, ITS_FIRST },
	{ SYS_writev, ITS_FIRST }, { SYS_splice, ITS_BOTH },
#ifdef SYS_preadv2
	{ SYS_preadv2, ITS_FIRST }, { SYS_pwritev2, ITS_FIRST },
#endif
#ifdef SYS_sendfile
	{ SYS_sendfile, ITS_FIRST },
#endif
#ifdef SYS_sendfile64
	{ SYS_sendfile64, ITS_FIRST },
#endif
#ifdef SYS_recvfrom
	{ SYS_recvfrom, ITS_FIRST }, { SYS_recvmsg, ITS_FIRST }, { SYS_sendto, ITS_FIRST },
	{ SYS_sendmsg, ITS_FIRST },
#endif
#ifdef SYS_recv
	{ SYS_recv, ITS_FIRST }, { SYS_send, ITS_FIRST },
#endif
#ifdef SYS_recvmmsg
	{ SYS_recvmmsg, ITS_FIRST }, { SYS_sendmmsg, ITS_FIRST },
#endif
#ifdef SYS_recvmmsg_time64
	{ SYS_recvmmsg_time64, ITS_FIRST },
#endif
#ifdef SYS_accept
	{ SYS_accept, ITS_FIRST },
#endif
#ifdef SYS_accept4
	{ SYS_accept4, ITS_FIRST },
#endif
#ifdef SYS_poll
	{ SYS_poll, A_LIST },
#endif
#ifdef SYS_ppoll
	{ SYS_ppoll, A_LIST },
#endif
#ifdef SYS_ppoll_time64
	{ SYS_ppoll_time64, A_LIST },
#endif
#ifdef SYS_select
	{ SYS_select, A_SET },
#endif
#ifdef SYS__newselect
	{ SYS__newselect, A_SET },
#endif
#ifdef SYS_pselect6
	{ SYS_pselect6, A_SET },
#endif
#ifdef SYS_pselect6_time64
	{ SYS_pselect6_time64, A_SET },
#endif
#ifdef SYS_epoll_wait
	{ SYS_epoll_wait, AN_EPOLL },
#endif
#ifdef SYS_epoll_pwait
	{ SYS_epoll_pwait, AN_EPOLL },
#endif
#ifdef SYS_epoll_pwait2
	{ SYS_epoll_pwait2, AN_EPOLL },
#endif
#ifdef SYS_socketcall
	{ SYS_socketcall, ANYTHING },
#endif
#ifdef SYS_io_getevents
	{ SYS_io_getevents, ANYTHING },
#endif
#ifdef SYS_io_pgetevents
	{ SYS_io_pgetevents, ANYTHING },
#endif
#ifdef SYS_io_pgetevents_time64
	{ SYS_io_pgetevents_time64, ANYTHING },
#endif
#ifdef SYS_io_uring_enter
	{ SYS_io_uring_enter, ANYTHING },
#endif
	/* Resumes any of these after a signal. */
	{ SYS_restart_syscall, ANYTHING },
};

struct search {
	const unsigned long *sockets;
	size_t count;
	pid_t thread;
	enum waits found;
	int error;
};

/* A system call of a sleeping thread. */
struct call {
	long number;
	unsigned long long arguments[6], stack, at;
};

int waits_compare_sockets(const void *a, const void *b)
{
	const unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

static bool is_wanted(const struct search *s, unsigned long inode)
{
	return bsearch(&inode, s->sockets, s->count, sizeof inode, waits_compare_sockets);
}

static void hide(struct search *s, int error)
{
	s->found = WAITS_HIDDEN;
	s->error = error;
}

static void look_at_descriptor(struct search *s, int descriptor)
{
	char path[NAME_MOST];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)s->thread, descriptor);
	if (stat(path, &st) == 0) {
		if (S_ISSOCK(st.st_mode) && is_wanted(s, st.st_ino))
			s->found = WAITS;
	} else if (errno != ENOENT) {
		hide(s, errno);
	}
}

static bool is_epoll(const struct search *s, int descriptor)
{
	char path[NAME_MOST], target[NAME_MOST];
	ssize_t size;

	snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)s->thread, descriptor);
	size = readlink(path, target, sizeof target - 1);
	target[size > 0 ? size : 0] = '\0';
	return strstr(target, "eventpoll");
}

/* Parses a line of fdinfo of an epoll descriptor; before Linux 4.13 without an inode. */
static void look_at_epolled(struct search *s, const char *line)
{
	unsigned long inode;
	int descriptor;

	if (sscanf(line, "tfd: %d", &descriptor) != 1)
		return;
	if (sscanf(line, "tfd: %*d events: %*x data: %*x pos:%*d ino:%lx", &inode) != 1 ||
	    is_epoll(s, descriptor))
		hide(s, 0);
	else if (is_wanted(s, inode))
		s->found = WAITS;
}

static void look_at_epoll(struct search *s, int descriptor)
{
	char path[NAME_MOST], line[256];
	FILE *list;

	snprintf(path, sizeof path, "/proc/%ld/fdinfo/%d", (long)s->thread, descriptor);
	list = fopen(path, "re");
	if (!list) {
		hide(s, errno);
		return;
	}
	while (s->found != WAITS && fgets(line, sizeof line, list))
		look_at_epolled(s, line);
	fclose(list);
}

/* False after hide(). */
static bool read_memory(struct search *s, unsigned long long from, void *out, size_t size)
{
	char path[NAME_MOST];
	ssize_t n = -1;
	int fd, error = 0;

	snprintf(path, sizeof path, "/proc/%ld/mem", (long)s->thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = pread(fd, out, size, (off_t)from);
	if (n < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	if (n == (ssize_t)size)
		return true;
	hide(s, error);
	return false;
}

static void look_at_list(struct search *s, unsigned long long list, unsigned long long count)
{
	struct pollfd fds[FDS_AT_ONCE];

	if (count > FDS_MOST)
		hide(s, 0);
	while (count > 0 && s->found == WAITS_NOT) {
		size_t n = count < FDS_AT_ONCE ? (size_t)count : FDS_AT_ONCE;

		if (!read_memory(s, list, fds, n * sizeof *fds))
			return;
		for (size_t i = 0; i < n && s->found == WAITS_NOT; i++)
			if (fds[i].fd >= 0)
				look_at_descriptor(s, fds[i].fd);
		list += n * sizeof *fds;
		count -= n;
	}
}

static void look_at_set(struct search *s, unsigned long long set, unsigned long long count)
{
	enum { BITS = CHAR_BIT * sizeof(unsigned long) };
	unsigned long words[FDS_MOST / BITS];

	if (count > FDS_MOST)
		hide(s, 0);
	if (set == 0 || count == 0 || s->found != WAITS_NOT ||
	    !read_memory(s, set, words, ((size_t)count + BITS - 1) / BITS * sizeof *words))
		return;
	for (unsigned i = 0; i < count && s->found == WAITS_NOT; i++)
		if (words[i / BITS] >> i % BITS & 1)
			look_at_descriptor(s, (int)i);
}

/* True for a 32-bit program on a 64-bit system: call numbers differ there. */
static bool is_of_other_size(const struct call *call)
{
	return sizeof(void *) > 4 && call->stack <= UINT32_MAX;
}

static void look_at_call(struct search *s, const struct call *call)
{
	const unsigned long long *arguments = call->arguments;
	size_t i = 0;

	while (i < sizeof calls / sizeof *calls && calls[i].number != call->number)
		i++;
	if (i == sizeof calls / sizeof *calls)
		return;
	switch (calls[i].kind) {
	case ITS_BOTH:
		look_at_descriptor(s, (int)arguments[2]);
		if (s->found == WAITS_NOT)
			look_at_descriptor(s, (int)arguments[0]);
		break;
	case ITS_FIRST:
		look_at_descriptor(s, (int)arguments[0]);
		break;
	case A_LIST:
		look_at_list(s, arguments[0], arguments[1]);
		break;
	case A_SET:
		for (int set = 1; set <= 3; set++)
			look_at_set(s, arguments[set], arguments[0]);
		break;
	case AN_EPOLL:
		look_at_epoll(s, (int)arguments[0]);
		break;
	default:
		hide(s, 0);
	}
}

static void look_at_thread(pid_t thread, void *argument)
{
	struct search *s = argument;
	struct call call;
	unsigned long long *a = call.arguments;
	char text[256];

	if (s->found != WAITS_NOT)
		return;
	s->thread = thread;
	errno = 0;
	if (!proc_read(thread, "syscall", text, sizeof text)) {
		if (errno != ENOENT && errno != ESRCH) /* not ended */
			hide(s, errno);
		return;
	}
	/* A thread that runs, or sleeps outside of a call, shows fewer fields. */
	if (sscanf(text, "%ld %llx %llx %llx %llx %llx %llx %llx %llx", &call.number, &a[0], &a[1],
		   &a[2], &a[3], &a[4], &a[5], &call.stack, &call.at) != 9)
		return;
	if (is_of_other_size(&call))
		hide(s, 0);
	else
		look_at_call(s, &call);
}

enum waits waits_for(pid_t process, const unsigned long *sockets, size_t count)
{
	struct search search = { .sockets = sockets, .count = count };

	proc_visit_threads(process, look_at_thread, &search);
	errno = search.error;
	return search.found;
}
