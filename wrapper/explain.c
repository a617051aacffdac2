#include <config.h>

#include "explain.h"

#include "children.h"
#include "exec-error.h"
#include "remedy.h"
#include "report.h"
#include "rlimits.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_SIZE = 4096,
	READER_MOST = 100 /* milliseconds that a slow reader may take for a line */
};

static bool is_open, has_failed;
static struct timespec begun;
static struct os_usage used;

void explain(const char *about, const char *format, ...)
{
	struct pollfd reader = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[LINE_SIZE];
	int head = snprintf(line, sizeof line, "%-10s ", about);
	va_list arguments;
	size_t size;
	int text;

	va_start(arguments, format);
	text = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, arguments);
	va_end(arguments);
	size = (size_t)head + (text > 0 ? (size_t)text : 0);
	if (size > sizeof line - 2)
		size = report_whole(line, sizeof line - 2);
	report_sanitize(line, size);
	line[size++] = '\n';
	if (poll(&reader, 1, READER_MOST) > 0 && write(STDERR_FILENO, line, size) < 0) {
		/* nobody reads: the line is lost */
	}
}

double explain_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begun.tv_sec) * 1000 +
	       (double)(now.tv_nsec - begun.tv_nsec) / 1000000;
}

static void explain_logged(const struct report_message *logged)
{
	char message[LINE_SIZE];
	const char *remedy;

	snprintf(message, sizeof message, "%.*s", (int)logged->size, logged->text);
	explain("log", "%s", message);
	remedy = remedy_of(message);
	if (remedy)
		explain("remedy", "%s", remedy);
}

void explain_open(void)
{
	is_open = true;
	report_to(explain_logged);
}

void explain_clock(void)
{
	clock_gettime(CLOCK_MONOTONIC, &begun);
}

bool explain_is_open(void)
{
	return is_open;
}

/* The start. */

/* The "#!" line says by what a file is executed. */
static void explain_interpreter(const struct script *script)
{
	char line[EXEC_LINE_SIZE + 1];
	ssize_t size;
	int fd;

	if (script->interpreter) {
		explain("run by", "%s (--interpreter)", script->interpreter);
		return;
	}
	fd = open(script->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	size = fd < 0 ? -1 : pread(fd, line, EXEC_LINE_SIZE, 0);
	if (fd >= 0)
		close(fd);
	if (size < 2 || line[0] != '#' || line[1] != '!')
		return;
	line[size] = '\0';
	line[strcspn(line, "\n")] = '\0';
	explain("run by", "%s (its first line)", line + 2 + strspn(line + 2, " \t"));
}

static void explain_directory(const struct script *script)
{
	const char *slash = strrchr(script->path, '/');
	char here[PATH_MAX];

	if (script->home >= 0)
		explain("directory", "%.*s", slash > script->path ? (int)(slash - script->path) : 1,
			script->path);
	else if (script->directory)
		explain("directory", "%s", script->directory);
	else if (getcwd(here, sizeof here))
		explain("directory", "%s", here);
}

static void explain_script(const struct script *script, const struct environment *environment)
{
	const char *info = environment_get_text(environment, "PATH_INFO");
	static bool is_explained; /* a start may be tried again */

	if (!script->path || is_explained)
		return;
	is_explained = true;
	explain("script", "%s", script->path);
	if (strcmp(script->path, script->called) != 0)
		explain("called", "%s", script->called);
	if (info)
		explain("path info", "%s", info);
	explain_directory(script);
	explain_interpreter(script);
}

void explain_start(const struct launch_job *job)
{
	if (!is_open)
		return;
	if (job->asking)
		explain_script(&job->asking->script, &job->asking->environment);
	if (job->pid >= 0)
		explain("start", "%s, process %ld, after %.1f ms",
			job->warm ? "warm, from a template" : "cold", (long)job->pid, explain_time());
}

void explain_failure(void)
{
	has_failed = true;
}

bool explain_is_failure(void)
{
	return has_failed;
}

/* The script. */

bool explain_said(const char *line, size_t size)
{
	if (is_open)
		explain("stderr", "%.*s", (int)size, line);
	return is_open;
}

void explain_mended(const char *line, size_t size, const char *how)
{
	explain("mended", "%.*s: %s", (int)size, line, how);
}

void explain_usage(const struct os_usage *usage)
{
	used = *usage;
}

void explain_exit(int status)
{
	const char *limit = WIFSIGNALED(status) ? rlimits_explain(WTERMSIG(status)) : NULL;
	char end[80];

	if (!is_open)
		return;
	child_describe_end(status, end, sizeof end);
	explain("end", "%s%s%s, after %.1f ms; %.3f s of processor time, %.1f MiB of memory", end,
		limit ? ", " : "", limit ? limit : "", explain_time(),
		(double)(used.user + used.system) / 1000000, (double)used.memory / 1048576);
}
