#include <config.h>

#include "handover.h"

#include "journal.h"
#include "member.h"
#include "process.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * One variable: "PID SOCKET BOUND", then for each member ";PID STARTED OUTPUT LEAVES OUTDATED".
 * PID comes first, since the variable means nothing to any other process.
 */
static const char variable[] = "SPAWN_FCGI_HANDOVER";

enum { MEMBER_TEXT = 80 };

static const char *find_text(int *socket, int *bound, int *used)
{
	const char *text = getenv(variable);
	long pid;

	if (!text || sscanf(text, "%ld %d %d%n", &pid, socket, bound, used) != 3)
		return NULL;
	return pid == (long)getpid() ? text : NULL;
}

bool handover_is_pending(void)
{
	int socket, bound, used;

	return find_text(&socket, &bound, &used) != NULL;
}

int handover_socket(bool *bound)
{
	int socket, was_bound, used;

	if (!find_text(&socket, &was_bound, &used))
		return -1;
	*bound = was_bound;
	return socket;
}

void handover_take(void)
{
	int socket, bound, used, output, leaves, outdated;
	const char *text = find_text(&socket, &bound, &used);
	int64_t started;
	long pid;

	for (text = text ? text + used : ""; *text == ';'; text += used) {
		struct member *m;

		if (sscanf(text, ";%ld %" SCNd64 " %d %d %d%n", &pid, &started, &output, &leaves,
			   &outdated, &used) != 5)
			break;
		m = member_adopt((pid_t)pid, started, output, leaves);
		if (m)
			m->outdated = outdated;
		else
			report("process %ld is forgotten: %s", pid, strerror(errno));
	}
	unsetenv(variable);
}

static void keep_open(int fd, bool keep)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static void keep_all_open(int listener, bool keep)
{
	keep_open(listener, keep);
	for (const struct member *m = member_first; m; m = m->next)
		keep_open(m->output.fd, keep);
}

static char *write_text(int listener, bool bound)
{
	size_t room = MEMBER_TEXT * (size_t)(member_count() + 1);
	char *text = malloc(room);
	size_t size;

	if (!text)
		return NULL;
	size = (size_t)snprintf(text, room, "%ld %d %d", (long)getpid(), listener, bound);
	for (struct member *m = member_first; m; m = m->next) {
		if (m->child.ended)
			continue;
		member_flush(m);
		size += (size_t)snprintf(text + size, room - size, ";%ld %" PRId64 " %d %d %d",
					 (long)m->child.pid, m->child.started, m->output.fd,
					 !member_is_here(m), m->outdated);
	}
	return text;
}

void handover_execute(char **argv, int listener, bool bound)
{
	char *text = write_text(listener, bound);

	journal_flush();
	if (text && setenv(variable, text, 1) == 0) {
		keep_all_open(listener, true);
		process_execute_anew(argv);
		keep_all_open(listener, false);
	}
	report("cannot execute %s anew: %s (this one goes on)", argv[0], strerror(errno));
	unsetenv(variable);
	free(text);
}
