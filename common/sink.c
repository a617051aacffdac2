#include <config.h>

#include "sink.h"

#include "devlog.h"
#include "journald.h"
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* Standard error is shared with processes that may fill it up between our poll(2) and
 * write(2), and do not expect O_NONBLOCK. Opening /dev/stderr, where possible, gives us an open
 * file of our own. */
static void open_standard_error(struct sink *s)
{
	struct stat st;
	int own;

	s->fd = STDERR_FILENO;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	s->is_socket = S_ISSOCK(st.st_mode);
	s->is_stamped = journald_is_at(STDERR_FILENO);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	own = open("/dev/stderr", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (own >= 0)
		s->fd = own;
}

static void open_syslog(const char *option)
{
	if (!devlog_open())
		report("%s: no syslog daemon at %s: %s (messages are lost until there is one; or use "
		       "%s FILE)", option, devlog_path, strerror(errno), option);
}

static void open_journal(const char *option)
{
	if (!journald_open())
		report("%s: no journal at %s: %s (messages are lost until there is one; or use "
		       "%s FILE)", option, journald_path, strerror(errno), option);
}

static bool open_log_file(struct sink *s)
{
	const char *why;

	s->fd = logfile_open(s->path, &s->unended, &why);
	if (s->fd < 0) {
		report("%s: cannot open %s: %s", s->option, s->path, why);
		return false;
	}
	s->told = mmap(NULL, sizeof *s->told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (s->told == MAP_FAILED)
		s->told = NULL;
	return true;
}

bool sink_open(struct sink *s, const char *option, const char *where)
{
	*s = (struct sink){ .kind = SINK_FILE, .option = option, .path = where, .fd = -1 };
	if (strcmp(where, "-") == 0) {
		s->kind = SINK_STANDARD_ERROR;
		open_standard_error(s);
	} else if (strcmp(where, "syslog") == 0) {
		s->kind = SINK_SYSLOG;
		open_syslog(option);
	} else if (strcmp(where, "journal") == 0) {
		s->kind = SINK_JOURNAL;
		open_journal(option);
	} else {
		return open_log_file(s);
	}
	return true;
}

bool sink_could_open(const char *option, const char *where)
{
	const char *why;

	if (strcmp(where, "-") == 0 || strcmp(where, "syslog") == 0 ||
	    strcmp(where, "journal") == 0 || logfile_could_open(where, &why))
		return true;
	report("%s: cannot open %s: %s", option, where, why);
	return false;
}

bool sink_reopen(struct sink *s)
{
	struct stat before, after;
	const char *why;
	bool within, renewed;
	int again;

	if (s->kind == SINK_SYSLOG)
		devlog_open();
	if (s->kind == SINK_JOURNAL)
		journald_open();
	if (s->kind != SINK_FILE)
		return false;
	again = logfile_open(s->path, &within, &why);
	if (again < 0) {
		report("%s: cannot open %s again: %s; the old file is kept", s->option, s->path, why);
		return false;
	}
	renewed = fstat(s->fd, &before) < 0 || fstat(again, &after) < 0 ||
		  before.st_dev != after.st_dev || before.st_ino != after.st_ino;
	close(s->fd);
	s->fd = again;
	s->unended = within;
	return renewed;
}

void sink_tell_others(struct sink *s)
{
	if (s->told)
		s->heeded = atomic_fetch_add(s->told, 1) + 1;
}

static void heed_others(struct sink *s)
{
	unsigned told = s->told ? atomic_load_explicit(s->told, memory_order_relaxed) : s->heeded;

	if (told == s->heeded)
		return;
	s->heeded = told; /* first, since sink_reopen() may report, to this sink */
	sink_reopen(s);
}

/* A pipe takes so short a text as a whole, or not at all. A file may take a part; the next text
 * then begins with the missing line end. */
static bool put_whole(struct sink *s, const char *text, size_t size)
{
	struct pollfd ready = { .fd = s->fd, .events = POLLOUT };
	struct iovec parts[] = {
		{ .iov_base = (char *)"\n", .iov_len = s->unended },
		{ .iov_base = (char *)(size_t)text, .iov_len = size },
		{ .iov_base = (char *)"\n", .iov_len = 1 },
	};
	const struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	size_t whole = s->unended + size + 1;
	ssize_t n;

	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT)) {
		errno = EAGAIN;
		return false;
	}
	n = s->is_socket ? sendmsg(s->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
			 : writev(s->fd, parts, 3);
	if (n > 0)
		s->unended = n != (ssize_t)whole && !(n == 1 && s->unended);
	if (n >= 0 && n != (ssize_t)whole)
		errno = ENOSPC;
	return n == (ssize_t)whole;
}

bool sink_write(struct sink *s, const char *text, size_t size, const struct report_message *message)
{
	heed_others(s);
	switch (s->kind) {
	case SINK_SYSLOG:
		errno = EAGAIN;
		return devlog_send(message->level, message->text, message->size);
	case SINK_JOURNAL:
		return journald_send(message);
	default:
		/* Where the journal refuses, it still reads our standard error. */
		return (s->is_stamped && journald_send(message)) || put_whole(s, text, size);
	}
}

void sink_flush(struct sink *s)
{
	if (s->kind == SINK_SYSLOG)
		devlog_flush();
}
