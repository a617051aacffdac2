/* Which scripts are started from which template, and what it gets. */
#include <config.h>

#include "../wrapper/template.h"
#include "../wrapper/warm.h"
#include "compat.h"
#include "tap.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The templates: they note what they get. */

static bool native = true, has_source = true;
static const char *used; /* the rule of the template that got the last script; NULL: cold */
static pid_t group;
static char name[256], source[4096];
static int directory;

bool template_is_native(const char *interpreter)
{
	(void)interpreter;
	return native;
}

bool template_open(void)
{
	return true;
}

void template_start(struct template *t)
{
	(void)t;
}

void template_tick(struct template *t)
{
	(void)t;
}

bool template_is_loading(const struct template *t)
{
	return t->late;
}

bool template_is_ready(struct template *t)
{
	(void)t;
	return true;
}

int template_source(void)
{
	FILE *file = has_source ? tmpfile() : NULL;

	return file ? dup(fileno(file)) : -1;
}

pid_t template_run(struct template *t, const struct template_task *task)
{
	ssize_t n = read(task->source, source, sizeof source - 1);

	source[n > 0 ? n : 0] = '\0';
	snprintf(name, sizeof name, "%s", task->name);
	used = t->rule;
	group = task->group;
	directory = task->directory;
	return 4711;
}

/* Scripts. */

static char folder[] = "/tmp/unit-warm.XXXXXX";
static char perl_rule[300], other_rule[300], first_line[300];
static char *no_variables[] = { NULL };

static const char *path_of(const char *file)
{
	static char path[300];

	snprintf(path, sizeof path, "%s/%s", folder, file);
	return path;
}

static void make_script(const char *text)
{
	FILE *file = fopen(path_of("script"), "w");

	fputs(text, file);
	fclose(file);
}

static struct launch_plan plan_of(const char *file)
{
	return (struct launch_plan){ .path = path_of(file), .file = -1, .home = -1,
				     .environment = no_variables };
}

static bool starts(const struct launch_plan *plan)
{
	used = NULL;
	alarm(10); /* what waits for a FIFO fails */
	return warm_start(plan, (int[]){ 0, 1, 2 }, 99) == 4711 && used;
}

/* By which template a script of this text is started, "" if cold. */
static const char *starter(const char *text, const char *interpreter)
{
	struct launch_plan plan;

	make_script(text);
	plan = plan_of("script");
	plan.interpreter = interpreter;
	return starts(&plan) ? used : "";
}

static const char *with_line(const char *interpreter, const char *rest)
{
	static char text[700];

	snprintf(text, sizeof text, "#!%s%s\nprint 1;\n", interpreter, rest);
	return text;
}

static void test_choice(void)
{
	static char perl[300], other[300];

	snprintf(perl, sizeof perl, "%s/perl", folder);
	snprintf(other, sizeof other, "%s/perl5", folder);
	ok(strcmp(starter(with_line(perl, ""), NULL), perl_rule) == 0, "by the #! line");
	ok(strcmp(starter(with_line(other, ""), NULL), other_rule) == 0, "by another");
	ok(strcmp(starter(with_line(perl, " -w "), NULL), perl_rule) == 0, "with -w");
	ok(!*starter(with_line(perl, " -wT"), NULL), "with other switches: cold");
	ok(!*starter(with_line(perl, " -w\r"), NULL), "with a carriage return: cold");
	ok(!*starter(with_line("/bin/sh", ""), NULL), "of another interpreter: cold");
	ok(!*starter("print 1;\n", NULL), "without a #! line: cold");
	ok(strcmp(starter("print 1;\n", perl), perl_rule) == 0, "by --interpreter");
	ok(!*starter(with_line(other, ""), perl), "of two that differ: cold");
	ok(!*starter("\xff\xfep\0r", perl), "in another encoding: cold");
	ok(!*starter("", perl), "empty: cold");
	ok(!*starter("#!/no/end", NULL), "with a line that does not end: cold");
}

static void test_files(void)
{
	struct launch_plan plan;

	ok(mkfifo(path_of("fifo"), 0600) == 0, "a FIFO is there");
	plan = plan_of("fifo");
	ok(!starts(&plan), "a FIFO is not waited for");
	plan = plan_of("");
	ok(!starts(&plan), "a directory is no script");
	plan = plan_of("missing");
	ok(!starts(&plan), "nor is what does not exist");
	plan.path = "/dev/zero";
	ok(!starts(&plan), "nor a device");
}

static void test_order(void)
{
	char text[700], expected[1024];
	struct launch_plan plan;

	snprintf(text, sizeof text, "%sprint 2;\n", first_line);
	make_script(text);
	plan = plan_of("script");
	snprintf(expected, sizeof expected, "#line 1 \"%s\"\n%s", plan.path, text);
	ok(starts(&plan) && strcmp(name, plan.path) == 0, "the script is called by its path");
	ok(strcmp(source, expected) == 0, "its text follows a line that says so");
	ok(group == 99 && directory == -1, "in the group, and where we are");
	plan.directory = folder;
	ok(starts(&plan) && directory >= 0, "or in a directory");
	plan.directory = "/missing";
	ok(!starts(&plan), "but not in one that is not there");
	plan.directory = NULL;

	plan.called = "another name";
	ok(starts(&plan) && strcmp(name, "another name") == 0, "it may be called otherwise");
	plan.called = "a\"b";
	ok(!starts(&plan), "but not what cannot be quoted");
	plan.called = "a\177b";
	ok(!starts(&plan), "nor by a name with controls");
	plan.called = NULL;

	has_source = false;
	ok(!starts(&plan), "cold where there are no files without a name");
	has_source = true;
}

static void test_descriptors(void)
{
	struct launch_plan plan;

	make_script(first_line);
	plan = plan_of("script");
	plan.file = open(plan.path, O_RDONLY);
	lseek(plan.file, 3, SEEK_SET);
	plan.path = path_of("elsewhere");
	ok(starts(&plan) && strstr(source, first_line), "a file that is open already is read");
	ok(lseek(plan.file, 0, SEEK_CUR) == 3, "and is as it was");
	close(plan.file);

	plan = plan_of("script");
	plan.home = open(folder, O_RDONLY | O_DIRECTORY);
	ok(starts(&plan) && directory == plan.home, "a script runs in its own directory");
	ok(fcntl(plan.home, F_GETFD) >= 0, "which stays open");
	plan.path = path_of("link");
	ok(symlink("script", plan.path) == 0 && !starts(&plan), "and is no link then");
	close(plan.home);
}

static bool opens(const char *rule)
{
	const char *texts[] = { rule };
	const struct option_list rules = { .texts = texts, .count = 1 };

	return warm_open(&rules);
}

/* Does something in a process of its own: rules are taken once, and last as long as that. */
static bool apart(bool (*work)(const char *), const char *rule)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(work(rule) ? 0 : 1);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool opens_but_stays_cold(const char *rule)
{
	native = false;
	make_script(first_line);
	return opens(rule) && !*starter(first_line, NULL);
}

static void test_rules(void)
{
	static const char *const bad[] = { "", "=", "=9", "=A:", "=A:B", "=A,", "=,A", "=A,,B", "=A;B",
					   "=A b" };
	char rule[400];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(rule, sizeof rule, "%s/perl%s", folder, bad[i]);
		ok(!apart(opens, rule), "\"perl%s\" is no rule", bad[i]);
	}
}

int main(void)
{
	const char *texts[] = { perl_rule, other_rule };
	const struct option_list rules = { .texts = texts, .count = 2 };
	const char *interpreters[] = { "perl", "perl5" };
	const char *files[] = { "perl", "perl5", "script", "fifo", "link" };

	if (!mkdtemp(folder))
		return 99;
	for (int i = 0; i < 2; i++) {
		int fd = open(path_of(interpreters[i]), O_WRONLY | O_CREAT, 0700);

		close(fd);
	}
	snprintf(perl_rule, sizeof perl_rule, "%s/perl=A", folder);
	snprintf(other_rule, sizeof other_rule, "%s/perl5=B2::C,D_1", folder);
	snprintf(first_line, sizeof first_line, "#!%s/perl\n", folder);
	ok(apart(opens_but_stays_cold, perl_rule),
	   "an interpreter of another word size is no error, but cold");
	native = true;
	test_rules();
	ok(warm_open(&rules), "rules are taken");
	test_choice();
	test_files();
	test_order();
	test_descriptors();
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		unlink(path_of(files[i]));
	rmdir(folder);
	return tap_done();
}
