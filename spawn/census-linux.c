#include <config.h>

#include "census.h"

#include "compat.h"
#include "listen.h"
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * A connection that was accepted from the socket has an inode in the kernel's
 * table of sockets, at the address of the socket; whoever serves it has a
 * descriptor that is a link to this inode. One that nobody has accepted yet has
 * inode 0 there. See proc(5), proc_pid_net(5).
 */

enum {
	UNIX_WAITING = 2, /* states in net/unix: connecting, connected */
	UNIX_ACCEPTED = 3,
	TCP_ESTABLISHED = 1,
	TCP_CLOSE_WAIT = 8,
	TCP_LISTEN = 10,
	NS_PER_S = 1000000000
};

struct inodes {
	unsigned long *numbers; /* sorted */
	size_t count, room;
};

/* One look at the system. */
struct look {
	struct inodes accepted;
	long waiting;
	struct census_entry *entries;
	size_t count;
	int depth; /* generations below us */
};

static struct listen_address address;
static const struct identity *identity;
static char unix_path[sizeof address.as.local.sun_path + 1];
static long page_size, ticks_per_s;

static bool add_inode(struct inodes *set, unsigned long inode)
{
	if (set->count == set->room) {
		size_t room = set->room ? 2 * set->room : 64;
		unsigned long *numbers = realloc(set->numbers, room * sizeof *numbers);

		if (!numbers)
			return false;
		set->numbers = numbers;
		set->room = room;
	}
	set->numbers[set->count++] = inode;
	return true;
}

static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

static bool has_inode(const struct inodes *set, unsigned long inode)
{
	return set->count > 0 &&
	       bsearch(&inode, set->numbers, set->count, sizeof inode, compare);
}

/* One line of a table: an accepted connection, or one that waits, or not ours. */

static bool read_unix(struct look *look, char *line)
{
	unsigned state;
	unsigned long inode;
	int path = 0;

	if (sscanf(line, "%*s %*s %*s %*s %*s %x %lu %n", &state, &inode, &path) < 2 || !path)
		return true;
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line + path, unix_path) != 0)
		return true;
	if (inode == 0)
		look->waiting += state == UNIX_WAITING;
	if (inode == 0 || state != UNIX_ACCEPTED)
		return true;
	return add_inode(&look->accepted, inode);
}

static bool read_tcp(struct look *look, char *line)
{
	unsigned port, state;
	unsigned long inode;

	if (sscanf(line, "%*s %*[0-9A-F]:%x %*s %x %*s %*s %*s %*s %*s %lu", &port, &state,
		   &inode) != 3 || port != ntohs(address.as.ipv4.sin_port) || state == TCP_LISTEN)
		return true;
	if (inode == 0) {
		look->waiting += state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
		return true;
	}
	return add_inode(&look->accepted, inode);
}

static bool read_connections(struct look *look)
{
	const bool local = address.as.any.sa_family == AF_UNIX;
	FILE *table = fopen(local ? "/proc/net/unix"
			    : address.as.any.sa_family == AF_INET ? "/proc/net/tcp"
								  : "/proc/net/tcp6", "re");
	char line[512];
	bool good = table != NULL;

	while (good && fgets(line, sizeof line, table))
		good = local ? read_unix(look, line) : read_tcp(look, line);
	if (table)
		fclose(table);
	if (look->accepted.count > 0)
		qsort(look->accepted.numbers, look->accepted.count,
		      sizeof *look->accepted.numbers, compare);
	return good;
}

struct process {
	char state;
	unsigned long user, system; /* ticks of processor time */
	long session, pages;
};

static bool read_process(pid_t pid, struct process *out)
{
	char text[1024];
	const char *end;

	if (!proc_read(pid, "stat", text, sizeof text))
		return false;
	end = strrchr(text, ')'); /* the name before it may have any character */
	return end && sscanf(end + 1, " %c %*d %*d %ld %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d "
			     "%*d %*d %*d %*d %*u %*u %ld", &out->state, &out->session,
			     &out->user, &out->system, &out->pages) == 5;
}

/* Ticks are too long for a single request; nanoseconds are there only for the
 * first thread. */
static int64_t work_of(pid_t pid, const struct process *process)
{
	char text[96];
	int64_t ticks = (int64_t)(process->user + process->system) * (NS_PER_S / ticks_per_s);

	return ticks + (proc_read(pid, "schedstat", text, sizeof text) ? atoll(text) : 0);
}

/* False if not all that the process has open could be seen; nothing is counted then. */
static bool count_connections(const struct look *look, struct census_entry *entry, pid_t pid)
{
	char path[64], target[64];
	const struct dirent *link;
	bool all = true;
	long found = 0;
	DIR *fds;

	snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	fds = opendir(path);
	if (!fds)
		return false;
	while (all && (link = readdir(fds))) {
		ssize_t n = readlinkat(dirfd(fds), link->d_name, target, sizeof target - 1);

		target[n > 0 ? n : 0] = '\0';
		/* Root may list them anyhow, but "." and ".." are no links. */
		all = n >= 0 || errno != EACCES;
		if (strncmp(target, "socket:[", 8) == 0 &&
		    has_inode(&look->accepted, strtoul(target + 8, NULL, 10)))
			found++;
	}
	closedir(fds);
	if (!all)
		return false;
	entry->connections += found;
	if (found > 1)
		entry->together = true;
	return true;
}

/* What hides from its own user is still shown to root with all capabilities. */
static bool count_connections_anyhow(const struct look *look, struct census_entry *entry,
				     pid_t pid)
{
	bool all = count_connections(look, entry, pid);

	if (!all) {
		proc_look_as(identity, false);
		all = count_connections(look, entry, pid);
		proc_look_as(identity, true);
	}
	return all;
}

static struct census_entry *entry_of(const struct look *look, long session)
{
	for (size_t i = 0; i < look->count; i++)
		if (look->entries[i].leader == session)
			return &look->entries[i];
	return NULL;
}

static void visit(pid_t pid, void *argument)
{
	struct look *look = argument;
	struct process process;
	struct census_entry *entry;

	if (!read_process(pid, &process) || !(entry = entry_of(look, process.session)))
		return;
	if (process.state == 'Z' || process.state == 'X')
		return;
	entry->processes++;
	entry->awake += process.state != 'T';
	entry->memory += process.pages * page_size;
	entry->work += work_of(pid, &process);
	if (!count_connections_anyhow(look, entry, pid) || look->depth == PROC_DEPTH_MOST)
		entry->hidden = true;
	if (look->depth == PROC_DEPTH_MOST)
		return;
	look->depth++;
	proc_visit_children(pid, visit, look);
	look->depth--;
}

bool census_take(struct census_entry *entries, size_t count, long *waiting)
{
	struct look look = { .entries = entries, .count = count };
	bool good;

	for (size_t i = 0; i < count; i++)
		entries[i] = (struct census_entry){ .leader = entries[i].leader };
	/* The table first: what is accepted after that is counted the next time. */
	good = read_connections(&look);
	proc_look_as(identity, true);
	if (good && count > 0)
		proc_visit_children(getpid(), visit, &look);
	proc_look_as(identity, false);
	free(look.accepted.numbers);
	*waiting = look.waiting;
	return good;
}

bool census_open(int listener, const struct identity *program)
{
	struct listen_address own = { .size = sizeof own.as };
	char path[64];

	identity = program;
	page_size = sysconf(_SC_PAGESIZE);
	ticks_per_s = sysconf(_SC_CLK_TCK);
	if (getsockname(listener, &own.as.any, &own.size) < 0)
		return false;
	address = own;
	if (own.as.any.sa_family == AF_UNIX) {
		memcpy(unix_path, own.as.local.sun_path, sizeof own.as.local.sun_path);
		if (unix_path[0] == '\0')
			unix_path[0] = '@'; /* as the table has it */
	}
	snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
	return access(path, R_OK) == 0 && access("/proc/net/unix", R_OK) == 0;
}

bool census_handles(pid_t process, int signal)
{
	char text[4096];
	const char *row;

	if (!proc_read(process, "status", text, sizeof text) || !(row = strstr(text, "SigCgt:")))
		return false;
	return strtoull(row + strlen("SigCgt:"), NULL, 16) >> (signal - 1) & 1;
}

void census_adopt_orphans(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}
