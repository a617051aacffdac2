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
 * One variable: "PID SOCKET BOUND NAME", with the name by which the file of the socket is
 * known again, then for each member ";PID STARTED OUTPUT PHASE OUTDATED". PID comes first,
 * since the variable means nothing to any other process.
 */
static const char variable[] = "SPAWN_FCGI_HANDOVER";

enum { MEMBER_TEXT = 80 };

struct head {
	int socket, bound, used;
	char name[LISTENER_NAME_SIZE];
};

static const char *find_text(struct head *out)
{
	const char *text = getenv(variable);
	long pid;

	if (!text || sscanf(text, "%ld %d %d %127[^;]%n", &pid, &out->socket, &out->bound, out->name,
			    &out->used) != 4)
		return NULL;
	return pid == (long)getpid() ? text : NULL;
}

bool handover_is_pending(void)
{
	struct head head;

	return find_text(&head) != NULL;
}

int handover_socket(bool *bound, struct listen_identity *file)
{
	struct head head;

	if (!find_text(&head))
		return -1;
	*bound = head.bound;
	listener_read_name(head.name, file);
	return head.socket;
}

void handover_take(void)
{
	struct head head;
	int used, output, phase, outdated;
	const char *text = find_text(&head);
	int64_t started;
	long pid;

	for (text = text ? text + head.used : ""; *text == ';'; text += used) {
		struct member *m;

		if (sscanf(text, ";%ld %" SCNd64 " %d %d %d%n", &pid, &started, &output, &phase,
			   &outdated, &used) != 5)
			break;
		m = member_adopt((pid_t)pid, started, output, (enum member_phase)phase);
		if (m)
			m->outdated = outdated;
		else
			report("process %ld is forgotten: %s", pid, strerror(errno));
	}
	unsetenv(variable);
}

static void pass_on(int fd, bool keep)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static void pass_all_on(int listener, bool keep)
{
	pass_on(listener, keep);
	for (const struct member *m = member_first; m; m = m->next)
		pass_on(m->output.fd, keep);
}

static char *write_text(const struct listener *listener)
{
	size_t room = MEMBER_TEXT * (size_t)(member_count() + 1) + LISTENER_NAME_SIZE;
	char *text = malloc(room), name[LISTENER_NAME_SIZE];
	size_t size;

	if (!text)
		return NULL;
	listener_name(listener, name);
	size = (size_t)snprintf(text, room, "%ld %d %d %s", (long)getpid(), listener->fd,
				listener->bound, name);
	for (struct member *m = member_first; m; m = m->next) {
		if (m->child.ended)
			continue;
		member_flush(m);
		size += (size_t)snprintf(text + size, room - size, ";%ld %" PRId64 " %d %d %d",
					 (long)m->child.pid, m->child.started, m->output.fd,
					 (int)m->phase, m->outdated);
	}
	return text;
}

void handover_execute(char **argv, const struct listener *listener)
{
	char *text = write_text(listener);

	journal_flush();
	if (text && setenv(variable, text, 1) == 0) {
		pass_all_on(listener->fd, true);
		process_execute_anew(argv);
		pass_all_on(listener->fd, false);
	}
	report("cannot execute %s anew: %s (this one goes on)", argv[0], strerror(errno));
	unsetenv(variable);
	free(text);
}
