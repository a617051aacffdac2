/*
 * fcgiwrap: runs CGI scripts for a web server that speaks FastCGI.
 */
#include <config.h>

#include "access-log.h"
#include "check.h"
#include "config-facts.h"
#include "descriptors.h"
#include "environment.h"
#include "exec.h"
#include "journal.h"
#include "journald.h"
#include "launch.h"
#include "notify.h"
#include "parent.h"
#include "peer.h"
#include "report.h"
#include "rlimits.h"
#include "scoreboard.h"
#include "script.h"
#include "settings.h"
#include "slots.h"
#include "source.h"
#include "try.h"
#include "warm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static bool open_slots(const struct settings *settings)
{
	const size_t most[SLOT_KINDS] = {
		[SLOT_RUNNING] = (size_t)settings->max_scripts,
		[SLOT_WAITING] = (size_t)settings->queue,
		[SLOT_UNFINISHED] = (size_t)settings->max_unfinished,
		[SLOT_BACKGROUND] = (size_t)settings->max_background,
		[SLOT_SHOWN] = settings->status
				       ? (size_t)(settings->max_scripts + settings->queue +
						  settings->max_unfinished)
				       : 0,
	};

	return slots_open(most, settings->max_spool, parent_numbers(settings)) &&
	       (!settings->status ||
		scoreboard_open(most[SLOT_SHOWN], parent_numbers(settings)));
}

static int serve(const struct settings *settings, bool heeds_hup)
{
	if (!open_slots(settings)) {
		report("cannot allocate shared memory: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	return settings->try_script
		? try_run(settings)
		: parent_run(settings, source_listener(), heeds_hup, source_leave);
}

static void report_refusal(const char *name)
{
	report(REPORT_WARNING "parameter %s from a client refused (--accept-param lets it through, if "
	       "scripts need it)", name);
}

/* Clients that may run any program need no parameters to steer one. */
static enum environment_rule parameter_rule(const struct settings *settings)
{
	if (settings->strict_params)
		return ENVIRONMENT_STRICT;
	return settings->scripts.count > 0 || settings->roots.count > 0 ? ENVIRONMENT_GUARDED
									: ENVIRONMENT_OPEN;
}

/* Applies settings common to all workers. False after reporting. */
static bool apply(const struct settings *settings)
{
	for (size_t i = 0; i < settings->limits.count; i++)
		if (!rlimits_add(settings->limits.texts[i]))
			return false;
	rlimits_set_nice((int)settings->nice);
	environment_on_refusal(report_refusal);
	environment_open(parameter_rule(settings), &settings->accept_params);
	return script_open(&settings->scripts, &settings->roots, &settings->interpreters) &&
	       warm_open(&settings->warm) &&
	       peer_allow(&settings->allow, &settings->allow_user,
			  getenv("FCGI_WEB_SERVER_ADDRS"));
}

/* Standard error needs nothing, unless it is the journal, where messages can have fields. */
static bool open_log(const struct settings *settings)
{
	bool wanted = settings->log || journald_is_at(STDERR_FILENO);

	return settings->try_script || ((!wanted || journal_open(settings->log)) &&
					access_log_open(settings));
}

int main(int argc, char **argv)
{
	static struct settings settings; /* lists are never freed */
	int status = STATUS_FAILURE;
	bool heeds_hup;

	report_open("fcgiwrap");
	if (!descriptors_fill_standard()) {
		report("cannot open /dev/null in place of a closed descriptor: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	if (!settings_read(&settings, argc, argv))
		return STATUS_FAILURE;
	if (settings.help) {
		settings_help();
		return 0;
	}
	if (settings.version) {
		printf("fcgiwrap (%s) %s\n", PACKAGE_NAME, PACKAGE_VERSION);
		return 0;
	}
	if (settings.print_config)
		return config_facts_print(&settings) ? 0 : STATUS_FAILURE;
	if (settings.check)
		return check_run(&settings);
	exec_hide();
	signal(SIGPIPE, SIG_IGN);
	/* Ignored, so that write(2) fails beyond RLIMIT_FSIZE: a lost log line, or a refused
	 * request. */
	signal(SIGXFSZ, SIG_IGN);
	/* Heed SIGHUP unless ignored at the start, as by nohup(1). launch_open() finds SIGHUP
	 * ignored, so scripts get the default. */
	heeds_hup = signal(SIGHUP, SIG_IGN) != SIG_IGN;
	if (!apply(&settings) || !source_open(&settings))
		return STATUS_FAILURE;
	/* Not before: source_open() closes what was inherited. */
	if (!open_log(&settings)) {
		source_leave();
		return STATUS_FAILURE;
	}
	notify_open();
	notify_leave();
	/* By now LISTEN_FDS and the like are out of the environment. */
	if (!environment_keep_own(environ))
		report("cannot begin to serve: %s", strerror(errno));
	else if (launch_open())
		status = serve(&settings, heeds_hup);
	source_leave();
	return status;
}
