#include <config.h>

#include "worker.h"

#include "cgi.h"
#include "children.h"
#include "compat.h"
#include "connection.h"
#include "loop.h"
#include "peer.h"
#include "places.h"
#include "report.h"
#include "request.h"
#include "warm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum {
	RESERVED_DESCRIPTORS = 32,
	PROGRAM_DESCRIPTORS = 5, /* three pipes, the body's file, the script's directory */
	/* Connections that are taken in one turn: the turns of a busy worker are long,
	 * but others may have less to do. */
	ACCEPTED_MOST = 16,
	/* milliseconds, when the system is out of something */
	ACCEPT_PAUSE = 200,
	COMPLAIN_EVERY = 10000
};

static struct watch listener_watch = { .fd = -1 };
static struct watch lifeline_watch = { .fd = -1 };
static struct deadline accept_again;
static struct deadline stop_deadline;
static size_t connections_most;
static long stop_timeout;
static bool stopping;

static void want_connections(void)
{
	bool welcome = connection_count() < connections_most && !accept_again.lane;

	loop_want(&listener_watch, welcome ? LOOP_READ | LOOP_SHARED : 0);
}

static void on_accept_again(struct deadline *d)
{
	(void)d;
	want_connections();
}

/* The system is out of descriptors or memory: others wait in the socket's queue
 * until something is free again. */
static void pause_accepting(void)
{
	static int64_t last;

	if (loop_is_time(&last, COMPLAIN_EVERY))
		report("cannot accept a connection: %s (trying again)", strerror(errno));
	deadline_set(&accept_again, ACCEPT_PAUSE, on_accept_again);
}

static bool is_transient(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED ||
	       error == EPROTO || error == EPERM;
}

static bool admit(int fd)
{
	char who[64];

	if (peer_is_allowed(fd, who, sizeof who))
		return connection_new(fd);
	report("connection from %s refused (--allow, --allow-user, FCGI_WEB_SERVER_ADDRS)", who);
	close(fd);
	return true;
}

/* False if none could be taken now. */
static bool accept_one(void)
{
	int fd = accept4(listener_watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	bool taken = fd >= 0 && admit(fd);

	if (fd < 0 ? !is_transient(errno) : !taken)
		pause_accepting();
	return taken;
}

static void on_listener(struct watch *watch, unsigned events)
{
	(void)watch, (void)events;
	for (int i = 0; i < ACCEPTED_MOST && connection_count() < connections_most; i++)
		if (!accept_one())
			break;
	want_connections();
}

/* Nobody else has been woken for connections that this process was woken for. */
static void stop_accepting(void)
{
	loop_want(&listener_watch, 0);
	while (connection_count() < connections_most && accept_one())
		;
	deadline_clear(&accept_again);
	loop_close(&listener_watch);
}

static void on_connection_freed(void)
{
	if (!stopping)
		want_connections();
}

static void on_stop_deadline(struct deadline *d)
{
	(void)d;
	report("stopping: %zu connections and %zu scripts did not finish in time (--stop-timeout); "
	       "ending them", connection_count(), cgi_count());
	connection_close_all();
	cgi_stop_all();
}

static void stop(void)
{
	if (stopping)
		return;
	stopping = true;
	stop_accepting();
	loop_close(&lifeline_watch);
	deadline_set(&stop_deadline, stop_timeout, on_stop_deadline);
	connection_finish_all();
}

/* A signal may go to all processes at once, and so come here beside the end of
 * the lifeline: only a second signal means haste. */
static void on_stop_signal(int signal)
{
	static bool told;

	if (told || signal == CHILDREN_HASTE) {
		connection_close_all();
		loop_stop();
	}
	told = true;
	stop();
}

static void on_lifeline(struct watch *watch, unsigned events)
{
	(void)watch, (void)events;
	stop();
}

static bool open_worker(const struct settings *settings, int listener, int lifeline)
{
	const struct cgi_policy policy = {
		.kill_after = settings->kill_after,
		.background_timeout = settings->background_timeout,
	};

	if (fcntl(listener, F_SETFL, O_NONBLOCK) < 0 || !loop_open() ||
	    !cgi_open(&policy) || !loop_catch(SIGTERM, on_stop_signal) ||
	    !loop_catch(SIGINT, on_stop_signal) || !loop_catch(CHILDREN_HASTE, on_stop_signal) ||
	    !loop_watch(&listener_watch, listener, LOOP_READ | LOOP_SHARED, on_listener))
		return false;
	return lifeline < 0 || loop_watch(&lifeline_watch, lifeline, LOOP_READ, on_lifeline);
}

static void end_turn(void)
{
	do
		request_serve_queue();
	while (connection_settle_all());
	warm_tick();
	if (stopping && connection_count() == 0 && cgi_count() == 0)
		loop_stop();
}

/* What is left for connections when all programs run that may. */
static size_t count_connections(long descriptors, long programs)
{
	long left = descriptors - RESERVED_DESCRIPTORS - programs * PROGRAM_DESCRIPTORS;

	/* Where descriptors are few, programs will have to wait for them. */
	return left > programs ? (size_t)left : (size_t)programs;
}

int worker_run(const struct settings *settings, long number, int listener, int lifeline)
{
	places_enter((size_t)number);
	connections_most = count_connections(launch_enter(), settings->max_scripts);
	stop_timeout = settings->stop_timeout;
	connection_open_all(settings, connections_most * (size_t)settings->workers,
			    on_connection_freed);
	if (!open_worker(settings, listener, lifeline)) {
		report("cannot begin to serve: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	warm_start_templates(settings);
	loop_after_turn(end_turn);
	loop_run();
	connection_close_all();
	cgi_kill_all();
	return 0;
}
