#include <config.h>

#include "request-log.h"

#include "explain.h"
#include "os.h"
#include "record.h"
#include "report.h"
#include "response.h"
#include "script.h"
#include "tag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT_MOST = 1024,
	READ_SIZE = 1024, /* bytes of standard error read in one go */
	READS_MOST = 64 * 1024 / READ_SIZE,
	/* READ_SIZE bytes as records of a line each */
	ROOM = READ_SIZE * (RECORD_HEADER_SIZE + 2) + LINE_MOST
};

void request_log_tag(struct request_log *log, const char *tag)
{
	free(log->tag);
	log->tag = strdup(tag);
}

void request_log_client(struct request_log *log, const char *address)
{
	snprintf(log->client_address, sizeof log->client_address, "%s", address ? address : "");
}

void request_log_name(struct request_log *log, const char *label)
{
	char *copy = strdup(label);

	if (!copy)
		return;
	free(log->label);
	log->label = copy;
}

/* The client chooses the path: the label is bounded in length, and begins with "script",
 * so that no path can pose as another message. */
void request_log_found(struct request_log *log, const char *path)
{
	char label[SCRIPT_LABEL_SIZE];

	snprintf(label, sizeof label, "script %.*s%s", SCRIPT_SHOWN_MOST, path,
		 strlen(path) > SCRIPT_SHOWN_MOST ? "..." : "");
	request_log_name(log, label);
}

/* FCGI_STDERR records keep the line end, since clients may join records. */
static bool request_log_send(struct request_log *log, char *text, size_t size)
{
	struct buffer *out = &log->client->out;

	if (explain_is_open() || !log->client->service->settings->stderr_to_client ||
	    buffer_space(out) < RECORD_HEADER_SIZE + size + 1 + RESPONSE_RESERVE)
		return false;
	text[size] = '\n';
	if (!response_put(out, FCGI_STDERR, log->id, text, size + 1))
		return false;
	log->sent = true;
	return true;
}

static int request_log_tag_prefix(const struct request_log *log, char *out, size_t size)
{
	*out = '\0';
	return log->tag ? snprintf(out, size, "request %s: ", log->tag) : 0;
}

static size_t request_log_prefix(const struct request_log *log, char *out, size_t size)
{
	const char *label = log->label ? log->label : "a request";

	return (size_t)(log->pid > 0
			? snprintf(out, size, "%s[%ld]: ", label, (long)log->pid)
			: snprintf(out, size, "%s: ", label));
}

const char *request_log_script(const struct request_log *log)
{
	static const char script[] = "script ";

	return log->label && strncmp(log->label, script, sizeof script - 1) == 0
		       ? log->label + sizeof script - 1 : NULL;
}

void request_log_fields(const struct request_log *log, struct request_log_fields *out)
{
	snprintf(out->pid, sizeof out->pid, "%ld", (long)log->pid);
	snprintf(out->status, sizeof out->status, "%d", log->status);
	out->of[0] = (struct report_field){ "FCGI_SCRIPT", request_log_script(log) };
	out->of[1] = (struct report_field){ "FCGI_SCRIPT_PID", log->pid > 0 ? out->pid : NULL };
	out->of[2] = (struct report_field){ "FCGI_STATUS", log->status ? out->status : NULL };
	out->of[3] = (struct report_field){ "FCGI_REMOTE_ADDR",
					    log->client_address[0] ? log->client_address : NULL };
	out->of[4] = (struct report_field){ "FCGI_REQUEST_ID", log->tag };
}

static void request_log_report(const struct request_log *log, int level, const char *kind,
			       const char *text, size_t size)
{
	struct request_log_fields fields = { .pid = "" };

	request_log_fields(log, &fields);
	report_about(fields.of, REQUEST_LOG_FIELDS);
	report_text(level, kind, text, size);
	report_about(NULL, 0);
}

static void request_log_pass(struct request_log *log, char **copy, int level, const char *kind,
			     const char *text)
{
	char own[TEXT_MOST + 2];
	int tag = request_log_tag_prefix(log, own, TEXT_MOST);
	int size = tag + snprintf(own + tag, (size_t)(TEXT_MOST - tag), "%s", text);

	if (size >= TEXT_MOST)
		size = TEXT_MOST - 1;
	report_sanitize(own, (size_t)size);
	if (copy)
		*copy = strdup(own + tag);
	if (level == REPORT_IS_DEBUG || !request_log_send(log, own, (size_t)size))
		request_log_report(log, level, kind, own, (size_t)size);
}

/* What the client has done wrong is no error of ours. */
static int request_log_level(const struct request_log *log)
{
	return log->status && log->status < 500 ? REPORT_IS_WARNING : REPORT_IS_ERROR;
}

void request_log_tell(struct request_log *log, char **copy, const char *text)
{
	request_log_pass(log, copy, request_log_level(log), "a script cannot be run", text);
}

void request_log_say(struct request_log *log, char **copy, const char *format, ...)
{
	char text[TEXT_MOST];
	size_t size;
	int level = report_level_of(format);
	va_list arguments;

	if (level == REPORT_IS_DEBUG && !report_is_wanted(level))
		return;

	size = request_log_prefix(log, text, sizeof text);
	va_start(arguments, format);
	vsnprintf(text + size, sizeof text - size, format + (*format == '\001' ? 2 : 0), arguments);
	va_end(arguments);
	request_log_pass(log, copy, level == REPORT_IS_ERROR ? request_log_level(log) : level,
			 format, text);
}

static void request_log_line(void *context, const char *line, size_t size)
{
	struct request_log *log = context;
	char text[TAG_MOST + SCRIPT_LABEL_SIZE + 48 + LINE_MOST + 1];
	size_t head;

	memcpy(text, line, size);
	if (explain_said(line, size) || request_log_send(log, text, size))
		return;
	head = (size_t)request_log_tag_prefix(log, text, sizeof text);
	head += request_log_prefix(log, text + head, sizeof text - head);
	memcpy(text + head, line, size);
	request_log_report(log, REPORT_IS_INFO, NULL, text, head + size);
}

bool request_log_has_room(const struct request_log *log)
{
	return !log->client->service->settings->stderr_to_client ||
	       buffer_space(&log->client->out) >= ROOM + RESPONSE_RESERVE;
}

bool request_log_read(struct request_log *log, int errors)
{
	char bytes[READ_SIZE];
	ssize_t n = os_read(errors, bytes, sizeof bytes);

	if (n > 0)
		lines_take(&log->lines, bytes, (size_t)n, loop_now(), request_log_line, log);
	else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		log->ended = true;
	return n > 0;
}

bool request_log_drain(struct request_log *log, int errors)
{
	/* Bounded, since a process left behind by the script may go on writing. */
	for (int i = 0; i < READS_MOST && !log->ended; i++) {
		if (!request_log_has_room(log))
			return false;
		if (!request_log_read(log, errors))
			break;
	}
	lines_end(&log->lines, request_log_line, log);
	return true;
}

const char *request_log_last(const struct request_log *log, char *out, size_t size)
{
	snprintf(out, size, "%s%s", log->lines.last[0] ? "; it said: " : "", log->lines.last);
	return out;
}

void request_log_free(struct request_log *log)
{
	lines_free(&log->lines);
	free(log->label);
	free(log->tag);
}
