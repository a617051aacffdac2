#include <config.h>

#include "handover.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * "PID VERSION TRIAL SOCKET BOUND RELOADING COUNT NAME", then for each worker
 * ";PID STARTED OUTPUT PHASE OUTDATED". All versions begin with PID and VERSION.
 */
enum { FORMAT = 2, HEAD_TEXT = 120, WORKER_TEXT = 80, COUNT_MOST = 100000 };

/* Reads a decimal number and the character before, unless NUL. Moves *text on. */
static bool read_number(const char **text, char before, int64_t least, int64_t most,
			int64_t *out)
{
	const char *digits = before ? *text + 1 : *text;
	char *end;

	if ((before && **text != before) || !(*digits == '-' || (*digits >= '0' && *digits <= '9')))
		return false;
	errno = 0;
	*out = strtoll(digits, &end, 10);
	*text = end;
	return errno == 0 && *out >= least && *out <= most;
}

/* Process 1 is no child of anybody, and kill(-1) signals all processes. */
static bool read_worker(struct handover_worker *out, const char **text)
{
	int64_t pid, output, phase, outdated;

	if (!read_number(text, ';', 2, INT_MAX, &pid) ||
	    !read_number(text, ' ', INT64_MIN, INT64_MAX, &out->started) ||
	    !read_number(text, ' ', -1, INT_MAX, &output) ||
	    !read_number(text, ' ', 0, INT_MAX, &phase) ||
	    !read_number(text, ' ', 0, 1, &outdated))
		return false;
	out->pid = (pid_t)pid;
	out->output = (int)output;
	out->phase = (int)phase;
	out->outdated = outdated;
	return true;
}

static bool read_socket_name(char *out, const char **text)
{
	const char *name = *text + 1;
	size_t size = **text == ' ' ? strcspn(name, ";") : 0;

	if (size == 0 || size >= HANDOVER_NAME_SIZE)
		return false;
	memcpy(out, name, size);
	out[size] = '\0';
	*text = name + size;
	return true;
}

static bool read_all(struct handover *out, const char *text)
{
	int64_t trial, socket, bound, reloading, count;

	if (!read_number(&text, ' ', 0, 1, &trial) ||
	    !read_number(&text, ' ', 0, INT_MAX, &socket) ||
	    !read_number(&text, ' ', 0, 1, &bound) ||
	    !read_number(&text, ' ', 0, 1, &reloading) ||
	    !read_number(&text, ' ', 0, COUNT_MOST, &count) || !read_socket_name(out->name, &text))
		return false;
	out->trial = trial;
	out->socket = (int)socket;
	out->bound = bound;
	out->reloading = reloading;
	out->workers = calloc((size_t)count + 1, sizeof *out->workers);
	if (!out->workers)
		return false;
	while (out->count < (size_t)count && read_worker(&out->workers[out->count], &text))
		out->count++;
	return out->count == (size_t)count && *text == '\0';
}

enum handover_kind handover_read(struct handover *out, const char *text, pid_t pid)
{
	const char *rest = text;
	int64_t whose, version;

	*out = (struct handover){ .socket = -1 };
	if (!text || !read_number(&rest, '\0', 1, INT_MAX, &whose) || whose != pid)
		return HANDOVER_NONE;
	if (read_number(&rest, ' ', FORMAT, FORMAT, &version) && read_all(out, rest))
		return HANDOVER_READ;
	handover_free(out);
	out->socket = -1;
	return HANDOVER_UNKNOWN;
}

char *handover_write(const struct handover *h, pid_t pid)
{
	size_t room = HEAD_TEXT + HANDOVER_NAME_SIZE + WORKER_TEXT * h->count, size;
	char *text = malloc(room);

	if (!text)
		return NULL;
	size = (size_t)snprintf(text, room, "%ld %d %d %d %d %d %zu %s", (long)pid, FORMAT,
				h->trial, h->socket, h->bound, h->reloading, h->count, h->name);
	for (const struct handover_worker *w = h->workers; w < h->workers + h->count; w++)
		size += (size_t)snprintf(text + size, room - size, ";%ld %" PRId64 " %d %d %d",
					 (long)w->pid, w->started, w->output, w->phase,
					 w->outdated);
	return text;
}

void handover_free(struct handover *h)
{
	free(h->workers);
	free(h->waits);
	h->workers = NULL;
	h->waits = NULL;
	h->count = 0;
}
