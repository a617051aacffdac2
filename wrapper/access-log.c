#include <config.h>

#include "access-log.h"

#include "loop.h"
#include "sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { COMPLAIN_EVERY = 10000 /* milliseconds */ };

static const struct settings *settings;
static struct access_format format;
static struct sink sink;
static bool is_open;
static unsigned long lost;

static bool pass_line(const char *text, size_t size, const struct report_field *fields,
		       size_t count)
{
	return sink_write(&sink, text, size, &(struct report_message){
		.level = REPORT_IS_INFO, .kind = "access", .text = text, .size = size,
		.fields = fields, .field_count = count,
	});
}

/* Lines that begin with # are the header of a new file. */
static void begin_file(void)
{
	const time_t now = time(NULL);
	struct tm calendar;
	struct stat st;
	char text[512];
	int size;

	if (!format.header || sink.kind != SINK_FILE || fstat(sink.fd, &st) < 0 || st.st_size > 0)
		return;
	gmtime_r(&now, &calendar);
	size = snprintf(text, sizeof text, "#Version: 1.0\n#Date: ");
	size += (int)strftime(text + size, sizeof text - (size_t)size, "%Y-%m-%d %H:%M:%S", &calendar);
	size += snprintf(text + size, sizeof text - (size_t)size, "\n#Fields: %s", format.header);
	pass_line(text, (size_t)size, NULL, 0);
}

bool access_log_open(const struct settings *s)
{
	char fault[ACCESS_FAULT_SIZE];

	settings = s;
	if (!s->access_log)
		return true;
	access_format_read(&format, s->access_format, fault); /* settings_read() has looked at it */
	is_open = sink_open(&sink, "--access-log", s->access_log);
	if (is_open)
		begin_file();
	return is_open;
}

bool access_log_is_open(void)
{
	return is_open;
}

void access_log_reopen(void)
{
	if (!is_open)
		return;
	if (sink_reopen(&sink))
		begin_file();
	sink_tell_others(&sink);
}

void access_log_flush(void)
{
	if (is_open)
		sink_flush(&sink);
	if (lost > 0)
		report("--access-log %s: %lu lines were lost at the end", settings->access_log, lost);
}

bool access_log_suppresses(const char *path)
{
	for (size_t i = 0; is_open && path && i < settings->access_suppress.count; i++)
		if (strcmp(settings->access_suppress.texts[i], path) == 0)
			return true;
	return false;
}

static const char *param(const void *context, const char *name)
{
	return environment_get(context, name);
}

struct access_values *access_log_keep(const struct environment *sent)
{
	struct access_values *values = is_open ? calloc(1, sizeof *values) : NULL;

	if (values)
		access_values_take(values, &format, param, sent);
	return values;
}

void access_log_forget(struct access_values *values)
{
	if (values)
		access_values_free(values);
	free(values);
}

void access_log_keep_header(void *values, const char *header, size_t size)
{
	if (values && format.wants_headers)
		access_values_take_header(values, &format, header, size);
}

/* A loss is told when it begins, and with its size when lines are taken again. */
static void note_loss(bool taken)
{
	static int64_t last;
	int error = errno;

	if (taken && lost == 0)
		return;
	if (taken)
		report("--access-log %s: lines are written again; %lu were lost",
		       settings->access_log, lost);
	else if (lost++ == 0 && loop_is_time(&last, COMPLAIN_EVERY))
		report("--access-log %s: a line was lost: %s", settings->access_log,
		       strerror(error));
	if (taken)
		lost = 0;
}

static int64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void access_log_write(struct access_facts *facts, const struct report_field *fields, size_t count)
{
	static struct text line;

	if (!is_open)
		return;
	facts->pool = settings->pool_name;
	facts->begun = clock_now() - facts->took;
	facts->own_pid = getpid();
	facts->parent_pid = getppid();
	line.size = 0;
	line.failed = false;
	access_format_write(&format, facts, &line);
	errno = ENOMEM;
	note_loss(!line.failed && pass_line(line.bytes ? line.bytes : "", line.size, fields, count));
}
