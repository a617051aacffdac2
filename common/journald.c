#include <config.h>

#include "journald.h"

#include "local.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRY_MOST = 32 * 1024 };

const char journald_path[] = "/run/systemd/journal/socket";

static int fd = -1;

bool journald_is_at(int stream)
{
	const char *known = getenv("JOURNAL_STREAM");
	struct stat st;
	char ours[64];

	if (!known || fstat(stream, &st) < 0)
		return false;
	snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(known, ours) == 0;
}

bool journald_open(void)
{
	if (fd >= 0)
		close(fd);
	fd = local_connect(journald_path, SOCK_DGRAM);
	return fd >= 0;
}

/* An entry: lines NAME=VALUE. A field that has no room is left out. */
struct entry {
	char bytes[ENTRY_MOST];
	size_t size;
};

/* A line end within the value would begin another field. */
static void add_field(struct entry *e, const char *name, const char *value, size_t size)
{
	size_t length = strlen(name);

	if (length + size + 2 > sizeof e->bytes - e->size)
		return;
	memcpy(e->bytes + e->size, name, length);
	e->size += length;
	e->bytes[e->size++] = '=';
	for (size_t i = 0; i < size; i++)
		e->bytes[e->size++] = value[i] == '\n' || value[i] == '\0' ? '?' : value[i];
	e->bytes[e->size++] = '\n';
}

static void add_text(struct entry *e, const char *name, const char *value)
{
	add_field(e, name, value, strlen(value));
}

/* FNV-1a, of 64 bits. */
static uint64_t hash(const char *text, uint64_t from)
{
	for (; *text; text++)
		from = (from ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return from;
}

static void add_kind(struct entry *e, const char *kind)
{
	char id[33];

	snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64,
		 hash(kind, UINT64_C(0xcbf29ce484222325)), hash(kind, UINT64_C(0x6c62272e07bb0142)));
	add_text(e, "MESSAGE_ID", id);
}

static bool send_entry(const struct entry *e)
{
	return fd >= 0 && send(fd, e->bytes, e->size, MSG_NOSIGNAL) == (ssize_t)e->size;
}

bool journald_send(const struct report_message *m)
{
	static struct entry entry;
	char number[16];

	entry.size = 0;
	add_field(&entry, "MESSAGE", m->text, m->size);
	snprintf(number, sizeof number, "%d", m->level);
	add_text(&entry, "PRIORITY", number);
	add_text(&entry, "SYSLOG_IDENTIFIER", report_name());
	snprintf(number, sizeof number, "%ld", (long)(m->process ? m->process : getpid()));
	add_text(&entry, "SYSLOG_PID", number);
	if (m->kind)
		add_kind(&entry, m->kind);
	add_text(&entry, "DOCUMENTATION",
		 strcmp(report_name(), "fcgiwrap") == 0 ? "man:fcgiwrap(8)" : "man:spawn-fcgi(1)");
	for (size_t i = 0; i < m->field_count; i++)
		if (m->fields[i].value)
			add_text(&entry, m->fields[i].name, m->fields[i].value);
	if (send_entry(&entry))
		return true;
	/* The journal may have been started anew. */
	return errno != EAGAIN && errno != EWOULDBLOCK && journald_open() && send_entry(&entry);
}
