#include <config.h>

#include "client.h"

#include "exchange.h"
#include "listen.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
	const struct settings *settings;
	char peer[160]; /* for messages */
	struct exchange exchange;
};

enum { CONNECTED = -1 }; /* no exit status yet */

/* The connection. */

static int report_no_connection(const struct client *c, int error)
{
	bool local = c->settings->address.as.any.sa_family == AF_UNIX;
	const char *remedy = "";

	if (error == ETIMEDOUT) {
		report("no connection to %s within %g s: %s", c->peer,
		       (double)c->settings->timeout / 1000,
		       local ? "its queue is full (the program is busy, or hangs)"
			     : "no answer of the system there (a firewall, or a full queue)");
		return CLIENT_NO_TIME;
	}
	if (error == ENOENT)
		remedy = " (nobody has made this socket: start the program)";
	else if (error == ECONNREFUSED)
		remedy = " (nobody listens there: start the program)";
	else if (error == EACCES && local)
		remedy = " (this user may not write to the socket, or not search its directory)";
	report("cannot connect to %s: %s%s", c->peer, strerror(error), remedy);
	return CLIENT_NO_CONNECTION;
}

/* With a full queue connect(2) waits, in the order of all who do, which no poll(2) can; the alarm
 * ends that. Returns 0 or an error. */
static int connect_local(struct client *c)
{
	const struct listen_address *to = &c->settings->address;

	while (connect(c->exchange.socket, &to->as.any, to->size) < 0) {
		if (errno != EINTR)
			return errno;
		if (exchange_time_left(&c->exchange) == 0)
			return ETIMEDOUT;
	}
	return fcntl(c->exchange.socket, F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
}

static int connect_internet(struct client *c)
{
	const struct listen_address *to = &c->settings->address;
	struct pollfd p = { .fd = c->exchange.socket, .events = POLLOUT };
	int error = 0, left;
	socklen_t size = sizeof error;

	if (fcntl(c->exchange.socket, F_SETFL, O_NONBLOCK) < 0)
		return errno;
	if (connect(c->exchange.socket, &to->as.any, to->size) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return errno;
	do
		left = exchange_time_left(&c->exchange);
	while (left > 0 && poll(&p, 1, left) <= 0);
	if (left == 0)
		return ETIMEDOUT;
	return getsockopt(c->exchange.socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

static int open_connection(struct client *c)
{
	int error;

	c->exchange.socket = listen_socket(&c->settings->address);
	if (c->exchange.socket < 0)
		return EXIT_OWN_ERROR;
	error = c->settings->address.as.any.sa_family == AF_UNIX ? connect_local(c)
								 : connect_internet(c);
	return error ? report_no_connection(c, error) : CONNECTED;
}

/* The verdict. */

static const char *protocol_status_name(enum record_end status)
{
	return status == FCGI_CANT_MPX_CONN ? "FCGI_CANT_MPX_CONN"
	       : status == FCGI_OVERLOADED ? "FCGI_OVERLOADED"
	       : status == FCGI_UNKNOWN_ROLE ? "FCGI_UNKNOWN_ROLE" : "an unknown reason";
}

static int judge_response(const struct client *c)
{
	const struct verdict *v = &c->exchange.verdict;

	if (verdict_protocol_status(v) != FCGI_REQUEST_COMPLETE)
		report("%s refuses the request: %s (a web server would answer 502)", c->peer,
		       protocol_status_name(verdict_protocol_status(v)));
	else if (v->header == VERDICT_HEADER_NONE)
		report("%s has ended the request without a response (see its log)", c->peer);
	else if (v->header != VERDICT_HEADER_WHOLE)
		report("the response of %s has no good header (a web server would answer 502)%s",
		       c->peer, c->settings->ping ? "; --request shows it" : "");
	else if (v->status >= 500)
		report("%s answers %s%s", c->peer, v->reason,
		       c->settings->ping ? " (--request shows the response)" : "");
	else
		return CLIENT_GOOD;
	return CLIENT_BAD_RESPONSE;
}

static int judge_exchange(const struct client *c)
{
	const struct verdict *v = &c->exchange.verdict;
	int error = c->exchange.error;

	if (v->ended)
		return judge_response(c);
	if (c->exchange.broken)
		report("no FastCGI from %s: %s%s", c->peer, v->fault,
		       v->any ? "" : " (something else listens there)");
	else
		report("%s has closed the connection %s%s%s%s (did the program crash, or refuse this "
		       "client? see its log)", c->peer,
		       v->any ? "before the end of the response" : "without a response",
		       error ? " (" : "", error ? strerror(error) : "", error ? ")" : "");
	return CLIENT_NO_FASTCGI;
}

static int judge_outcome(const struct client *c, enum exchange_outcome outcome)
{
	return outcome == EXCHANGE_OVER ? judge_exchange(c)
	       : outcome == EXCHANGE_LATE ? CLIENT_NO_TIME : EXIT_OWN_ERROR;
}

int client_run(const struct settings *settings)
{
	static struct client c;
	struct exchange *x = &c.exchange;
	enum exchange_outcome outcome;
	int status = CONNECTED;

	c.settings = settings;
	listen_address_print(&settings->address, c.peer, sizeof c.peer);
	x->parameters = (struct parameters){ "spawn-fcgi", settings->script, settings->pairs };
	x->peer = c.peer;
	x->timeout = settings->timeout;
	x->take = settings->request ? exchange_put_output : NULL;
	outcome = exchange_prepare(x);
	if (outcome == EXCHANGE_GOES_ON)
		status = open_connection(&c);
	if (outcome == EXCHANGE_GOES_ON && status == CONNECTED)
		outcome = exchange_run(x);
	exchange_free(x);
	return status == CONNECTED ? judge_outcome(&c, outcome) : status;
}
