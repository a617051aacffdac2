#include <config.h>

#include "handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * "PID VERSION TRIAL SOCKET BOUND RELOADING COUNT NAME", then for each worker
 * ";PID STARTED OUTPUT PHASE OUTDATED". The first two stay what they are in all versions.
 */
enum { FORMAT = 2, HEAD_TEXT = 120, WORKER_TEXT = 80, COUNT_MOST = 100000 };

static bool read_worker(struct handover_worker *out, const char **text)
{
	int used = 0, outdated;
	long pid;

	if (sscanf(*text, ";%ld %" SCNd64 " %d %d %d%n", &pid, &out->started, &out->output,
		   &out->phase, &outdated, &used) != 5)
		return false;
	out->pid = (pid_t)pid;
	out->outdated = outdated;
	*text += used;
	return true;
}

static bool read_all(struct handover *out, const char *text)
{
	int trial, bound, reloading, used = 0;

	if (sscanf(text, "%d %d %d %d %zu %127[^;]%n", &trial, &out->socket, &bound, &reloading,
		   &out->count, out->name, &used) != 6 || out->count > COUNT_MOST)
		return false;
	out->trial = trial;
	out->bound = bound;
	out->reloading = reloading;
	out->workers = calloc(out->count + 1, sizeof *out->workers);
	if (!out->workers)
		return false;
	text += used;
	for (size_t i = 0; i < out->count; i++)
		if (!read_worker(&out->workers[i], &text))
			return false;
	return *text == '\0';
}

enum handover_kind handover_read(struct handover *out, const char *text, pid_t pid)
{
	long whose;
	int version, used;

	*out = (struct handover){ .socket = -1 };
	if (!text || sscanf(text, "%ld %d %n", &whose, &version, &used) != 2 || whose != (long)pid)
		return HANDOVER_NONE;
	if (version == FORMAT && read_all(out, text + used))
		return HANDOVER_READ;
	handover_free(out);
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
	h->workers = NULL;
	h->count = 0;
}
