#include <config.h>

#include "status-server.h"

#include "calls.h"
#include "listener.h"
#include "loop.h"
#include "report.h"
#include "responder.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IN_SIZE = 4096,
	STEPS_MOST = 16, /* reads and answers of a connection in one turn */
	/* milliseconds */
	TIME_MOST = 10000,  /* for a request and its answer, or from one to the next */
	LINGER = 2000,      /* for an answered client to close */
	IDLE_LEAST = 1000,  /* of a connection that is closed in favour of another */
	FULL_PAUSE = 100,   /* to the next look for such a connection, or for an upgrade */
	ACCEPT_PAUSE = 1000 /* after accept(2) has failed */
};

struct caller {
	struct watch socket; /* fd -1: this place is free */
	struct deadline timer;
	int64_t since; /* of the connection, or of the last answer */
	struct responder responder;
	unsigned char in[IN_SIZE];
	size_t in_start, in_end;
	bool lingers; /* our side is shut down */
	bool answered;
};

static struct {
	struct settings settings; /* with the socket of --status in place of the pool's */
	struct listener listener;
	bool open;
	struct watch watch;
	struct deadline again;
	struct report_rate troubles;
	struct caller callers[STATUS_CONNECTIONS];
} server;

static const struct responder_plan plan = {
	.connections = STATUS_CONNECTIONS, .answer = status_answer,
};

static void on_caller(struct watch *watch, unsigned events);
static void on_caller_comes(struct watch *watch, unsigned events);

/* Connections. */

static void want_callers(bool wanted)
{
	if (server.watch.fd >= 0)
		loop_want(&server.watch, wanted ? LOOP_READ : 0);
}

static void end_caller(struct caller *c)
{
	deadline_clear(&c->timer);
	responder_close(&c->responder);
	loop_close(&c->socket);
	if (!deadline_is_set(&server.again))
		want_callers(true);
}

static void on_caller_time(struct deadline *d)
{
	end_caller(LOOP_OWNER(d, struct caller, timer));
}

static bool would_wait(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Each returns false if the connection is of no more use. */
static bool send_output(struct caller *c)
{
	struct responder *r = &c->responder;
	ssize_t n;

	while (r->out_sent < r->out_size) {
		n = send(c->socket.fd, r->out + r->out_sent, r->out_size - r->out_sent,
			 MSG_NOSIGNAL);
		if (n < 0)
			return would_wait();
		r->out_sent += (size_t)n;
	}
	if (r->out_size == 0)
		return true;
	responder_sent_all(r);
	c->answered = true;
	c->since = loop_now();
	deadline_set(&c->timer, r->closes ? LINGER : TIME_MOST, on_caller_time);
	/* A close while the client still sends would cause a reset, and the client lose the
	 * unread answer. */
	c->lingers = r->closes;
	return !r->closes || shutdown(c->socket.fd, SHUT_WR) == 0;
}

/* Sets *waits if there is no input now. */
static bool read_input(struct caller *c, bool *waits)
{
	ssize_t n = read(c->socket.fd, c->in, sizeof c->in);

	*waits = n < 0;
	if (n < 0)
		return would_wait();
	c->in_start = 0;
	c->in_end = (size_t)n;
	return n > 0;
}

static bool take_input(struct caller *c)
{
	const unsigned char *at = c->in + c->in_start;
	size_t left = c->in_end - c->in_start;
	bool fine = responder_take(&c->responder, &at, &left);

	c->in_start = c->in_end - left;
	return fine;
}

/* Input is only read when all output is sent. */
static bool serve(struct caller *c)
{
	bool waits = false;

	for (int i = 0; i < STEPS_MOST && !waits; i++) {
		if (!send_output(c))
			return false;
		if (c->responder.out_size > 0)
			return true;
		if (c->in_start == c->in_end && !read_input(c, &waits))
			return false;
		if (!waits && !take_input(c))
			return false;
	}
	return send_output(c);
}

/* Input left in our buffer is taken up in the next turn: then the socket is writable. */
static void on_caller(struct watch *watch, unsigned events)
{
	struct caller *c = LOOP_OWNER(watch, struct caller, socket);
	bool more = false;

	(void)events;
	if (!serve(c)) {
		end_caller(c);
		return;
	}
	more = c->responder.out_size > 0 || c->in_start < c->in_end;
	loop_want(watch, more ? LOOP_WRITE : LOOP_READ);
}

/* New connections. */

static bool is_at_rest(const struct caller *c)
{
	return c->socket.fd < 0 || c->lingers || responder_rests(&c->responder);
}

/* The first free place. If there is none, the connection is closed that has rested for longest:
 * web servers keep some that they do not need now. NULL: all have something to do. */
static struct caller *find_place(void)
{
	struct caller *rests = NULL;

	for (struct caller *c = server.callers; c < server.callers + STATUS_CONNECTIONS; c++) {
		if (c->socket.fd < 0)
			return c;
		if (is_at_rest(c) && loop_now() - c->since >= IDLE_LEAST &&
		    (!rests || c->since < rests->since))
			rests = c;
	}
	if (rests)
		end_caller(rests);
	return rests;
}

static void on_again(struct deadline *d)
{
	(void)d;
	want_callers(true);
}

static void pause_callers(int64_t pause)
{
	want_callers(false);
	deadline_set(&server.again, pause, on_again);
}

static void begin_caller(struct caller *c, int fd)
{
	*c = (struct caller){ .since = loop_now(), .responder.plan = &plan };
	if (!loop_watch(&c->socket, fd, LOOP_READ, on_caller)) {
		close(fd);
		return;
	}
	deadline_set(&c->timer, TIME_MOST, on_caller_time);
	on_caller(&c->socket, LOOP_READ);
}

/* One in each turn: others of the loop are served in between. */
static void on_caller_comes(struct watch *watch, unsigned events)
{
	struct caller *c = find_place();
	int fd;

	(void)events;
	if (!c) {
		pause_callers(FULL_PAUSE);
		return;
	}
	fd = call_accept(watch->fd);
	if (fd >= 0) {
		begin_caller(c, fd);
	} else if (!would_wait() && errno != ECONNABORTED) {
		report_often(&server.troubles, loop_now(),
			     "cannot accept a connection for --status: %s (trying again)",
			     strerror(errno));
		pause_callers(ACCEPT_PAUSE);
	}
}

/* The socket. */

static void prepare(const struct settings *settings)
{
	server.settings = *settings;
	server.settings.socket = NULL;
	server.settings.address = settings->status_address;
	if (settings->status_address.as.any.sa_family == AF_UNIX)
		server.settings.socket = settings->status_address.as.local.sun_path;
	server.watch = WATCH_NONE;
	for (struct caller *c = server.callers; c < server.callers + STATUS_CONNECTIONS; c++)
		c->socket = WATCH_NONE;
}

static bool open_anew(const struct settings *settings, const struct identity *identity)
{
	if (!settings->status)
		return true;
	server.open = listener_open(&server.listener, &server.settings, identity);
	return server.open;
}

bool status_server_open(const struct settings *settings, const struct identity *identity)
{
	prepare(settings);
	return open_anew(settings, identity);
}

void status_server_resume(const struct settings *settings, const struct identity *identity,
			  const char *from)
{
	struct listen_identity file;
	char *name;
	long fd = from ? strtol(from, &name, 10) : -1;

	prepare(settings);
	if (fd < 0 || *name != ' ' || !listener_read_name(name + 1, &file))
		open_anew(settings, identity);
	else
		server.open = listener_adopt(&server.listener, &server.settings, (int)fd, true,
					     &file);
}

void status_server_begin(void)
{
	int fd = server.listener.fd;

	if (!server.open)
		return;
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
	    !loop_watch(&server.watch, fd, LOOP_READ, on_caller_comes))
		report("cannot watch the socket of --status: %s", strerror(errno));
}

int status_server_describe(char text[STATUS_SERVER_TEXT])
{
	char name[LISTENER_NAME_SIZE];

	text[0] = '\0';
	if (!server.open)
		return -1;
	listener_name(&server.listener, name);
	snprintf(text, STATUS_SERVER_TEXT, "%d %s", server.listener.fd, name);
	return server.listener.fd;
}

bool status_server_rests(void)
{
	const struct caller *c = server.callers, *end = c + STATUS_CONNECTIONS;

	if (!server.open)
		return true;
	pause_callers(FULL_PAUSE);
	/* A request is to be expected on a new connection. */
	while (c < end && is_at_rest(c) &&
	       (c->socket.fd < 0 || c->answered || loop_now() - c->since >= IDLE_LEAST))
		c++;
	return c == end;
}

void status_server_leave(void)
{
	if (!server.open)
		return;
	server.open = false;
	deadline_clear(&server.again);
	listener_remove(&server.listener);
	if (server.watch.fd >= 0)
		loop_close(&server.watch);
	else
		close(server.listener.fd);
}
