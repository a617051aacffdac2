#include <config.h>

#include "supervise.h"

#include "census.h"
#include "children.h"
#include "counts.h"
#include "gate.h"
#include "handover.h"
#include "journal.h"
#include "listener.h"
#include "loop.h"
#include "notify.h"
#include "pidfile.h"
#include "pool.h"
#include "self.h"
#include "report.h"
#include "status-server.h"
#include "status.h"
#include "upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct settings *settings;
static const struct identity *identity;
static char **arguments;
static struct listener listener;
static struct pidfile pidfile;
static bool up, stopping;
static int status;
static bool is_over; /* nothing is left of the pool */
static bool upgrade_waits; /* for the end of a reload */
static struct deadline watchdog;

static void on_watchdog(struct deadline *d)
{
	notify("WATCHDOG=1");
	deadline_set(d, notify_watchdog(), on_watchdog);
}

/* True if the service manager keeps the socket for a restart after a crash. */
static bool is_kept(void)
{
	return listener.bound && notify_keeps(settings->fd_store);
}

static void have_kept(void)
{
	char name[LISTENER_NAME_SIZE];

	listener_name(&listener, name);
	if (is_kept())
		notify_store(listener.fd, name);
}

static void leave_socket(void)
{
	char name[LISTENER_NAME_SIZE];

	status_server_leave();
	listener_remove(&listener);
	listener_name(&listener, name);
	if (is_kept())
		notify_drop(name);
}

/* Refuses new connections, so that a web server can turn to another server; not on a socket
 * passed to us, which others may serve. */
static void refuse_others(void)
{
	leave_socket();
	if (listener.bound && settings->port && !gate_close(listener.fd))
		report("cannot refuse new connections while others are served: %s (they wait in "
		       "the queue, too)", strerror(errno));
}

/* Stops the pool; on_over() stops the loop when no worker is left. */
static void stop(int with_status)
{
	if (stopping)
		return;
	stopping = true;
	status = with_status;
	refuse_others();
	notify("STOPPING=1");
	upgrade_cancel();
	pool_stop(listener.bound);
}

static void on_up(void)
{
	const pid_t self = getpid();

	up = true;
	pidfile_write(&pidfile, &self, 1);
	journal_take_reports();
	notify_ready();
	self_release_parent(EXIT_SUCCESS);
}

static void on_failed(int with_status)
{
	stop(with_status);
}

/* The new socket replaces the former one at the service manager, too, which may have room for one
 * only. */
static int renew_socket(void)
{
	char name[LISTENER_NAME_SIZE];

	listener_name(&listener, name);
	if (upgrade_is_on() || !listener_renew(&listener, settings, identity))
		return -1;
	if (is_kept())
		notify_drop(name);
	have_kept();
	return listener.fd;
}

static void on_over(void)
{
	is_over = true;
	loop_stop();
}

static void on_nobody(void)
{
	report(REPORT_NOTICE "nobody has connected for %g s; ending (--exit-on-idle)",
	       (double)settings->exit_on_idle / 1000);
	stop(EXIT_SUCCESS);
}

/* A second signal kills all. */
static void on_stop(int signal)
{
	(void)signal;
	if (stopping)
		pool_kill();
	else
		stop(EXIT_SUCCESS);
}

static void on_reload(int signal)
{
	(void)signal;
	if (!up || stopping)
		return;
	journal_reopen();
	notify_reloading();
	pool_reload();
}

static void on_reopen(int signal)
{
	(void)signal;
	journal_reopen();
}

_Static_assert(sizeof ((struct handover *)0)->name >= LISTENER_NAME_SIZE, "room for the name");
_Static_assert(sizeof ((struct handover *)0)->status >= STATUS_SERVER_TEXT &&
	       sizeof ((struct handover *)0)->counts >= COUNTS_TEXT, "room for the status");

static bool describe_state(struct handover *out)
{
	out->socket = listener.fd;
	out->bound = listener.bound;
	listener_name(&listener, out->name);
	out->status_socket = status_server_describe(out->status);
	counts_write(out->counts);
	return pool_describe(out);
}

static bool all_rests(void)
{
	return status_server_rests() && pool_rests();
}

static void begin_upgrade(void)
{
	upgrade_begin(arguments, settings->stop_timeout, describe_state, all_rests);
}

static void on_upgrade(int signal)
{
	(void)signal;
	if (!up)
		return;
	if (pool_can_be_described()) {
		begin_upgrade();
	} else if (!upgrade_waits) {
		upgrade_waits = true;
		report(REPORT_NOTICE "USR2 is heeded when the reload is complete");
	}
}

static void on_reloaded(void)
{
	notify_ready();
	if (upgrade_waits)
		begin_upgrade();
	upgrade_waits = false;
}

static const struct pool_events events = {
	.up = on_up, .failed = on_failed, .reloaded = on_reloaded, .idle = on_nobody,
	.renew = renew_socket, .over = on_over,
};

static bool open_loop(bool resumed)
{
	bool opened = loop_open();

	if (resumed) {
		journal_take_reports();
		report(REPORT_NOTICE "version " PACKAGE_VERSION " goes on with the processes that there are");
	}
	if (!opened || !children_open() || !loop_catch(SIGTERM, on_stop) ||
	    !loop_catch(SIGINT, on_stop) || !loop_catch(SIGQUIT, on_stop) ||
	    !loop_catch(SIGHUP, on_reload) || !loop_catch(SIGUSR1, on_reopen) ||
	    !loop_catch(SIGUSR2, on_upgrade)) {
		report("cannot watch over the program: %s", strerror(errno));
		return false;
	}
	self_watch_signals();
	census_adopt_orphans();
	have_kept();
	if (notify_watchdog() > 0)
		deadline_set(&watchdog, notify_watchdog(), on_watchdog);
	return pool_open(settings, identity, listener.fd, &events);
}

static int stay(struct handover *from)
{
	status = EXIT_OWN_ERROR;
	status_open(settings);
	if (open_loop(from)) {
		status_server_begin();
		if (from) {
			notify_ready(); /* perhaps not sent before the exec */
			pool_resume(from);
			handover_free(from);
		} else {
			pool_begin();
		}
		if (!is_over)
			loop_run();
	} else {
		leave_socket();
	}
	if (up)
		pidfile_remove(settings->pid_file, getpid());
	else
		pidfile_discard(&pidfile);
	self_release_parent(status);
	journal_flush();
	return status;
}

static int stay_in_background(void)
{
	int of_child = EXIT_OWN_ERROR;
	pid_t pid = self_background(&of_child);

	if (pid == 0)
		return stay(NULL);
	if (pid < 0) {
		leave_socket();
		pidfile_discard(&pidfile);
	}
	if (pid > 0 && of_child == EXIT_SUCCESS)
		printf("spawn-fcgi: child spawned successfully: PID: %ld\n", (long)pid);
	return of_child;
}

static const char *log_target(void)
{
	return settings->log || settings->in_place ? settings->log : "syslog";
}

static int begin_supervision(void)
{
	if (!pidfile_open(&pidfile, settings->pid_file))
		return EXIT_OWN_ERROR;
	if (!journal_open(log_target()) || !listener_find(&listener, settings, identity)) {
		pidfile_discard(&pidfile);
		return EXIT_OWN_ERROR;
	}
	counts.start = (int64_t)time(NULL) * 1000;
	if (!status_server_open(settings, identity)) {
		leave_socket();
		pidfile_discard(&pidfile);
		return EXIT_OWN_ERROR;
	}
	pidfile_claim(&pidfile);
	return settings->in_place ? stay(NULL) : stay_in_background();
}

/* Without a socket of --status the pool goes on all the same. */
static void resume_status(void)
{
	const char *text = getenv(HANDOVER_COUNTS_VARIABLE);

	if (!text || !counts_read(text))
		counts.start = (int64_t)time(NULL) * 1000;
	status_server_resume(settings, identity, getenv(HANDOVER_STATUS_VARIABLE));
	unsetenv(HANDOVER_COUNTS_VARIABLE);
	unsetenv(HANDOVER_STATUS_VARIABLE);
}

static int resume(struct handover *from)
{
	struct listen_identity file;

	listener_read_name(from->name, &file);
	self_executed_anew();
	if (!journal_open(log_target()) ||
	    !listener_adopt(&listener, settings, from->socket, from->bound, &file))
		return EXIT_OWN_ERROR;
	if (from->trial) {
		handover_free(from);
		return UPGRADE_ACCEPTED;
	}
	up = true;
	resume_status();
	return stay(from);
}

int supervise(const struct settings *wanted, const struct identity *runs_as, char **argv,
	      struct handover *from)
{
	settings = wanted;
	identity = runs_as;
	arguments = argv;
	notify_open();
	return from ? resume(from) : begin_supervision();
}
