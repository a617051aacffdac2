#include <config.h>

#include "client.h"

#include "listen.h"
#include "parameters.h"
#include "record.h"
#include "report.h"
#include "verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	IN_SIZE = 64 * 1024,
	BODY_SIZE = 32 * 1024, /* of a record of the body, as nginx sends them */
	PIECE = 4096,          /* a pipe that is ready takes so much without a wait */
	AGAIN_MS = 100
};

#define SPOOL_MOST ((int64_t)1 << 30) /* bytes of a body whose size is not known */

/* Bytes on the way to a standard stream. */
struct outlet {
	int fd;
	size_t start, end;
	unsigned char bytes[IN_SIZE];
};

struct client {
	const struct settings *settings;
	struct parameters parameters;
	char peer[160]; /* for messages */
	int64_t deadline; /* milliseconds of CLOCK_MONOTONIC */
	int socket;
	FILE *spool;       /* for a body of unknown size, or NULL */
	int body;          /* what is sent is read from this descriptor; -1: no more */
	int64_t body_size; /* -1: there is none, and nothing is said of it */
	int64_t body_left; /* bytes to be read */
	unsigned char *records;    /* up to the end of the parameters */
	const unsigned char *sends; /* what is being sent, of records or chunk */
	size_t unsent;
	unsigned char chunk[RECORD_HEADER_SIZE + BODY_SIZE + RECORD_HEADER_SIZE];
	bool broken, closed;
	int error; /* that the connection was closed with, or 0 */
	struct verdict verdict;
	struct outlet output, errors;
	bool error_line; /* has begun, and not ended */
};

/* Time. */

static int64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Milliseconds; 0 when the time is over. */
static int time_left(const struct client *c)
{
	int64_t left = c->deadline - clock_ms();

	return left > INT_MAX ? INT_MAX : left > 0 ? (int)left : 0;
}

static double time_given(const struct client *c)
{
	return (double)c->settings->timeout / 1000;
}

static void interrupt_call(int signal)
{
	(void)signal;
}

/* Standard streams are not ours alone, and stay blocking: a call that waits although poll(2) has
 * found it ready, as for a pipe that others use too, is interrupted when the time is over. So is
 * one that begins between the look at the clock and the signal, a moment later. */
static void begin_time(struct client *c)
{
	struct sigaction interrupt = { .sa_handler = interrupt_call };
	struct itimerval timer = {
		.it_value = { c->settings->timeout / 1000, c->settings->timeout % 1000 * 1000 },
		.it_interval = { 0, AGAIN_MS * 1000L },
	};
	sigset_t alarms;

	c->deadline = clock_ms() + c->settings->timeout;
	sigemptyset(&interrupt.sa_mask);
	sigaction(SIGALRM, &interrupt, NULL);
	interrupt.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &interrupt, NULL);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* True if a call is to be made again, or is made again anyway when its descriptor is ready. */
static bool is_passing(int error)
{
	return error == EINTR || error == EAGAIN || error == EWOULDBLOCK;
}

/* Functions that return int: an exit status, or GO_ON. */
enum { GO_ON = -1 };

/* The body. */

static int report_late_body(const struct client *c)
{
	report("the body did not end on standard input within %g s (for a body of unknown size "
	       "the end is waited for; see --timeout)", time_given(c));
	return CLIENT_NO_TIME;
}

static int report_unkept(const char *why)
{
	report("cannot keep the body of standard input in a file: %s (say how long it is by "
	       "CONTENT_LENGTH=)", why);
	return EXIT_OWN_ERROR;
}

static int report_unreadable(void)
{
	report("cannot read the body from standard input: %s", strerror(errno));
	return EXIT_OWN_ERROR;
}

/* Reads a body of unknown size into a file without a name, since CONTENT_LENGTH comes first. */
static int spool_body(struct client *c)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n = -1;

	c->spool = tmpfile();
	if (!c->spool)
		return report_unkept(strerror(errno));
	c->body = fileno(c->spool);
	while (n != 0) {
		int left = time_left(c);

		if (left == 0)
			return report_late_body(c);
		if (poll(&in, 1, left) <= 0)
			continue;
		n = read(STDIN_FILENO, c->chunk, sizeof c->chunk);
		if (n < 0 && !is_passing(errno))
			return report_unreadable();
		if (n > 0 && write(c->body, c->chunk, (size_t)n) != n)
			return report_unkept(strerror(errno));
		c->body_size += n > 0 ? n : 0;
		if (c->body_size > SPOOL_MOST)
			return report_unkept("it has more than 1 GiB");
	}
	lseek(c->body, 0, SEEK_SET);
	return GO_ON;
}

static int measure_body(struct client *c)
{
	off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	struct stat st;

	c->body_size = 0;
	if (at < 0 || fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		return spool_body(c);
	if (st.st_size > at)
		c->body_size = st.st_size - at;
	return GO_ON;
}

/* A body is sent only where one is asked for: standard input may be anything that a shell's loop
 * or a service manager has passed on. */
static int find_body(struct client *c)
{
	const char *method = parameters_find(&c->parameters, "REQUEST_METHOD");
	const char *length = parameters_find(&c->parameters, "CONTENT_LENGTH");

	c->body = STDIN_FILENO;
	c->body_size = -1;
	if (length) {
		errno = 0;
		c->body_size = strtoll(length, NULL, 10);
		if (length[strspn(length, "0123456789")] == '\0' && errno == 0)
			return GO_ON;
		report("CONTENT_LENGTH wants a number of bytes, not \"%s\"", length);
		return EXIT_OWN_ERROR;
	}
	if (method && (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
		       strcmp(method, "PATCH") == 0))
		return measure_body(c);
	return GO_ON;
}

/* Makes the next record of the body, and behind the last one the end of FCGI_STDIN. */
static void put_body(struct client *c, size_t size)
{
	unsigned char *at = c->chunk;

	record_put_header(at, FCGI_STDIN, VERDICT_ID, size);
	at += RECORD_HEADER_SIZE + size;
	c->body_left -= (int64_t)size;
	if (c->body_left == 0) {
		record_put_header(at, FCGI_STDIN, VERDICT_ID, 0);
		at += RECORD_HEADER_SIZE;
		c->body = -1;
	}
	c->sends = c->chunk;
	c->unsent = (size_t)(at - c->chunk);
}

static int read_body(struct client *c)
{
	size_t most = c->body_left < BODY_SIZE ? (size_t)c->body_left : BODY_SIZE;
	ssize_t n = read(c->body, c->chunk + RECORD_HEADER_SIZE, most);

	if (n > 0)
		put_body(c, (size_t)n);
	else if (n == 0) {
		report("standard input ends %lld bytes before the end of the body",
		       (long long)c->body_left);
		return EXIT_OWN_ERROR;
	} else if (!is_passing(errno)) {
		return report_unreadable();
	}
	return GO_ON;
}

/* The connection. */

static int report_no_connection(const struct client *c, int error)
{
	bool local = c->settings->address.as.any.sa_family == AF_UNIX;
	const char *remedy = "";

	if (error == ETIMEDOUT) {
		report("no connection to %s within %g s: %s", c->peer, time_given(c),
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

	while (connect(c->socket, &to->as.any, to->size) < 0) {
		if (errno != EINTR)
			return errno;
		if (time_left(c) == 0)
			return ETIMEDOUT;
	}
	return fcntl(c->socket, F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
}

static int connect_internet(struct client *c)
{
	const struct listen_address *to = &c->settings->address;
	struct pollfd p = { .fd = c->socket, .events = POLLOUT };
	int error = 0, left;
	socklen_t size = sizeof error;

	if (fcntl(c->socket, F_SETFL, O_NONBLOCK) < 0)
		return errno;
	if (connect(c->socket, &to->as.any, to->size) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return errno;
	do
		left = time_left(c);
	while (left > 0 && poll(&p, 1, left) <= 0);
	if (left == 0)
		return ETIMEDOUT;
	return getsockopt(c->socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

static int open_connection(struct client *c)
{
	int error;

	c->socket = listen_socket(&c->settings->address);
	if (c->socket < 0)
		return EXIT_OWN_ERROR;
	error = c->settings->address.as.any.sa_family == AF_UNIX ? connect_local(c)
								 : connect_internet(c);
	return error ? report_no_connection(c, error) : GO_ON;
}

/* What goes out. A program may have answered, and read no further. */
static void send_request(struct client *c)
{
	ssize_t n = send(c->socket, c->sends, c->unsent, MSG_NOSIGNAL);

	if (n >= 0) {
		c->sends += n;
		c->unsent -= (size_t)n;
	} else if (!is_passing(errno)) {
		c->unsent = 0;
		c->body = -1;
	}
}

/* What comes in. */

static void outlet_put(struct outlet *o, const unsigned char *bytes, size_t size)
{
	memcpy(o->bytes + o->end, bytes, size);
	o->end += size;
}

static bool outlet_is_empty(const struct outlet *o)
{
	return o->start == o->end;
}

/* False with errno. */
static bool outlet_write(struct outlet *o)
{
	size_t size = o->end - o->start;
	ssize_t n = write(o->fd, o->bytes + o->start, size < PIECE ? size : PIECE);

	if (n < 0)
		return is_passing(errno);
	o->start += (size_t)n;
	if (outlet_is_empty(o))
		o->start = o->end = 0;
	return true;
}

/* Both outlets are empty, and have room for all. */
static void take_answer(struct client *c, const unsigned char *in, size_t size)
{
	const unsigned char *piece;
	size_t length;

	while (true) {
		switch (verdict_take(&c->verdict, &in, &size, &piece, &length)) {
		case VERDICT_OUTPUT:
			if (c->settings->request)
				outlet_put(&c->output, piece, length);
			break;
		case VERDICT_ERROR:
			if (c->settings->request)
				outlet_put(&c->errors, piece, length);
			c->error_line = c->settings->request && piece[length - 1] != '\n';
			break;
		case VERDICT_BROKEN:
			c->broken = true;
			return;
		default:
			return;
		}
	}
}

static void receive(struct client *c)
{
	static unsigned char in[IN_SIZE];
	ssize_t n = recv(c->socket, in, sizeof in, 0);

	if (n > 0)
		take_answer(c, in, (size_t)n);
	else if (n == 0 || !is_passing(errno)) {
		c->closed = true;
		c->error = n < 0 ? errno : 0;
	}
}

/* PHP writes lines without an end, and a message may follow. */
static void end_error_line(struct client *c)
{
	if (c->error_line)
		outlet_put(&c->errors, (const unsigned char *)"\n", 1);
	c->error_line = false;
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
	const struct verdict *v = &c->verdict;

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
	const struct verdict *v = &c->verdict;

	if (v->ended)
		return judge_response(c);
	if (c->broken)
		report("no FastCGI from %s: %s%s", c->peer, v->fault,
		       v->any ? "" : " (something else listens there)");
	else
		report("%s has closed the connection %s%s%s%s (did the program crash, or refuse this "
		       "client? see its log)", c->peer,
		       v->any ? "before the end of the response" : "without a response",
		       c->error ? " (" : "", c->error ? strerror(c->error) : "", c->error ? ")" : "");
	return CLIENT_NO_FASTCGI;
}

static int report_late(const struct client *c)
{
	double given = time_given(c);

	if (!outlet_is_empty(&c->output) || !outlet_is_empty(&c->errors))
		report("the response of %s cannot be written within %g s: nobody reads standard %s",
		       c->peer, given, outlet_is_empty(&c->output) ? "error" : "output");
	else if (c->body >= 0 && c->unsent == 0)
		report("the body for %s did not come from standard input within %g s", c->peer, given);
	else if (c->verdict.any)
		report("the response of %s did not end within %g s (see --timeout)", c->peer, given);
	else
		report("no response from %s within %g s (all of its processes are busy, or hang; "
		       "see --timeout)", c->peer, given);
	return CLIENT_NO_TIME;
}

/* The exchange: whatever is ready goes on, so that nobody waits for the other. */

enum { CONNECTION, BODY, OUTPUT, ERRORS, PLACES };

static bool exchange_is_over(const struct client *c)
{
	return c->verdict.ended || c->closed || c->broken;
}

/* Nothing is watched that is not wanted: a hangup would be told again and again. */
static void find_wants(const struct client *c, struct pollfd *p)
{
	bool full = !outlet_is_empty(&c->output) || !outlet_is_empty(&c->errors);
	bool over = exchange_is_over(c);
	short wants = (short)((full ? 0 : POLLIN) | (c->unsent > 0 ? POLLOUT : 0));

	p[CONNECTION] = (struct pollfd){ over || !wants ? -1 : c->socket, wants, 0 };
	p[BODY] = (struct pollfd){ over || c->unsent > 0 ? -1 : c->body, POLLIN, 0 };
	p[OUTPUT] = (struct pollfd){ outlet_is_empty(&c->output) ? -1 : c->output.fd, POLLOUT, 0 };
	p[ERRORS] = (struct pollfd){ outlet_is_empty(&c->errors) ? -1 : c->errors.fd, POLLOUT, 0 };
}

static int go_on(struct client *c, const struct pollfd *p)
{
	if (p[CONNECTION].revents && p[CONNECTION].events & POLLOUT)
		send_request(c);
	if (p[CONNECTION].revents & ~POLLOUT && p[CONNECTION].events & POLLIN)
		receive(c);
	if (p[OUTPUT].revents && !outlet_write(&c->output)) {
		report("cannot write the response to standard output: %s", strerror(errno));
		return EXIT_OWN_ERROR;
	}
	/* Without standard error there is nobody to tell. */
	if (p[ERRORS].revents && !outlet_write(&c->errors))
		c->errors.start = c->errors.end = 0;
	return p[BODY].revents && !exchange_is_over(c) ? read_body(c) : GO_ON;
}

static int exchange(struct client *c)
{
	int status = GO_ON;

	while (status == GO_ON) {
		struct pollfd places[PLACES];
		int left = time_left(c);

		if (exchange_is_over(c) && outlet_is_empty(&c->errors))
			end_error_line(c);
		find_wants(c, places);
		if (places[OUTPUT].fd < 0 && places[ERRORS].fd < 0 && exchange_is_over(c))
			return judge_exchange(c);
		if (left == 0)
			return report_late(c);
		if (poll(places, PLACES, left) > 0)
			status = go_on(c, places);
	}
	return status;
}

static int make_request(struct client *c)
{
	c->records = parameters_records(&c->parameters, c->body_size, &c->unsent);
	if (!c->records) {
		report("cannot make the request: %s", strerror(errno));
		return EXIT_OWN_ERROR;
	}
	c->sends = c->records;
	c->body_left = c->body_size;
	if (c->body_size <= 0)
		c->body = -1;
	return GO_ON;
}

int client_run(const struct settings *settings)
{
	static struct client c;
	int status;

	c.settings = settings;
	c.parameters = (struct parameters){ settings->script, settings->pairs };
	c.output.fd = STDOUT_FILENO;
	c.errors.fd = STDERR_FILENO;
	listen_address_print(&settings->address, c.peer, sizeof c.peer);
	begin_time(&c);
	status = find_body(&c);
	if (status == GO_ON)
		status = make_request(&c);
	if (status == GO_ON)
		status = open_connection(&c);
	if (status == GO_ON)
		status = exchange(&c);
	free(c.records);
	if (c.spool)
		fclose(c.spool);
	return status;
}
