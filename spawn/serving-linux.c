#include <config.h>

#include "serving.h"

#include "census.h"
#include "look-as.h"
#include "proc.h"
#include "report.h"
#include "self.h"
#include "traffic.h"
#include "waits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	WATCHED_MOST = 16, /* connections of a process; with more, not stuck with one */
	NS_PER_MS = 1000000,
	LISTENING = 2, /* sockets: the present and perhaps a former one */
	SHARE = 50 /* looks take a 50th of a processor at most */
};

/* A process, and its connections in the census. */
struct group {
	const struct census_connection *first;
	size_t count;
	bool begun; /* a connection is watched only since this look */
};

static const struct identity *identity;
static unsigned long listening, former; /* inodes; 0: none */
static struct serving *list;
static struct group *groups;
static unsigned long *sockets; /* inodes of a group and of listening sockets, sorted */
static size_t count;
static int64_t last_cost; /* in nanoseconds of processor time */

/* Serving processes. */

static size_t size_of_group(const struct census_connection *first, size_t most)
{
	size_t size = 1;

	while (size < most && first[size].process == first->process)
		size++;
	return size;
}

static uint64_t mix(uint64_t n)
{
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9U;
	n = (n ^ n >> 27) * 0x94d049bb133111ebU;
	return n ^ n >> 31;
}

/* A hash of the connections, in any order. */
static uint64_t number_of(const struct group *group)
{
	uint64_t number = group->count;

	for (size_t i = 0; i < group->count; i++)
		number += mix(group->first[i].inode + 1);
	return number;
}

static bool list_groups(void)
{
	size_t all;
	const struct census_connection *first = census_connections(&all), *end = first + all;

	free(list);
	free(groups);
	free(sockets);
	count = 0;
	list = calloc(all + 1, sizeof *list);
	groups = calloc(all + 1, sizeof *groups);
	sockets = calloc(all + LISTENING, sizeof *sockets);
	if (!list || !groups || !sockets)
		return false;
	for (size_t size; first < end; first += size) {
		size = size_of_group(first, (size_t)(end - first));
		if (!first->listens)
			continue;
		groups[count] = (struct group){ .first = first, .count = size };
		list[count] = (struct serving){
			.entry = first->entry, .depth = first->depth,
			.seen.process = first->process,
			.seen.connections = number_of(&groups[count]),
		};
		count++;
	}
	return true;
}

/* Waiting for clients. */

static void list_sockets_of(const struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		sockets[i] = group->first[i].inode;
	sockets[group->count] = listening;
	sockets[group->count + 1] = former;
	qsort(sockets, group->count + LISTENING, sizeof *sockets, waits_compare_sockets);
}

static bool is_refusal(int error)
{
	return error == EACCES || error == EPERM || error == ENOSYS;
}

static void tell_unseen(pid_t process, int error)
{
	static bool told;

	if (told || !is_refusal(error))
		return;
	told = true;
	report("cannot see what process %ld waits for: %s; --request-timeout does not end it, nor "
	       "others like it", (long)process, strerror(error));
}

/* A process hidden from its own user may be shown to root. */
static bool seems_to_wait(const struct group *group)
{
	const pid_t process = group->first->process;
	enum waits found;
	int error;

	if (group->first->opaque)
		return true;
	list_sockets_of(group);
	look_as(identity, true);
	found = waits_for(process, sockets, group->count + LISTENING);
	error = errno;
	look_as(identity, false);
	if (found == WAITS_HIDDEN && is_refusal(error)) {
		found = waits_for(process, sockets, group->count + LISTENING);
		error = errno;
	}
	if (found == WAITS_HIDDEN)
		tell_unseen(process, error);
	return found != WAITS_NOT;
}

/* Traffic with clients. */

static bool is_asked_about(size_t i)
{
	return !list[i].seen.waits && !groups[i].begun;
}

static void on_passed(unsigned long inode, void *argument)
{
	(void)argument;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < groups[i].count && is_asked_about(i); j++)
			list[i].seen.exchanged |= groups[i].first[j].inode == inode;
}

static void tell_unwatched(pid_t process, int error)
{
	static bool told;

	if (told || !is_refusal(error))
		return;
	told = true;
	report("cannot see whether process %ld and its client exchange anything: %s; "
	       "--request-timeout ends it, and others like it, only if it sleeps in one system call, "
	       "or computes, all the time", (long)process, strerror(error));
}

static void watch_group(struct group *group, struct request_sighting *seen)
{
	const struct census_connection *c = group->first;
	enum traffic result = TRAFFIC_REFUSED;

	if (group->count > WATCHED_MOST)
		return;
	for (; c < group->first + group->count; c++) {
		result = traffic_watch(c->process, c->descriptor, c->inode);
		group->begun |= result == TRAFFIC_BEGUN;
		seen->waits |= result == TRAFFIC_BLOCKED;
		if (result == TRAFFIC_REFUSED) {
			tell_unwatched(c->process, errno);
			return;
		}
	}
	seen->watched = true;
}

/* Adds the times that a thread has gone to sleep. */

static void add_switches(pid_t thread, void *argument)
{
	static const char name[] = "\nvoluntary_ctxt_switches:";
	struct request_sighting *seen = argument;
	char text[4096];
	const char *line;

	if (seen->switches < 0)
		return;
	line = proc_read(thread, "status", text, sizeof text) ? strstr(text, name) : NULL;
	if (line)
		seen->switches += atoll(line + sizeof name - 1);
	else
		seen->switches = -1;
}

static void look_closer(size_t i)
{
	struct request_sighting *seen = &list[i].seen;

	if (seen->waits)
		return;
	watch_group(&groups[i], seen);
	if (!seen->watched)
		proc_visit_threads(seen->process, add_switches, seen);
	else
		seen->switches = -1;
}

const struct serving *serving_look(size_t *found)
{
	const int64_t begin = self_processor_time();

	*found = 0;
	if (!list_groups())
		return NULL;
	for (size_t i = 0; i < count; i++)
		list[i].seen.waits = seems_to_wait(&groups[i]);
	/* Traffic since the last look, before watch_group() sets begun. */
	traffic_tell(on_passed, NULL);
	for (size_t i = 0; i < count; i++)
		look_closer(i);
	/* The first event of a new connection means nothing (begun), but others count. */
	traffic_tell(on_passed, NULL);
	last_cost = self_processor_time() - begin;
	*found = count;
	return list;
}

int64_t serving_pause(void)
{
	return last_cost * (SHARE - 1) / NS_PER_MS;
}

void serving_renew(int listener)
{
	struct stat st;

	former = listening;
	listening = fstat(listener, &st) == 0 ? st.st_ino : 0;
}

void serving_forget_former(void)
{
	former = 0;
}

bool serving_open(int listener, const struct identity *program)
{
	struct stat st;
	char text[256];

	identity = program;
	if (fstat(listener, &st) < 0)
		return false;
	listening = st.st_ino;
	return census_shows_connections() && proc_read(getpid(), "syscall", text, sizeof text);
}

void serving_look_as(bool begin)
{
	look_as(identity, begin);
}
