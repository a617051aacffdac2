#include <config.h>

#include "exchange.h"

#include "report.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	PIECE = 4096, /* a pipe that is ready takes so much without a wait */
	AGAIN_MS = 100
};

#define SPOOL_MOST ((int64_t)1 << 30) /* bytes of a body whose size is not known */

/* Time. */

static int64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int exchange_time_left(const struct exchange *x)
{
	int64_t left = x->deadline - clock_ms();

	if (!x->deadline)
		return -1;
	return left > INT_MAX ? INT_MAX : left > 0 ? (int)left : 0;
}

static double time_given(const struct exchange *x)
{
	return (double)x->timeout / 1000;
}

static void interrupt_call(int signal)
{
	(void)signal;
}

/* Standard streams are not ours alone, and stay blocking: a call that waits although poll(2) has
 * found it ready, as for a pipe that others use too, is interrupted when the time is over. So is
 * one that begins between the look at the clock and the signal, a moment later. */
static void begin_time(struct exchange *x)
{
	struct sigaction interrupt = { .sa_handler = interrupt_call };
	struct itimerval timer = {
		.it_value = { x->timeout / 1000, x->timeout % 1000 * 1000 },
		.it_interval = { 0, AGAIN_MS * 1000L },
	};
	sigset_t alarms;

	signal(SIGPIPE, SIG_IGN);
	if (!x->timeout)
		return;
	x->deadline = clock_ms() + x->timeout;
	sigemptyset(&interrupt.sa_mask);
	sigaction(SIGALRM, &interrupt, NULL);
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

/* The body. */

static enum exchange_outcome report_late_body(const struct exchange *x)
{
	report("the body did not end on standard input within %g s (for a body of unknown size "
	       "the end is waited for; see --timeout)", time_given(x));
	return EXCHANGE_LATE;
}

static enum exchange_outcome report_unkept(const char *why)
{
	report("cannot keep the body of standard input in a file: %s (say how long it is by "
	       "CONTENT_LENGTH=)", why);
	return EXCHANGE_FAILED;
}

static enum exchange_outcome report_unreadable(void)
{
	report("cannot read the body from standard input: %s", strerror(errno));
	return EXCHANGE_FAILED;
}

/* Reads a body of unknown size into a file without a name, since CONTENT_LENGTH comes first. */
static enum exchange_outcome spool_body(struct exchange *x)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n = -1;

	x->spool = tmpfile();
	if (!x->spool)
		return report_unkept(strerror(errno));
	x->body = fileno(x->spool);
	while (n != 0) {
		int left = exchange_time_left(x);

		if (left == 0)
			return report_late_body(x);
		if (poll(&in, 1, left) <= 0)
			continue;
		n = read(STDIN_FILENO, x->chunk, sizeof x->chunk);
		if (n < 0 && !is_passing(errno))
			return report_unreadable();
		if (n > 0 && write(x->body, x->chunk, (size_t)n) != n)
			return report_unkept(strerror(errno));
		x->body_size += n > 0 ? n : 0;
		if (x->body_size > SPOOL_MOST)
			return report_unkept("it has more than 1 GiB");
	}
	lseek(x->body, 0, SEEK_SET);
	return EXCHANGE_GOES_ON;
}

static enum exchange_outcome measure_body(struct exchange *x)
{
	off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	struct stat st;

	x->body_size = 0;
	if (at < 0 || fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		return spool_body(x);
	if (st.st_size > at)
		x->body_size = st.st_size - at;
	return EXCHANGE_GOES_ON;
}

/* A body is sent only where one is asked for: standard input may be anything that a shell's loop
 * or a service manager has passed on. */
static enum exchange_outcome find_body(struct exchange *x)
{
	const char *method = parameters_find(&x->parameters, "REQUEST_METHOD");
	const char *length = parameters_find(&x->parameters, "CONTENT_LENGTH");

	x->body = STDIN_FILENO;
	x->body_size = -1;
	if (length) {
		errno = 0;
		x->body_size = strtoll(length, NULL, 10);
		if (length[strspn(length, "0123456789")] == '\0' && errno == 0)
			return EXCHANGE_GOES_ON;
		report("CONTENT_LENGTH wants a number of bytes, not \"%s\"", length);
		return EXCHANGE_FAILED;
	}
	if (method && (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
		       strcmp(method, "PATCH") == 0))
		return measure_body(x);
	return EXCHANGE_GOES_ON;
}

/* Makes the next record of the body, and behind the last one the end of FCGI_STDIN. */
static void put_body(struct exchange *x, size_t size)
{
	unsigned char *at = x->chunk;

	record_put_header(at, FCGI_STDIN, VERDICT_ID, size);
	at += RECORD_HEADER_SIZE + size;
	x->body_left -= (int64_t)size;
	if (x->body_left == 0) {
		record_put_header(at, FCGI_STDIN, VERDICT_ID, 0);
		at += RECORD_HEADER_SIZE;
		x->body = -1;
	}
	x->sends = x->chunk;
	x->unsent = (size_t)(at - x->chunk);
}

static enum exchange_outcome read_body(struct exchange *x)
{
	size_t most = x->body_left < EXCHANGE_BODY ? (size_t)x->body_left : EXCHANGE_BODY;
	ssize_t n = read(x->body, x->chunk + RECORD_HEADER_SIZE, most);

	if (n > 0)
		put_body(x, (size_t)n);
	else if (n == 0) {
		report("standard input ends %lld bytes before the end of the body",
		       (long long)x->body_left);
		return EXCHANGE_FAILED;
	} else if (!is_passing(errno)) {
		return report_unreadable();
	}
	return EXCHANGE_GOES_ON;
}

enum exchange_outcome exchange_prepare(struct exchange *x)
{
	enum exchange_outcome outcome;

	x->output.fd = STDOUT_FILENO;
	x->errors.fd = STDERR_FILENO;
	begin_time(x);
	outcome = find_body(x);
	if (outcome != EXCHANGE_GOES_ON)
		return outcome;
	x->records = parameters_records(&x->parameters, x->body_size, &x->unsent);
	if (!x->records) {
		report("cannot make the request: %s", strerror(errno));
		return EXCHANGE_FAILED;
	}
	x->sends = x->records;
	x->body_left = x->body_size;
	if (x->body_size <= 0)
		x->body = -1;
	return EXCHANGE_GOES_ON;
}

/* What goes out. A program may have answered, and read no further. */
static void send_request(struct exchange *x)
{
	ssize_t n = send(x->socket, x->sends, x->unsent, MSG_NOSIGNAL);

	if (n >= 0) {
		x->sends += n;
		x->unsent -= (size_t)n;
	} else if (!is_passing(errno)) {
		x->unsent = 0;
		x->body = -1;
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

void exchange_put_output(struct exchange *x, const unsigned char *bytes, size_t size)
{
	outlet_put(&x->output, bytes, size);
}

/* Both outlets are empty, and have room for all. */
static void take_answer(struct exchange *x, const unsigned char *in, size_t size)
{
	const unsigned char *piece;
	size_t length;

	while (true) {
		switch (verdict_take(&x->verdict, &in, &size, &piece, &length)) {
		case VERDICT_OUTPUT:
			if (x->take)
				x->take(x, piece, length);
			break;
		case VERDICT_ERROR:
			if (x->take)
				outlet_put(&x->errors, piece, length);
			x->error_line = x->take && piece[length - 1] != '\n';
			break;
		case VERDICT_BROKEN:
			x->broken = true;
			return;
		default:
			return;
		}
	}
}

static void receive(struct exchange *x)
{
	static unsigned char in[EXCHANGE_IN];
	ssize_t n = recv(x->socket, in, sizeof in, 0);

	if (n > 0)
		take_answer(x, in, (size_t)n);
	else if (n == 0 || !is_passing(errno)) {
		x->closed = true;
		x->error = n < 0 ? errno : 0;
	}
}

/* PHP writes lines without an end, and a message may follow. */
static void end_error_line(struct exchange *x)
{
	if (x->error_line)
		outlet_put(&x->errors, (const unsigned char *)"\n", 1);
	x->error_line = false;
}

static enum exchange_outcome report_late(const struct exchange *x)
{
	double given = time_given(x);

	if (!outlet_is_empty(&x->output) || !outlet_is_empty(&x->errors))
		report("the response of %s cannot be written within %g s: nobody reads standard %s",
		       x->peer, given, outlet_is_empty(&x->output) ? "error" : "output");
	else if (x->body >= 0 && x->unsent == 0)
		report("the body for %s did not come from standard input within %g s", x->peer, given);
	else if (x->verdict.any)
		report("the response of %s did not end within %g s (see --timeout)", x->peer, given);
	else
		report("no response from %s within %g s (all of its processes are busy, or hang; "
		       "see --timeout)", x->peer, given);
	return EXCHANGE_LATE;
}

/* Both directions at once. */

enum { CONNECTION, BODY, OUTPUT, ERRORS, PLACES };

static bool exchange_is_over(const struct exchange *x)
{
	return x->verdict.ended || x->closed || x->broken;
}

/* Nothing is watched that is not wanted: a hangup would be told again and again. */
static void find_wants(const struct exchange *x, struct pollfd *p)
{
	bool full = !outlet_is_empty(&x->output) || !outlet_is_empty(&x->errors);
	bool over = exchange_is_over(x);
	short wants = (short)((full ? 0 : POLLIN) | (x->unsent > 0 ? POLLOUT : 0));

	p[CONNECTION] = (struct pollfd){ over || !wants ? -1 : x->socket, wants, 0 };
	p[BODY] = (struct pollfd){ over || x->unsent > 0 ? -1 : x->body, POLLIN, 0 };
	p[OUTPUT] = (struct pollfd){ outlet_is_empty(&x->output) ? -1 : x->output.fd, POLLOUT, 0 };
	p[ERRORS] = (struct pollfd){ outlet_is_empty(&x->errors) ? -1 : x->errors.fd, POLLOUT, 0 };
}

static enum exchange_outcome go_on(struct exchange *x, const struct pollfd *p)
{
	if (p[CONNECTION].revents && p[CONNECTION].events & POLLOUT)
		send_request(x);
	if (p[CONNECTION].revents & ~POLLOUT && p[CONNECTION].events & POLLIN)
		receive(x);
	if (p[OUTPUT].revents && !outlet_write(&x->output)) {
		report("cannot write the response to standard output: %s", strerror(errno));
		return EXCHANGE_FAILED;
	}
	/* Without standard error there is nobody to tell. */
	if (p[ERRORS].revents && !outlet_write(&x->errors))
		x->errors.start = x->errors.end = 0;
	return p[BODY].revents && !exchange_is_over(x) ? read_body(x) : EXCHANGE_GOES_ON;
}

enum exchange_outcome exchange_run(struct exchange *x)
{
	enum exchange_outcome outcome = EXCHANGE_GOES_ON;

	while (outcome == EXCHANGE_GOES_ON) {
		struct pollfd places[PLACES];
		int left = exchange_time_left(x);

		if (exchange_is_over(x) && outlet_is_empty(&x->errors))
			end_error_line(x);
		find_wants(x, places);
		if (places[OUTPUT].fd < 0 && places[ERRORS].fd < 0 && exchange_is_over(x))
			return EXCHANGE_OVER;
		if (left == 0)
			return report_late(x);
		if (poll(places, PLACES, left) > 0)
			outcome = go_on(x, places);
	}
	return outcome;
}

void exchange_free(struct exchange *x)
{
	free(x->records);
	if (x->spool)
		fclose(x->spool);
}
