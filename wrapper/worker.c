#include <config.h>

#include "worker.h"

#include "access-log.h"
#include "calls.h"
#include "connection.h"
#include "explain.h"
#include "journal.h"
#include "launcher.h"
#include "loop.h"
#include "peer.h"
#include "process.h"
#include "report.h"
#include "request.h"
#include "service.h"
#include "slots.h"
#include "splice.h"
#include "warm.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum {
	RESERVED_DESCRIPTORS = 32,
	KEY_SHIFT = 40, /* a worker gives keys to 2^40 connections */
	SCRIPT_DESCRIPTORS = 8, /* three pipes, both ends for a while; the body's file, ... */
	/* Connections accepted in one turn while no other worker is present. */
	ACCEPTED_MOST = 16,
	/* milliseconds, when short of resources */
	ACCEPT_PAUSE = 200,
	COMPLAIN_EVERY = 10000,
	/* after KILL, for scripts to end */
	KILLED_MOST = 500
};

static struct watch listener_watch = { .fd = -1 };
static bool has_listener; /* false: worker_run_once() */
static int sole_connection = -1; /* until it is served */
static struct watch parent_watch = { .fd = -1 };
static struct deadline accept_again;
static struct deadline stop_deadline;
static struct service service;
static size_t connections_most;
static bool stopping;

static void want_connections(void)
{
	bool welcome = service.count < connections_most && !deadline_is_set(&accept_again);

	loop_want(&listener_watch, welcome ? LOOP_READ | LOOP_SHARED : 0);
}

static void on_accept_again(struct deadline *d)
{
	(void)d;
	want_connections();
}

/* Short of descriptors or memory: further connections wait in the backlog of the socket for
 * a while. */
static void pause_accepting(void)
{
	static int64_t last;

	if (loop_is_time(&last, COMPLAIN_EVERY))
		report("cannot accept a connection: %s (trying again)", strerror(errno));
	deadline_set(&accept_again, ACCEPT_PAUSE, on_accept_again);
}

/* True for an error of one connection that failed before accept(2). Linux passes pending
 * network errors on as well. */
static bool is_of_connection(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

static void admit(int fd)
{
	static struct report_rate refused, lost;
	char who[64];

	if (peer_is_allowed(fd, who, sizeof who)) {
		/* The end of a response is small, and must not wait for a TCP
		 * acknowledgement of earlier data. */
		if (service.tcp)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		scoreboard_add(SCORE_CONNECTIONS, 1);
		if (!connection_new(&service, fd))
			report_often(&lost, loop_now(), "cannot serve a connection, which is lost: %s",
				     strerror(errno));
		return;
	}
	report_often(&refused, loop_now(),
		     REPORT_WARNING "connection from %s refused (--allow, --allow-user, FCGI_WEB_SERVER_ADDRS)", who);
	close(fd);
}

/* Other processes may share the open file of an inherited socket, and clear O_NONBLOCK. */
static void keep_nonblocking(void)
{
	int flags = fcntl(listener_watch.fd, F_GETFL);

	if (!(flags & O_NONBLOCK))
		fcntl(listener_watch.fd, F_SETFL, flags | O_NONBLOCK);
}

/* Asks before accept(2), which would block if another process clears O_NONBLOCK. */
static bool connection_waits(void)
{
	struct pollfd waiting = { .fd = listener_watch.fd, .events = POLLIN };

	return poll(&waiting, 1, 0) > 0;
}

/* Accepts a connection. False if no more should be accepted now. */
static bool accept_one(int *failures)
{
	int fd = call_accept(listener_watch.fd);

	if (fd >= 0) {
		*failures = 0;
		admit(fd);
		return true;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return false;
	/* Connections behind a failed one may be good, unless all fail. */
	if (is_of_connection(errno) && ++*failures < ACCEPTED_MOST)
		return true;
	pause_accepting();
	return false;
}

/* EPOLLEXCLUSIVE wakes the worker waiting longest: wait anew, behind the others. Otherwise
 * one worker would collect the kept connections. */
static void go_to_end_of_line(void)
{
	loop_want(&listener_watch, 0);
}

static void on_listener(struct watch *watch, unsigned events)
{
	bool shared = slots_are_shared();
	int most = shared ? 1 : ACCEPTED_MOST, failures = 0;

	(void)watch, (void)events;
	keep_nonblocking();
	for (int i = 0; i < most && service.count < connections_most; i++)
		if ((i > 0 && !connection_waits()) || !accept_one(&failures))
			break;
	if (shared)
		go_to_end_of_line();
	want_connections();
}

static void tell_parent(char what)
{
	if (write(parent_watch.fd, &what, 1) < 0) {
		/* the parent is gone: on_parent() acts on that */
	}
}

/* EPOLLEXCLUSIVE woke only this worker: accept pending connections before closing the
 * listener. */
static void stop_accepting(void)
{
	int failures = 0;

	loop_want(&listener_watch, 0);
	keep_nonblocking();
	while (service.count < connections_most && connection_waits() && accept_one(&failures))
		;
	deadline_clear(&accept_again);
	loop_close(&listener_watch);
	tell_parent(WORKER_ACCEPTS_NO_MORE);
}

static void on_connection_freed(struct service *s)
{
	(void)s;
	if (!stopping && has_listener)
		want_connections();
}

static void on_stop_end(struct deadline *d)
{
	(void)d;
	report("stopping: %zu scripts cannot be ended; leaving them", process_count());
	loop_stop();
}

static void end_all(void)
{
	connection_close_all(&service);
	process_terminate_all();
	deadline_set(&stop_deadline, service.settings->kill_after + KILLED_MOST, on_stop_end);
}

static void on_stop_deadline(struct deadline *d)
{
	(void)d;
	report("stopping: %zu connections and %zu scripts did not finish in time (--stop-timeout); "
	       "ending them", service.count, process_count());
	end_all();
}

static void stop(void)
{
	if (stopping)
		return;
	stopping = true;
	if (!has_listener) {
		end_all();
		return;
	}
	stop_accepting();
	deadline_set(&stop_deadline, service.settings->stop_timeout, on_stop_deadline);
	connection_finish_all(&service);
}

static void end_at_once(void)
{
	connection_close_all(&service);
	loop_stop();
}

/* A signal may go to all processes at once, and arrive beside the end of the parent's pipe:
 * only a second signal, or WORKER_HASTE, ends the worker at once. */
static void on_stop_signal(int signal)
{
	static bool told;

	if (told || signal == WORKER_HASTE)
		end_at_once();
	told = true;
	stop();
}

/* By a byte the parent asks whether the loop turns, by shutdown(2) for a stop. A hangup means
 * that the parent is gone: if after asking for a stop, it may have been killed because the stop
 * took too long, so end at once; otherwise stop as usual. */
static void on_parent(struct watch *watch, unsigned events)
{
	static bool told;
	char asked;

	if (!(events & LOOP_HANGUP)) {
		ssize_t n = read(watch->fd, &asked, 1);

		if (n > 0)
			tell_parent(WORKER_TURNS);
		if (n != 0)
			return;
		told = true;
		loop_want(watch, LOOP_HANGUP);
	} else {
		loop_close(watch);
		if (told)
			end_at_once();
	}
	stop();
}

static bool is_tcp(int listener)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} address;
	socklen_t size = sizeof address;

	return getsockname(listener, &address.any, &size) == 0 && address.any.sa_family != AF_UNIX;
}

static bool open_worker(const struct settings *settings, int listener, int pipe, long descriptors)
{
	/* SIGHUP is for the parent, and may go to all processes at once. */
	signal(SIGHUP, SIG_IGN);
	return loop_open() && process_open(settings) && launcher_open(settings, descriptors) &&
	       loop_catch(SIGTERM, on_stop_signal) && loop_catch(SIGINT, on_stop_signal) &&
	       loop_catch(SIGUSR1, on_stop_signal) && loop_catch(WORKER_HASTE, on_stop_signal) &&
	       loop_watch(&parent_watch, pipe, LOOP_READ, on_parent) &&
	       (!has_listener ||
		loop_watch(&listener_watch, listener, LOOP_READ | LOOP_SHARED, on_listener));
}

/* Takes over the sole connection when templates are loaded, as they mostly are where many come. */
static void serve_sole_connection(void)
{
	int fd = sole_connection;

	if (fd < 0 || !warm_is_settled())
		return;
	sole_connection = -1;
	explain_clock();
	if (!connection_new(&service, fd))
		report("cannot serve a connection, which is lost: %s", strerror(errno));
	tell_parent(WORKER_SERVES);
}

static bool is_at_end(void)
{
	return (stopping || (!has_listener && sole_connection < 0)) && service.count == 0 &&
	       process_count() == 0;
}

static void worker_end_turn(void)
{
	serve_sole_connection();
	do
		request_serve_queue(&service);
	while (connection_update_all(&service));
	if (slots_wake())
		tell_parent(WORKER_WAKES);
	warm_tick();
	if (stopping && service.count == 0)
		process_terminate_remains();
	if (is_at_end())
		loop_stop();
	journal_turn();
}

/* Returns the number of connections that leave enough descriptors for all scripts; if
 * descriptors are few, for one script at least. */
static size_t count_connections(long descriptors, long scripts)
{
	long left = descriptors - RESERVED_DESCRIPTORS - scripts * SCRIPT_DESCRIPTORS;
	long most = descriptors - RESERVED_DESCRIPTORS - SCRIPT_DESCRIPTORS;

	/* Too few to reserve any: connections and scripts take them as they come. */
	if (most < descriptors / 2)
		most = descriptors;
	if (left < scripts)
		left = scripts < most ? scripts : most;
	return (size_t)left;
}

/* listener is -1 for worker_run_once(). False after reporting. */
static bool worker_begin(const struct settings *settings, long number, int listener, int pipe)
{
	long descriptors = launch_enter();

	if (descriptors < 0) {
		report("cannot begin to serve: %s", strerror(errno));
		return false;
	}
	slots_enter((size_t)number);
	scoreboard_enter((size_t)number);
	has_listener = listener >= 0;
	connections_most = count_connections(descriptors, settings->max_scripts);
	service = (struct service){
		.settings = settings,
		.admission = { .client_most = (size_t)settings->max_per_client,
			       .script_most = (size_t)settings->max_per_script },
		.last_key = (uint64_t)number << KEY_SHIFT,
		.connections_most = connections_most * (size_t)settings->workers,
		.tcp = is_tcp(listener),
		.freed = on_connection_freed,
	};
	body_set_directory(settings->spool_directory);
	splice_open();
	if (!open_worker(settings, listener, pipe, descriptors)) {
		report("cannot begin to serve: %s", strerror(errno));
		return false;
	}
	warm_start_templates(settings);
	return true;
}

static void worker_serve(void)
{
	loop_after_turn(worker_end_turn);
	loop_run();
	connection_close_all(&service);
	process_kill_all();
}

int worker_run(const struct settings *settings, long number, int listener, int pipe)
{
	listener = launch_raise(listener);
	pipe = launch_raise(pipe);
	if (listener < 0 || pipe < 0) {
		report("cannot begin to serve: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	if (!worker_begin(settings, number, listener, pipe))
		return STATUS_FAILURE;
	journal_take_reports();
	tell_parent(WORKER_SERVES);
	worker_serve();
	access_log_flush();
	journal_flush();
	return 0;
}

int worker_run_once(const struct settings *settings, int connection, int pipe)
{
	sole_connection = launch_raise(connection);
	pipe = launch_raise(pipe);
	if (sole_connection < 0 || pipe < 0) {
		report("cannot begin to serve: %s", strerror(errno));
		return STATUS_FAILURE;
	}
	if (!worker_begin(settings, 0, -1, pipe))
		return STATUS_FAILURE;
	serve_sole_connection();
	worker_serve();
	return explain_is_failure() ? STATUS_FAILURE : 0;
}
