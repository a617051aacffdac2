#include <config.h>

#include "warm.h"

#include "environment.h"
#include "report.h"
#include "template.h"
#include "warm-language.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SCRIPT_MOST = 1024 * 1024,
	HEAD_SIZE = 256, /* of a "#!" line, as read by the kernel */
	PATH_SIZE = 4200
};

static const struct warm_language *const languages[] = { &warm_perl };
enum { LANGUAGES = sizeof languages / sizeof languages[0] };

/* Set before the first start. */
static struct template *templates;
static size_t count;

/* The rules. */

static const struct warm_language *language_of(const char *interpreter)
{
	for (size_t i = 0; i < LANGUAGES; i++)
		if (languages[i]->accepts(interpreter))
			return languages[i];
	return NULL;
}

static struct template *template_of(const char *interpreter)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(templates[i].interpreter, interpreter) == 0)
			return &templates[i];
	return NULL;
}

static bool add_rule(const char *rule)
{
	const char *modules = strchr(rule, '=');
	struct template *t = &templates[count];

	*t = (struct template){ .rule = rule, .talk = WATCH_NONE };
	if (rule[0] != '/' || !modules) {
		report("--warm wants PERL=MODULE[,MODULE...], with the path of a perl, not \"%s\"", rule);
		return false;
	}
	t->interpreter = strndup(rule, (size_t)(modules - rule));
	t->modules = strdup(modules + 1);
	if (!t->interpreter || !t->modules || access(t->interpreter, X_OK) < 0) {
		report("--warm %s: %s", rule, strerror(errno));
		return false;
	}
	t->language = language_of(t->interpreter);
	if (!t->language) {
		report("--warm %s: is not a perl, and only that can be warm", rule);
		return false;
	}
	if (!t->language->accepts_modules(t->modules)) {
		report("--warm %s: \"%s\" is not a list of modules, such as CGI,DBI", rule, t->modules);
		return false;
	}
	if (template_of(t->interpreter)) {
		report("--warm %s: this interpreter has modules already (name all of them at once)",
		       rule);
		return false;
	}
	if (template_is_native(t->interpreter)) {
		count++;
		return true;
	}
	report("--warm %s: this interpreter has another word size than fcgiwrap (32 and 64 "
	       "bits); scripts are started cold", rule);
	free(t->interpreter);
	free(t->modules);
	return true;
}

bool warm_open(const struct option_list *rules)
{
	if (rules->count > 0 && !(templates = calloc(rules->count, sizeof *templates))) {
		report("--warm: %s", strerror(errno));
		return false;
	}
	for (size_t i = 0; i < rules->count; i++)
		if (!add_rule(rules->texts[i]))
			return false;
	return true;
}

/* Templates. */

static bool make_environment(struct environment *e, const struct settings *settings,
			     const struct warm_language *language)
{
	return environment_make(e, NULL, 0) && environment_add_own(e, settings) &&
	       environment_set(e, language->variable, language->driver);
}

void warm_start_templates(const struct settings *settings)
{
	static struct environment *own; /* by template; never freed */
	bool made = count > 0 && (own = calloc(count, sizeof *own)) && template_open();

	for (size_t i = 0; made && i < count; i++) {
		made = make_environment(&own[i], settings, templates[i].language);
		templates[i].environment = own[i].variables;
	}
	if (count > 0 && !made) {
		report("--warm: %s; scripts are started cold", strerror(errno));
		count = 0;
	}
	for (size_t i = 0; i < count; i++)
		template_start(&templates[i]);
}

bool warm_is_settled(void)
{
	for (size_t i = 0; i < count; i++)
		if (template_is_loading(&templates[i]))
			return false;
	return true;
}

void warm_tick(void)
{
	for (size_t i = 0; i < count; i++)
		template_tick(&templates[i]);
}

/* Scripts. */

struct script_text {
	int fd;
	char head[HEAD_SIZE + 1];
	size_t size; /* of the head */
};

/* Another user may have put a FIFO or a device in place of the file: open without waiting.
 * pread(2) leaves the offset of plan->file unchanged. */
static bool open_text(struct script_text *s, const struct launch_plan *plan)
{
	const char *name = plan->home >= 0 ? strrchr(plan->path, '/') + 1 : plan->path;
	int from = plan->home >= 0 ? plan->home : AT_FDCWD;
	int follow = plan->home >= 0 ? O_NOFOLLOW : 0;
	struct stat st;
	ssize_t n;

	s->fd = plan->file;
	if (s->fd < 0)
		s->fd = openat(from, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | follow);
	if (s->fd < 0 || fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	n = pread(s->fd, s->head, HEAD_SIZE, 0);
	s->size = n > 0 ? (size_t)n : 0;
	s->head[s->size] = '\0';
	return n > 0;
}

static void close_text(struct script_text *s, const struct launch_plan *plan)
{
	if (s->fd >= 0 && s->fd != plan->file)
		close(s->fd);
}

/* Returns the interpreter of the "#!" line, and *switches, the text behind; both "" without
 * such a line. NULL if the line is cut, or the encoding not sure. Changes head. */
static const char *read_first_line(char *head, const char **switches)
{
	char *name, *rest;

	*switches = "";
	/* Bytes beyond ASCII may be another encoding. */
	if (strncmp(head, "#!", 2) != 0)
		return head[0] > 0 && head[1] > 0 && head[0] < 127 && head[1] < 127 ? "" : NULL;
	rest = strchr(head, '\n');
	if (!rest)
		return NULL;
	*rest = '\0';
	name = head + 2 + strspn(head + 2, " \t");
	rest = name + strcspn(name, " \t");
	if (*rest)
		*rest++ = '\0';
	*switches = rest + strspn(rest, " \t");
	return name;
}

static struct template *choose_template(const struct launch_plan *plan,
					const struct script_text *s)
{
	char line[HEAD_SIZE + 1];
	const char *switches, *name;
	struct template *t;

	memcpy(line, s->head, s->size + 1);
	name = read_first_line(line, &switches);
	if (!name || (*name && plan->interpreter && strcmp(name, plan->interpreter) != 0))
		return NULL;
	t = template_of(plan->interpreter ? plan->interpreter : name);
	return t && t->language->accepts_switches(switches) ? t : NULL;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	for (ssize_t n; size > 0; bytes += n, size -= (size_t)n)
		if ((n = write(fd, bytes, size)) <= 0)
			return false;
	return true;
}

/* Copies the script from behind the head. False on error, or beyond SCRIPT_MOST bytes. */
static bool copy_rest(const struct script_text *s, int to)
{
	char bytes[16 * 1024];
	size_t at = s->size;
	ssize_t n;

	while ((n = pread(s->fd, bytes, sizeof bytes, (off_t)at)) > 0 && at < SCRIPT_MOST) {
		at += (size_t)n;
		if (!write_all(to, bytes, (size_t)n))
			return false;
	}
	return n == 0;
}

/* Copies the script behind the text of language->begin(). Returns the copy, or -1. */
static int make_source(const struct warm_language *language, const char *name,
		       const struct script_text *s)
{
	char line[PATH_SIZE];
	int length = language->begin(line, sizeof line, name);
	int fd = length < 0 ? -1 : template_source();

	if (fd < 0)
		return -1;
	if (write_all(fd, line, (size_t)length) && write_all(fd, s->head, s->size) &&
	    copy_rest(s, fd) && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Opens the working directory of the script; *out is -1 if unchanged. False on failure. */
static bool open_directory(const struct launch_plan *plan, int *out)
{
	char path[PATH_SIZE];

	*out = plan->home;
	if (plan->home >= 0 || !plan->directory)
		return true;
	/* "/." needs search permission in the last component, too, as chdir(2) does. */
	if (snprintf(path, sizeof path, "%s/.", plan->directory) >= (int)sizeof path)
		return false;
	*out = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *out >= 0;
}

static pid_t start_from(struct template *t, const struct launch_plan *plan,
			const struct script_text *s, const int *descriptors, pid_t group)
{
	struct template_task task = {
		.group = group,
		.name = plan->called ? plan->called : plan->path,
		.environment = plan->environment,
		.descriptors = descriptors,
	};
	pid_t pid = 0;

	if (!open_directory(plan, &task.directory))
		return 0;
	task.source = make_source(t->language, task.name, s);
	if (task.source >= 0) {
		pid = template_run(t, &task);
		close(task.source);
	}
	if (task.directory >= 0 && task.directory != plan->home)
		close(task.directory);
	return pid;
}

pid_t warm_start(const struct launch_plan *plan, const int descriptors[3], pid_t group)
{
	struct script_text text;
	struct template *t;
	pid_t pid = 0;

	if (count == 0)
		return 0;
	if (open_text(&text, plan) && (t = choose_template(plan, &text)) && template_is_ready(t))
		pid = start_from(t, plan, &text, descriptors, group);
	close_text(&text, plan);
	return pid;
}
