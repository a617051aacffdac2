#include <config.h>

#include "journal.h"

#include "lines.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { STAMP_SIZE = 64 };

static const char *path; /* NULL: none */
static bool to_syslog;
static int fd = STDERR_FILENO;
static unsigned lost; /* lines that nobody has taken */

/* Whoever reads the other end of a pipe may be slow, and then we wait for nobody. */
static int open_file(void)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

bool journal_open(const char *where)
{
	if (!where)
		return true;
	if (strcmp(where, "syslog") == 0) {
		openlog("spawn-fcgi", LOG_PID | LOG_NDELAY, LOG_DAEMON);
		to_syslog = true;
		return true;
	}
	path = where;
	fd = open_file();
	if (fd >= 0)
		return true;
	report("--log: cannot open %s: %s%s", path, strerror(errno),
	       errno == ENOENT ? " (does the directory exist?)" : "");
	return false;
}

void journal_reopen(void)
{
	int again;

	if (!path)
		return;
	again = open_file();
	if (again < 0) {
		report("--log: cannot open %s again: %s (the old file is kept)", path,
		       strerror(errno));
		return;
	}
	close(fd);
	fd = again;
}

/* Puts the time and the process in front of a line. Returns its size with both. */
static size_t stamp(char *out, pid_t process, const char *line, size_t size)
{
	time_t now = time(NULL);
	struct tm calendar;
	size_t head;

	localtime_r(&now, &calendar);
	head = strftime(out, STAMP_SIZE, "%Y-%m-%dT%H:%M:%S%z", &calendar);
	head += (size_t)snprintf(out + head, STAMP_SIZE - head, " [%ld] ", (long)process);
	memcpy(out + head, line, size);
	out[head + size] = '\n';
	return head + size + 1;
}

/* A line is not longer than what a pipe takes as a whole, or not at all. */
static bool put(pid_t process, const char *line, size_t size)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	char text[STAMP_SIZE + LINE_MOST + 1];

	size = stamp(text, process, line, size < LINE_MOST ? size : LINE_MOST);
	return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) &&
	       write(fd, text, size) == (ssize_t)size;
}

static void put_lost(void)
{
	char note[64];
	int size = snprintf(note, sizeof note, "(%u lines lost)", lost);

	if (put(getpid(), note, (size_t)size))
		lost = 0;
}

void journal_write(pid_t process, const char *line, size_t size)
{
	if (to_syslog) {
		syslog(LOG_INFO, "[%ld] %.*s", (long)process, (int)size, line);
		return;
	}
	if (lost > 0)
		put_lost();
	if (lost > 0 || !put(process, line, size))
		lost++;
}

static void write_report(const char *text, size_t size)
{
	if (to_syslog)
		syslog(LOG_NOTICE, "%.*s", (int)size, text);
	else
		journal_write(getpid(), text, size);
}

void journal_take_reports(void)
{
	if (to_syslog || path)
		report_to(write_report);
}
