#include <config.h>

#include "devlog.h"

#include "lines.h"
#include "local.h"
#include "loop.h"
#include "report.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef _PATH_LOG
#define _PATH_LOG "/dev/log"
#endif

enum {
	HEAD_SIZE = 128, MESSAGE_MOST = HEAD_SIZE + LINE_MOST,
	/* Bytes for a burst, or for a restart of the daemon. */
	KEPT_MOST = 64 * 1024,
	RETRY_LEAST = 4, RETRY_MOST = 256, FLUSH_MOST = 250 /* milliseconds */
};

const char devlog_path[] = _PATH_LOG;

static int fd = -1;
static bool is_stream; /* messages end with a NUL there */

/* Messages not yet taken by the daemon, each behind its size. */
static char kept[KEPT_MOST];
static size_t kept_size;
static struct deadline retry;
static int64_t retry_delay;

static bool connect_by(int type)
{
	fd = local_connect(devlog_path, type);
	is_stream = type == SOCK_STREAM;
	return fd >= 0;
}

bool devlog_open(void)
{
	if (fd >= 0)
		close(fd);
	return connect_by(SOCK_DGRAM) || (errno == EPROTOTYPE && connect_by(SOCK_STREAM));
}

/* Connects anew after a failure, for the next attempt: another daemon may be there now. A
 * message taken in part by a stream ends with the connection. */
static bool pass_on(const char *message, size_t size)
{
	size += is_stream;
	if (fd >= 0 && send(fd, message, size, MSG_NOSIGNAL) == (ssize_t)size)
		return true;
	devlog_open();
	return false;
}

static bool pass_on_kept(void)
{
	size_t at = 0, size;

	while (at < kept_size) {
		memcpy(&size, kept + at, sizeof size);
		if (!pass_on(kept + at + sizeof size, size))
			break;
		at += sizeof size + size + 1;
	}
	memmove(kept, kept + at, kept_size - at);
	kept_size -= at;
	return at > 0;
}

static void on_retry(struct deadline *d)
{
	if (pass_on_kept())
		retry_delay = RETRY_LEAST;
	else if (retry_delay < RETRY_MOST)
		retry_delay *= 2;
	if (kept_size > 0)
		deadline_set(d, retry_delay, on_retry);
}

static bool keep(const char *message, size_t size)
{
	if (sizeof size + size + 1 > KEPT_MOST - kept_size)
		return false;
	memcpy(kept + kept_size, &size, sizeof size);
	memcpy(kept + kept_size + sizeof size, message, size + 1);
	kept_size += sizeof size + size + 1;
	if (!deadline_is_set(&retry))
		deadline_set(&retry, retry_delay = RETRY_LEAST, on_retry);
	return true;
}

bool devlog_send(int priority, const char *text, size_t size)
{
	const time_t now = time(NULL);
	struct tm calendar;
	char message[MESSAGE_MOST + 1];
	size_t head = (size_t)snprintf(message, HEAD_SIZE, "<%d>", LOG_DAEMON | priority);

	localtime_r(&now, &calendar);
	head += strftime(message + head, HEAD_SIZE - head, "%b %e %H:%M:%S", &calendar);
	head += (size_t)snprintf(message + head, HEAD_SIZE - head, " %s[%ld]: ",
				 report_name(), (long)getpid());
	if (size > MESSAGE_MOST - head)
		size = MESSAGE_MOST - head;
	memcpy(message + head, text, size);
	size += head;
	message[size] = '\0';
	return (kept_size == 0 && pass_on(message, size)) || keep(message, size);
}

void devlog_flush(void)
{
	for (int waited = 0; kept_size > 0 && waited < FLUSH_MOST; waited += RETRY_LEAST) {
		pass_on_kept();
		if (kept_size > 0)
			poll(NULL, 0, RETRY_LEAST);
	}
}
