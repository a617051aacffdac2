#include <config.h>

#include "check.h"

#include "environment.h"
#include "exec-error.h"
#include "os.h"
#include "peer.h"
#include "reach.h"
#include "remedy.h"
#include "report.h"
#include "rlimits.h"
#include "script.h"
#include "sink.h"
#include "source.h"
#include "text.h"
#include "trial.h"
#include "warm.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	MEBIBYTE = 1024 * 1024,
	ROOM_LEAST = 16 /* MiB; with less, hardly any body that waits has room */
};

static const struct option_list nothing;
static struct text said; /* messages since the last finding, each with a NUL */
static bool has_fault;

static void note_message(const struct report_message *message)
{
	text_put(&said, message->text, message->size);
	text_put(&said, "", 1);
}

static void print_finding(const char *kind, char *message)
{
	const char *remedy = remedy_of(message);

	report_sanitize(message, strlen(message));
	printf("%-6s %s%s%s\n", kind, message, remedy ? "; remedy: " : "", remedy ? remedy : "");
}

/* Prints the messages since the last finding, as faults unless all is good; and then what is fine,
 * unless that is NULL. */
static void conclude(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void conclude(bool good, const char *format, ...)
{
	va_list arguments;
	char fine[1024];

	has_fault |= !good || said.failed;
	for (char *at = said.bytes; at < said.bytes + said.size; at += strlen(at) + 1)
		print_finding(good ? "note" : "fault", at);
	said.size = 0;
	if (!good || !format)
		return;
	va_start(arguments, format);
	vsnprintf(fine, sizeof fine, format, arguments);
	va_end(arguments);
	print_finding("fine", fine);
}

/* A list of one text of another list. */
static struct option_list one_of(const struct option_list *list, size_t i)
{
	return (struct option_list){ .texts = list->texts + i, .count = 1 };
}

/* Who serves. */

static void check_user(const struct settings *s)
{
	const struct passwd *user = getpwuid(geteuid());
	bool confined = s->roots.count > 0 || s->scripts.count > 0;

	if (geteuid() == 0)
		report("scripts run as root (start fcgiwrap as a user that owns nothing)");
	if (!confined)
		report("whoever can connect can run every program that this user may execute (say by "
		       "--root or -p which)");
	conclude(true, "user %s (uid %ld)", user ? user->pw_name : "without a name",
		 (long)geteuid());
}

static void check_limits(const struct settings *s)
{
	rlimits_set_nice((int)s->nice);
	for (size_t i = 0; i < s->limits.count; i++)
		conclude(rlimits_add(s->limits.texts[i]), "--limit %s", s->limits.texts[i]);
}

/* The socket. */

static bool belongs_to_group(gid_t group)
{
	gid_t groups[1024];
	int count = getgroups(sizeof groups / sizeof *groups, groups);

	for (int i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return getegid() == group;
}

/* Only root can give a file away. */
static bool can_own(const struct listen_file *file)
{
	if (geteuid() == 0)
		return true;
	if (file->owner != (uid_t)-1 && file->owner != geteuid()) {
		report("--socket-owner: only root can give the socket to another user (start as root by "
		       "spawn-fcgi, or use a systemd socket unit)");
		return false;
	}
	if (file->group != (gid_t)-1 && !belongs_to_group(file->group)) {
		report("--socket-group: this user is not in the group, and only root can give the "
		       "socket to others");
		return false;
	}
	return true;
}

static void check_reach(const struct settings *s, const char *path, const struct listen_file *made)
{
	char remedy[320];
	const struct reach reach = { s->web_user, path, made, remedy };

	if (!s->web_user)
		return;
	if (made)
		snprintf(remedy, sizeof remedy, "use --socket-owner %s, or --socket-group and "
			 "--socket-mode, or --socket-acl-users %s", s->web_user, s->web_user);
	else
		snprintf(remedy, sizeof remedy, "whoever passes it says owner and mode, in a systemd "
			 "unit SocketUser=%s, or SocketGroup= and SocketMode=", s->web_user);
	conclude(reach_check(&reach), "%s can connect to %s", s->web_user, path);
}

static void check_socket_to_make(const struct settings *s)
{
	struct source_plan plan;
	char text[160];

	if (!source_plan(&plan, s)) {
		conclude(false, NULL);
		return;
	}
	listen_address_print(&plan.address, text, sizeof text);
	conclude(can_own(&plan.file) && listen_would_bind(&plan.address, plan.file.acl),
		 "socket %s can be made", text);
	conclude(source_suits(s, &plan.address.as.any), NULL);
	if (plan.address.as.any.sa_family == AF_UNIX)
		check_reach(s, plan.address.as.local.sun_path, &plan.file);
}

static void check_given_socket(const struct settings *s, int fd, const char *name)
{
	struct listen_address address = { .size = sizeof address.as };
	char text[160];

	if (!source_is_socket(fd, name) || getsockname(fd, &address.as.any, &address.size) < 0) {
		conclude(false, NULL);
		return;
	}
	listen_address_print(&address, text, sizeof text);
	conclude(true, "socket %s is passed as %s", text, name);
	conclude(source_suits(s, &address.as.any), NULL);
	if (address.as.any.sa_family == AF_UNIX && address.as.local.sun_path[0] == '/')
		check_reach(s, address.as.local.sun_path, NULL);
}

static void check_source(const struct settings *s)
{
	const char *name;
	int given = source_given(s, &name);

	conclude(peer_allow(&s->allow, &s->allow_user, getenv("FCGI_WEB_SERVER_ADDRS")), NULL);
	if (given < 0)
		check_socket_to_make(s);
	else
		check_given_socket(s, given, name);
}

/* Scripts and interpreters. */

/* Whether the system would execute a file, which messages call by a name. */
static bool would_run(const char *called, const char *path)
{
	char *words[] = { (char *)(size_t)path, NULL };
	char reason[EXEC_REASON_SIZE];
	struct trial trial;
	int fd;

	trial_run(&trial, path, words);
	if (trial.signal)
		report("cannot execute %s: signal %d (%s) while it was loaded (does --limit leave it "
		       "enough memory?)", called, trial.signal, strsignal(trial.signal));
	if (!trial.error)
		return !trial.signal;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	exec_explain(reason, sizeof reason, path, fd, trial.error);
	if (fd >= 0)
		close(fd);
	report("cannot execute %s: %s", called, reason);
	return false;
}

/* Lists the rules that are good, for check_scripts(). */
static struct option_list check_interpreters(const struct settings *s)
{
	const struct option_list *rules = &s->interpreters;
	struct option_list good = { .texts = calloc(rules->count + 1, sizeof *good.texts) };
	char called[300];

	for (size_t i = 0; i < rules->count; i++) {
		const struct option_list rule = one_of(rules, i);
		bool usable = script_open(&nothing, &nothing, &rule);

		if (usable && good.texts)
			good.texts[good.count++] = rules->texts[i];
		snprintf(called, sizeof called, "--interpreter %s", rules->texts[i]);
		conclude(usable && would_run(called, strchr(rules->texts[i], '=') + 1), "%s", called);
	}
	return good;
}

static void check_roots(const struct settings *s)
{
	for (size_t i = 0; i < s->roots.count; i++) {
		const struct option_list root = one_of(&s->roots, i);
		bool good = script_open(&nothing, &root, &nothing);

		if (good && access(s->roots.texts[i], X_OK) < 0) {
			report("--root %s: this user may not search it (chmod o+x, or a group, is missing)",
			       s->roots.texts[i]);
			good = false;
		}
		conclude(good, "--root %s", s->roots.texts[i]);
	}
}

/* As a request for the script finds it. */
static bool find_script(struct script *out, const char *path)
{
	struct environment environment = { .count = 0 };
	char *variable = malloc(sizeof "SCRIPT_FILENAME=" + strlen(path));
	bool found = false;

	*out = SCRIPT_NONE;
	if (variable) {
		strcpy(stpcpy(variable, "SCRIPT_FILENAME="), path);
		found = environment_make(&environment, variable, 1) &&
			script_find(out, &environment);
	}
	if (!found)
		report("%s", out->reason[0] ? out->reason : strerror(ENOMEM));
	environment_free(&environment);
	free(variable);
	return found;
}

static void check_scripts(const struct settings *s, const struct option_list *rules)
{
	char called[400];

	for (size_t i = 0; i < s->scripts.count; i++) {
		const struct option_list path = one_of(&s->scripts, i);
		struct script script;
		bool good = script_open(&path, &nothing, rules) && find_script(&script, path.texts[0]);

		snprintf(called, sizeof called, "script %s", path.texts[0]);
		if (good && !script.interpreter)
			good = would_run(called, script.path);
		conclude(good, "%s", called);
		script_free(&script);
	}
}

/* What their modules do when they are loaded is not tried. */
static void check_warm(const struct settings *s)
{
	bool good = warm_open(&s->warm);
	char path[4096], called[400];

	if (!good)
		conclude(false, NULL);
	for (size_t i = 0; i < s->warm.count && good; i++) {
		const char *rule = s->warm.texts[i];

		snprintf(path, sizeof path, "%.*s", (int)strcspn(rule, "="), rule);
		snprintf(called, sizeof called, "--warm %s", rule);
		conclude(would_run(called, path), "%s (--try shows whether the modules can be loaded)",
			 called);
	}
}

/* The spool. */

static void check_spool(const struct settings *s)
{
	const char *directory = s->spool_directory;
	struct statvfs room = { .f_frsize = 0 };
	int fd = os_spool_open(directory);
	double free_mebibytes;
	bool good = fd >= 0 && fstatvfs(fd, &room) == 0;

	free_mebibytes = (double)room.f_bavail * (double)room.f_frsize / MEBIBYTE;
	if (!good)
		report("--spool-dir %s: %s (it must be a directory in which this user can make files)",
		       directory, strerror(errno));
	else if (free_mebibytes < ROOM_LEAST && s->max_spool > 0) {
		report("--spool-dir %s: only %.1f MiB are free (make room, or choose another "
		       "directory)", directory, free_mebibytes);
		good = false;
	} else if (free_mebibytes < (double)s->max_spool / MEBIBYTE) {
		report("--spool-dir %s: %.0f MiB are free, less than --max-spool lets requests take",
		       directory, free_mebibytes);
	}
	if (fd >= 0)
		close(fd);
	conclude(good, "--spool-dir %s has room for %.0f MiB", directory, free_mebibytes);
}

int check_run(const struct settings *settings)
{
	struct option_list rules;

	report_to(note_message);
	check_user(settings);
	check_limits(settings);
	check_source(settings);
	check_roots(settings);
	rules = check_interpreters(settings);
	check_scripts(settings, &rules);
	check_warm(settings);
	check_spool(settings);
	if (settings->log)
		conclude(sink_could_open("--log", settings->log), "--log %s can be written", settings->log);
	if (settings->access_log)
		conclude(sink_could_open("--access-log", settings->access_log),
			 "--access-log %s can be written", settings->access_log);
	free(rules.texts);
	free(said.bytes);
	report_to(NULL);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return has_fault ? STATUS_FAILURE : 0;
	report("cannot write what was found: %s", strerror(errno));
	return STATUS_FAILURE;
}
