#include <config.h>

#include "journal.h"

#include "devlog.h"
#include "lines.h"
#include "logfile.h"
#include "loop.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	HEAD_SIZE = 64,
	LOST_AFTER = 1000 /* milliseconds until the number of lost lines is told */
};

static const char *path; /* NULL: none */
static bool to_syslog;
static int fd = STDERR_FILENO;
static bool is_socket;  /* as standard error of a systemd service */
static bool is_stamped; /* journald puts the time in front of lines */
static bool unended;    /* the last line was written in part */
static unsigned lost;   /* lines not written */
static struct deadline tell_lost;

/* systemd names the journal's socket in JOURNAL_STREAM, by device and inode. */
static bool is_of_journald(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];

	snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
	return stream && strcmp(stream, ours) == 0;
}

/* Standard error is shared with processes that may fill it up between our poll(2) and
 * write(2), and do not expect O_NONBLOCK. Opening /dev/stderr, where possible, gives us an open
 * file of our own. */
static void open_standard_error(void)
{
	struct stat st;
	int own;

	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	is_socket = S_ISSOCK(st.st_mode);
	is_stamped = is_of_journald(&st);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	own = open("/dev/stderr", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (own >= 0)
		fd = own;
}

bool journal_open(const char *where)
{
	const char *why;

	if (!where) {
		open_standard_error();
		return true;
	}
	if (strcmp(where, "syslog") == 0) {
		to_syslog = true;
		if (!devlog_open())
			report("--log: no syslog daemon at %s: %s (messages are lost until there "
			       "is one; or use --log FILE)", devlog_path, strerror(errno));
		return true;
	}
	path = where;
	fd = logfile_open(path, &unended, &why);
	if (fd < 0)
		report("--log: cannot open %s: %s", path, why);
	return fd >= 0;
}

void journal_reopen(void)
{
	const char *why;
	bool within;
	int again;

	if (to_syslog)
		devlog_open();
	if (!path)
		return;
	again = logfile_open(path, &within, &why);
	if (again < 0) {
		report("--log: cannot open %s again: %s; the old file is kept", path, why);
		return;
	}
	close(fd);
	fd = again;
	unended = within;
}

/* Writes the head of a line: time (but to syslog) and process, or, for our own messages
 * (process 0) on standard error, our name. Returns the size. */
static size_t write_head(char *out, pid_t process)
{
	const time_t now = time(NULL);
	struct tm calendar;
	size_t size = 0;

	if (!path && !to_syslog && process == 0)
		return (size_t)snprintf(out, HEAD_SIZE, "spawn-fcgi: ");
	if (to_syslog && process == 0)
		return 0;
	if (!to_syslog && !is_stamped) {
		localtime_r(&now, &calendar);
		size = strftime(out, HEAD_SIZE, "%Y-%m-%dT%H:%M:%S%z ", &calendar);
	}
	return size + (size_t)snprintf(out + size, HEAD_SIZE - size, "[%ld] ",
				       (long)(process ? process : getpid()));
}

/* A pipe takes so short a text as a whole, or not at all. A file may take a part; the next text
 * then begins with the missing line end. */
static bool put_whole(const char *text, size_t size)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
		return false;
	n = is_socket ? send(fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) : write(fd, text, size);
	if (n > 0)
		unended = text[n - 1] != '\n';
	return n == (ssize_t)size;
}

static bool try_to_write(pid_t process, const char *line, size_t size)
{
	char text[1 + HEAD_SIZE + LINE_MOST + 1];
	size_t before = unended;

	if (size > LINE_MOST)
		size = report_whole(line, LINE_MOST);
	text[0] = '\n';
	before += write_head(text + before, process);
	memcpy(text + before, line, size);
	size += before;
	if (to_syslog)
		return devlog_send(process ? LOG_INFO : LOG_NOTICE, text, size);
	text[size] = '\n';
	return put_whole(text, size + 1);
}

static void on_tell_lost(struct deadline *d)
{
	char note[64];
	int size = snprintf(note, sizeof note, "(%u lines lost)", lost);

	if (lost > 0 && try_to_write(0, note, (size_t)size))
		lost = 0;
	if (lost > 0 && !deadline_is_set(d))
		deadline_set(d, LOST_AFTER, on_tell_lost);
}

void journal_write(pid_t process, const char *line, size_t size)
{
	if (lost > 0)
		on_tell_lost(&tell_lost);
	if (lost > 0 || !try_to_write(process, line, size))
		lost++;
	if (lost > 0 && !deadline_is_set(&tell_lost))
		deadline_set(&tell_lost, LOST_AFTER, on_tell_lost);
}

static void write_report(const char *text, size_t size)
{
	journal_write(0, text, size);
}

void journal_take_reports(void)
{
	report_to(write_report);
}

void journal_flush(void)
{
	if (lost > 0)
		on_tell_lost(&tell_lost);
	if (to_syslog)
		devlog_flush();
}
