#include <config.h>

#include "ready.h"

#include "compat.h"
#include "look-as.h"
#include "proc.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/*
 * /proc/PID/syscall shows number and arguments of the system call in which a thread
 * sleeps, and neither for a running thread. poll(2) and select(2) only take pointers:
 * programs that wait in these calls are never seen to be ready.
 */

/* Not all machines have all of these calls; -2 is the number of none. */
#ifndef SYS_accept
#define SYS_accept (-2)
#endif
#ifndef SYS_accept4
#define SYS_accept4 (-2)
#endif
#ifndef SYS_epoll_wait
#define SYS_epoll_wait (-2)
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 (-2)
#endif

static const long accepting[] = { SYS_accept, SYS_accept4 };
static const long polling[] = { SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2 };

#define IS_ONE_OF(number, set) is_one_of(number, set, sizeof (set) / sizeof *(set))

struct search {
	struct stat socket;
	int depth; /* generations below the child */
	bool found;
};

static bool is_one_of(long number, const long *set, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (set[i] == number)
			return true;
	return false;
}

static bool is_socket(const struct search *search, pid_t thread, int descriptor)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)thread, descriptor);
	return stat(path, &st) == 0 && st.st_ino == search->socket.st_ino &&
	       st.st_dev == search->socket.st_dev;
}

/* Parses a line of fdinfo of an epoll descriptor: proc_pid_fdinfo(5). Compares device
 * (in the kernel's encoding) and inode, since the descriptor number may have been
 * reused. Linux before 4.13 shows neither. */
static bool names_socket(const struct search *search, const char *line)
{
	const unsigned long device = (unsigned long)major(search->socket.st_dev) << 20 |
				     minor(search->socket.st_dev);
	unsigned long events, inode, on;

	return sscanf(line, "tfd: %*d events: %lx data: %*x pos:%*d ino:%lx sdev:%lx", &events,
		      &inode, &on) == 3 &&
	       events & EPOLLIN && inode == search->socket.st_ino && on == device;
}

static bool waits_for_socket(const struct search *search, pid_t thread, int descriptor)
{
	char path[64], line[256];
	bool found = false;
	FILE *list;

	snprintf(path, sizeof path, "/proc/%ld/fdinfo/%d", (long)thread, descriptor);
	list = fopen(path, "re");
	if (!list)
		return false;
	while (!found && fgets(line, sizeof line, list))
		found = names_socket(search, line);
	fclose(list);
	return found;
}

static void look_whether_it_waits(pid_t thread, void *argument)
{
	struct search *search = argument;
	unsigned long long first; /* as wide as in the widest process */
	char text[256];
	long number;

	if (search->found || !proc_read(thread, "syscall", text, sizeof text) ||
	    sscanf(text, "%ld %llx", &number, &first) != 2)
		return;
	if (IS_ONE_OF(number, accepting))
		search->found = is_socket(search, thread, (int)first);
	else if (IS_ONE_OF(number, polling))
		search->found = waits_for_socket(search, thread, (int)first);
}

static void look_at(pid_t pid, void *argument)
{
	struct search *search = argument;

	if (search->found)
		return;
	proc_visit_threads(pid, look_whether_it_waits, search);
	if (search->found || search->depth == PROC_DEPTH_MOST)
		return;
	search->depth++;
	proc_visit_children(pid, look_at, search);
	search->depth--;
}

bool ready_is_seen(pid_t child, int listener, const struct identity *identity)
{
	struct search search = { .depth = 0 };

	if (fstat(listener, &search.socket) < 0)
		return false;
	look_at(child, &search);
	if (!search.found) {
		look_as(identity, true);
		look_at(child, &search);
		look_as(identity, false);
	}
	return search.found;
}
