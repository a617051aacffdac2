#include <config.h>

#include "census.h"

#include "look-as.h"
#include "loop.h"
#include "proc.h"
#include "report.h"
#include "sockets.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * Each descriptor of a socket is a link to the socket's inode, see proc_pid_fd(5).
 * So /proc shows the sockets of a process, and the kernel's list of sockets shows
 * the accepted ones among them.
 */

enum {
	NS_PER_S = 1000000000,
	NS_PER_MS = 1000000,
	SHARE = 50, /* looks take 1/SHARE of a processor at most */
	GROWN_S = 2 /* age of a process by which exec(2) is over */
};

/* State of a census_take(). */
struct look {
	struct census_entry *entries;
	size_t count;
	int depth; /* generations below a child of this process */
	struct census_connection *held; /* all sockets at first, then connections */
	size_t held_count, held_room;
	bool failed; /* no memory */
};

/* A process, seen by a live thread (eye): the first thread may have ended. */
struct process {
	pid_t pid, eye;
	char state; /* of the first thread */
	bool lives, stopped;
	unsigned long user, system; /* ticks of processor time */
	long of_children;           /* the same, of those that were waited for */
	unsigned long long started; /* ticks after the start of the system */
	long session, threads, pages;
};

static const struct identity *identity;
static int listening;
static bool adopts; /* orphans of a child become children of ours */
static bool blind;  /* the connections of the socket are never shown */
static long page_size, ticks_per_s;
static int64_t last_cost; /* of a look, in nanoseconds of processor time */
static struct census_connection *connections; /* of the last look */
static size_t connection_count;

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Processes. */

static bool read_stat(pid_t thread, struct process *out)
{
	char text[1024];
	const char *end;
	long user, system;

	if (!proc_read(thread, "stat", text, sizeof text))
		return false;
	end = strrchr(text, ')'); /* the name in parentheses may have any character */
	if (!end || sscanf(end + 1, " %c %*d %*d %ld %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld "
			   "%*d %*d %ld %*d %llu %*u %ld", &out->state, &out->session, &out->user,
			   &out->system, &user, &system, &out->threads, &out->started,
			   &out->pages) != 9)
		return false;
	out->of_children = user + system;
	return true;
}

static bool is_dead(char state)
{
	return state == 'Z' || state == 'X';
}

/* A traced thread is at rest once SIGSTOP is not pending any more, and not before: a system
 * call that has begun may still accept a connection. */
static bool is_stopped(pid_t thread, char state)
{
	uint64_t own = 0, shared = 0;

	if (state != 't')
		return state == 'T';
	return proc_read_signals(thread, "SigPnd", &own) &&
	       proc_read_signals(thread, "ShdPnd", &shared) &&
	       !((own | shared) >> (SIGSTOP - 1) & 1);
}

static void see_thread(pid_t thread, void *argument)
{
	struct process *process = argument, seen;

	if (!read_stat(thread, &seen) || is_dead(seen.state))
		return;
	if (!process->lives)
		process->pages = seen.pages;
	if (!process->lives || thread == process->eye)
		process->eye = thread;
	process->stopped &= is_stopped(thread, seen.state);
	process->lives = true;
}

static bool read_process(pid_t pid, struct process *out)
{
	if (!read_stat(pid, out))
		return false;
	out->pid = out->eye = pid;
	out->lives = !is_dead(out->state);
	out->stopped = !out->lives || is_stopped(pid, out->state);
	/* Other threads matter only if the first one is stopped or dead. */
	if (out->stopped && out->threads > 1) {
		out->lives = false;
		proc_visit_threads(pid, see_thread, out);
	}
	return true;
}

/* Ticks are too long for a single request; schedstat has nanoseconds, but of one thread. */
static int64_t work_of(const struct process *process)
{
	char text[96];
	int64_t ticks = (int64_t)(process->user + process->system) * (NS_PER_S / ticks_per_s);

	return ticks +
	       (proc_read(process->eye, "schedstat", text, sizeof text) ? atoll(text) : 0);
}

static int64_t cpu_of(const struct process *p)
{
	return ((int64_t)(p->user + p->system) + p->of_children) * (NS_PER_S / ticks_per_s);
}

/* Open sockets. */

static bool hold(struct look *look, const struct census_connection *socket)
{
	if (look->held_count == look->held_room) {
		size_t room = look->held_room ? 2 * look->held_room : 64;
		struct census_connection *held = realloc(look->held, room * sizeof *held);

		if (!held) {
			look->failed = true;
			return false;
		}
		look->held = held;
		look->held_room = room;
	}
	look->held[look->held_count++] = *socket;
	return true;
}

/* Marks the sockets of a process, after all of its descriptors were seen. */
static void note_sockets(struct look *look, size_t from, bool listens, bool opaque)
{
	for (size_t i = from; i < look->held_count; i++) {
		look->held[i].listens = listens;
		look->held[i].opaque = opaque;
	}
}

/* False with errno if not all descriptors of the process could be seen. */
static bool list_sockets(struct look *look, size_t entry, const struct process *process)
{
	struct census_connection socket = {
		.process = process->pid, .entry = entry, .depth = look->depth,
	};
	const size_t from = look->held_count;
	bool listens = false, opaque = process->stopped || process->state == 't';
	char path[64], target[64];
	const struct dirent *link;
	bool all = true;
	DIR *fds;

	snprintf(path, sizeof path, "/proc/%ld/fd", (long)process->eye);
	fds = opendir(path);
	if (!fds)
		return false;
	while (all && (link = readdir(fds))) {
		ssize_t n = readlinkat(dirfd(fds), link->d_name, target, sizeof target - 1);

		target[n > 0 ? n : 0] = '\0';
		/* EACCES: root may list links without reading any. "." and ".." are no links. */
		all = n >= 0 || errno != EACCES;
		opaque |= strcmp(target, "anon_inode:[io_uring]") == 0;
		if (strncmp(target, "socket:[", 8) != 0)
			continue;
		socket.inode = strtoul(target + 8, NULL, 10);
		socket.descriptor = atoi(link->d_name);
		if (sockets_is_own(socket.inode))
			listens = true;
		else if (!hold(look, &socket))
			break;
	}
	closedir(fds);
	note_sockets(look, from, listens, opaque);
	errno = EACCES;
	return all;
}

/* A process hidden from its own user is still shown to root with all capabilities. */
static bool list_sockets_anyhow(struct look *look, size_t entry, const struct process *process)
{
	const size_t before = look->held_count;
	bool all = list_sockets(look, entry, process);
	int error;

	if (all)
		return true;
	look->held_count = before;
	look_as(identity, false);
	all = list_sockets(look, entry, process);
	error = errno;
	look_as(identity, true);
	errno = error;
	if (!all)
		look->held_count = before;
	return all;
}

/* Silent about a process hidden for a moment: from the change of user to exec(2), or after
 * its end. */
static void tell_hidden(const struct process *process)
{
	static bool told;
	const int64_t age = clock_ns(CLOCK_BOOTTIME) / NS_PER_S -
			    (int64_t)(process->started / (unsigned long)ticks_per_s);

	if (told || errno != EACCES || age < GROWN_S)
		return;
	told = true;
	report("cannot see what process %ld has open: %s; it counts as busy, and so do others "
	       "like it", (long)process->eye, strerror(errno));
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
	pid_t session = getsid(pid);

	/* getsid(2) reads no file: there may be many other processes. */
	if (session >= 0 && !entry_of(look, session))
		return;
	if (!read_process(pid, &process) || !(entry = entry_of(look, process.session)))
		return;
	if (!process.lives)
		return;
	entry->processes++;
	entry->awake += !process.stopped;
	entry->memory += (int64_t)process.pages * page_size;
	entry->work += work_of(&process);
	entry->cpu += cpu_of(&process);
	if (blind || look->depth == PROC_DEPTH_MOST) {
		entry->hidden = true;
	} else if (!list_sockets_anyhow(look, (size_t)(entry - look->entries), &process)) {
		tell_hidden(&process);
		entry->hidden = true;
	}
	if (look->depth == PROC_DEPTH_MOST)
		return;
	look->depth++;
	proc_visit_children(pid, visit, look);
	look->depth--;
}

/* Connections. */

static int compare_items(const void *a, const void *b)
{
	const unsigned long x = ((const struct sockets_item *)a)->inode;
	const unsigned long y = ((const struct sockets_item *)b)->inode;

	return (x > y) - (x < y);
}

/* Lists each held socket once, by inode. */
static struct sockets_item *list_items(const struct look *look, size_t *count)
{
	struct sockets_item *items = calloc(look->held_count, sizeof *items);

	*count = 0;
	if (!items)
		return NULL;
	for (size_t i = 0; i < look->held_count; i++)
		items[i].inode = look->held[i].inode;
	qsort(items, look->held_count, sizeof *items, compare_items);
	for (size_t i = 0; i < look->held_count; i++)
		if (*count == 0 || items[*count - 1].inode != items[i].inode)
			items[(*count)++] = items[i];
	return items;
}

/* Reduces the held sockets to connections. */
static bool count_connections(struct look *look)
{
	size_t count, left = 0;
	struct sockets_item *items;
	bool good;

	if (look->held_count == 0)
		return true;
	items = list_items(look, &count);
	good = items && sockets_mark(items, count);
	for (size_t i = 0; good && i < look->held_count; i++) {
		const struct census_connection *held = &look->held[i];

		if (!sockets_find(items, count, held->inode)->accepted)
			continue;
		look->entries[held->entry].connections++;
		look->held[left++] = *held;
		look->entries[held->entry].sum += held->inode;
	}
	look->held_count = left;
	free(items);
	return good;
}

static bool count_waiting(long *waiting)
{
	struct pollfd fd = { .fd = listening, .events = POLLIN };

	*waiting = poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
	return *waiting == 0 || blind || sockets_count_waiting(waiting);
}

bool census_take(struct census_entry *entries, size_t count, long *waiting)
{
	const int64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct look look = { .entries = entries, .count = count };
	bool good;

	for (size_t i = 0; i < count; i++)
		entries[i] = (struct census_entry){ .leader = entries[i].leader };
	look_as(identity, true);
	if (count > 0)
		proc_visit_children(getpid(), visit, &look);
	look_as(identity, false);
	/* After the descriptors: a connection accepted meanwhile is counted the next time. */
	good = !look.failed && count_connections(&look) && count_waiting(waiting);
	free(connections);
	connections = look.held;
	connection_count = good ? look.held_count : 0;
	last_cost = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
	return good;
}

const struct census_connection *census_connections(size_t *count)
{
	*count = connection_count;
	return connections;
}

bool census_shows_connections(void)
{
	return !blind;
}

int64_t census_pause(void)
{
	return last_cost * (SHARE - 1) / NS_PER_MS;
}

bool census_count_waiting(long *waiting)
{
	return !blind && sockets_have_length() && sockets_count_waiting(waiting);
}

bool census_name_waiting(struct overload_names *out)
{
	return !blind && sockets_name_waiting(out);
}

long census_queue_limit(void)
{
	return blind ? 0 : sockets_queue_limit();
}

static bool can_walk(void)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
	return access(path, R_OK) == 0;
}

bool census_open(int listener, const struct identity *program)
{
	identity = program;
	listening = listener;
	page_size = sysconf(_SC_PAGESIZE);
	ticks_per_s = sysconf(_SC_CLK_TCK);
	if (!can_walk())
		return false;
	blind = !sockets_open(listener);
	return true;
}

void census_renew(int listener)
{
	listening = listener;
	if (!blind && !sockets_renew(listener)) {
		blind = true;
		report("cannot see any more who is connected to the socket: %s; every process "
		       "counts as busy", strerror(errno));
	}
}

void census_forget_former(void)
{
	sockets_forget_former();
}

/* Whole sessions. */

struct pids {
	pid_t *list;
	size_t count, room;
	bool failed; /* no memory */
};

/* A walk through the processes of some sessions. */
struct walk {
	const pid_t *leaders;
	size_t count;
	int signal;    /* for processes outside the leader's group; 0: looks for a live one */
	int depth;
	bool lives;    /* a process does, or is too far down to be seen */
};

static bool is_led(const struct walk *walk, pid_t session)
{
	for (size_t i = 0; i < walk->count; i++)
		if (walk->leaders[i] == session)
			return true;
	return false;
}

static bool is_alive(pid_t pid)
{
	struct process process;

	return read_process(pid, &process) && process.lives;
}

static void walk_on(pid_t pid, void *argument)
{
	struct walk *walk = argument;
	pid_t session = getsid(pid);
	bool led = is_led(walk, session);

	/* Only the rare search for a live process looks below other sessions: there may be many. */
	if (!led && walk->signal != 0)
		return;
	if (led && walk->signal == 0)
		walk->lives |= walk->depth == PROC_DEPTH_MOST || is_alive(pid);
	else if (led && getpgid(pid) != session)
		kill(pid, walk->signal);
	if (walk->depth == PROC_DEPTH_MOST)
		return;
	walk->depth++;
	proc_visit_children(pid, walk_on, walk);
	walk->depth--;
}

void census_signal_others(const pid_t *leaders, size_t count, int signal)
{
	struct walk walk = { .leaders = leaders, .count = count, .signal = signal };

	if (adopts && count > 0)
		proc_visit_children(getpid(), walk_on, &walk);
}

static void signal_branch(pid_t pid, void *argument)
{
	struct walk *walk = argument;

	if (!is_led(walk, getsid(pid)))
		return;
	if (walk->depth < PROC_DEPTH_MOST) {
		walk->depth++;
		proc_visit_children(pid, signal_branch, walk);
		walk->depth--;
	}
	kill(pid, walk->signal);
}

void census_signal_branch(pid_t leader, pid_t process, int signal)
{
	struct walk walk = { .leaders = &leader, .count = 1, .signal = signal };

	signal_branch(process, &walk);
}

/* The topmost process left of a dead leader's session is a child of ours, unless its parent went
 * to another session. One look at our children serves all leaders dead before: many die at a
 * time. */
static struct remains {
	int64_t when;         /* the look, by loop_now(); -1: none */
	struct pids leaders;  /* alive then */
	struct pids sessions; /* of other live children */
} remains = { .when = -1 };

static int compare_pids(const void *a, const void *b)
{
	const pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void add_pid(struct pids *pids, pid_t pid)
{
	if (pids->count == pids->room) {
		size_t room = pids->room ? 2 * pids->room : 64;
		pid_t *list = realloc(pids->list, room * sizeof *list);

		if (!list) {
			pids->failed = true;
			return;
		}
		pids->list = list;
		pids->room = room;
	}
	pids->list[pids->count++] = pid;
}

static bool has_pid(const struct pids *pids, pid_t pid)
{
	return pids->count > 0 &&
	       bsearch(&pid, pids->list, pids->count, sizeof pid, compare_pids);
}

/* Cheaper than a file of /proc, but for children only. */
static bool has_ended(pid_t pid)
{
	siginfo_t end = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       end.si_pid == pid;
}

static void note_remains(pid_t pid, void *own)
{
	const pid_t session = getsid(pid);

	/* A child just forked is still in our session. */
	if (session == pid || session == *(const pid_t *)own) {
		if (!has_ended(pid))
			add_pid(&remains.leaders, pid);
	} else if (is_alive(pid)) {
		add_pid(&remains.sessions, session);
	}
}

static bool find_remains(void)
{
	pid_t own = getsid(0);
	struct pids *const both[] = { &remains.leaders, &remains.sessions };

	for (int i = 0; i < 2; i++) {
		both[i]->count = 0;
		both[i]->failed = false;
	}
	proc_visit_children(getpid(), note_remains, &own);
	for (int i = 0; i < 2; i++)
		if (both[i]->count > 0)
			qsort(both[i]->list, both[i]->count, sizeof(pid_t), compare_pids);
	remains.when = remains.leaders.failed || remains.sessions.failed ? -1 : loop_now();
	return remains.when >= 0;
}

static bool knows_remains(pid_t leader, int64_t started)
{
	return remains.when == loop_now() && started < remains.when &&
	       !has_pid(&remains.leaders, leader);
}

/* The parent of a process left may have gone to another session, but rarely. */
static bool lives_anywhere(pid_t leader)
{
	struct walk walk = { .leaders = &leader, .count = 1 };

	proc_visit_children(getpid(), walk_on, &walk);
	return walk.lives;
}

bool census_is_left(pid_t leader, int64_t started)
{
	bool grouped;

	if (adopts && (knows_remains(leader, started) || find_remains()) &&
	    has_pid(&remains.sessions, leader))
		return true;
	/* kill(2) also finds the group of a dead process not yet waited for. */
	grouped = kill(-leader, 0) == 0;
	return adopts ? grouped && lives_anywhere(leader) : grouped;
}

void census_adopt_orphans(void)
{
	adopts = can_walk() && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}
