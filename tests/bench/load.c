/*
 * load: puts a FastCGI responder under load and says in one line of NAME=VALUE words how it did.
 * One process and one poll(); what it sends is made once, and what comes is counted, not kept.
 *
 * Besides the timed clients there may be others that only get in the way: they hold an idle
 * connection, stop half-way in their request, or ask and never read. Those are never polled, so
 * that ten thousand of them cost the timed clients nothing here.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

enum {
	HEADER = 8,
	CONTENT = 32768,
	RECORD = HEADER + CONTENT,
	BLOCK = 8 * RECORD,	/* records of an upload that one write may take */
	HEAD_MAX = 8192,
	NEEDED_START = 16,	/* of an answer, to see whether it is a page or an error */
	STALLED_BODY = 1000,
	SPARE_FDS = 16,
	RETRY = 100000,		/* ns between two looks whether the responder is there yet */
};

/* A request as it is sent: head, then whole records of CONTENT bytes, then tail. */
struct message {
	unsigned char head[HEAD_MAX], tail[RECORD + HEADER];
	size_t head_length, tail_length;
	unsigned long long records_length;
};

struct answer {
	unsigned char header[HEADER], end[8], start[NEEDED_START];
	size_t header_used, end_used, start_used;
	size_t content, padding;	/* what is still to come of this record */
	unsigned long long length;
	bool ended;
};

struct client {
	int fd;
	bool busy;
	unsigned long long sent, began;
	struct answer answer;
};

enum hanger { IDLE, STALLED, DEAF, HANGERS };

static struct {
	struct sockaddr_storage address;
	socklen_t address_length;
	long requests;		/* how many to make; 0: as many as the time allows */
	long clients;
	double seconds;
	bool keep, retry;
	unsigned long long upload, expected;
	const char *target, *deaf_target;
	long hangers[HANGERS];
} plan = { .clients = 1, .seconds = 60 };

static struct {
	long started, done, errors;
	unsigned long long begin, end, up, down;
	uint32_t *laps;		/* microseconds, one for each request done while is_steady() */
	size_t laps_count, laps_room;
} result;

static unsigned char block[BLOCK], input[256 * 1024];
static struct message timed, deaf, stalled;
static volatile sig_atomic_t interrupted;

static noreturn void quit(const char *format, ...)
{
	va_list list;

	fprintf(stderr, "load: ");
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(2);
}

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

static void *room_for(void *old, size_t count, size_t size)
{
	void *memory = realloc(old, (count + 1) * size);

	if (memory == NULL)
		quit("out of memory");
	return memory;
}

/* What is sent ============================================================================= */

static unsigned char *put_header(unsigned char *at, unsigned type, size_t length)
{
	const unsigned char header[HEADER] = {
		1, (unsigned char)type, 0, 1, (unsigned char)(length >> 8), (unsigned char)length
	};

	memcpy(at, header, sizeof(header));
	return at + sizeof(header);
}

static unsigned char *put_length(unsigned char *at, size_t length)
{
	if (length > 127) {
		*at++ = (unsigned char)(length >> 24 | 0x80);
		*at++ = (unsigned char)(length >> 16);
		*at++ = (unsigned char)(length >> 8);
	}
	*at++ = (unsigned char)length;
	return at;
}

static unsigned char *put_pair(unsigned char *at, const char *name, const char *value)
{
	size_t name_length = strlen(name), length = strlen(value);

	at = put_length(put_length(at, name_length), length);
	memcpy(at, name, name_length);
	memcpy(at + name_length, value, length);
	return at + name_length + length;
}

/* About what a web server sends for a browser. */
static unsigned char *put_pairs(unsigned char *at, const char *script, const char *query,
	unsigned long long upload)
{
	static const char *const usual[][2] = {
		{ "GATEWAY_INTERFACE", "CGI/1.1" }, { "SERVER_SOFTWARE", "load/1" },
		{ "SERVER_PROTOCOL", "HTTP/1.1" }, { "REQUEST_SCHEME", "http" },
		{ "REMOTE_ADDR", "127.0.0.1" }, { "REMOTE_PORT", "40000" },
		{ "SERVER_ADDR", "127.0.0.1" }, { "SERVER_PORT", "80" },
		{ "SERVER_NAME", "localhost" }, { "REDIRECT_STATUS", "200" },
		{ "HTTP_HOST", "localhost" }, { "HTTP_USER_AGENT", "load" },
		{ "HTTP_ACCEPT", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" },
		{ "HTTP_ACCEPT_LANGUAGE", "en" }, { "HTTP_ACCEPT_ENCODING", "gzip, deflate" },
	};
	char length[24] = "", root[4096], uri[4096];
	const char *base = strrchr(script, '/');

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		at = put_pair(at, usual[i][0], usual[i][1]);
	if (upload > 0)
		snprintf(length, sizeof(length), "%llu", upload);
	snprintf(uri, sizeof(uri), "%s%s%s", base, *query == '\0' ? "" : "?", query);
	snprintf(root, sizeof(root), "%.*s", (int)(base - script), script);
	at = put_pair(at, "REQUEST_METHOD", upload > 0 ? "POST" : "GET");
	at = put_pair(at, "CONTENT_TYPE", upload > 0 ? "application/octet-stream" : "");
	at = put_pair(at, "CONTENT_LENGTH", length);
	at = put_pair(at, "QUERY_STRING", query);
	at = put_pair(at, "DOCUMENT_ROOT", root);
	at = put_pair(at, "SCRIPT_FILENAME", script);
	at = put_pair(at, "SCRIPT_NAME", base);
	at = put_pair(at, "DOCUMENT_URI", base);
	return put_pair(at, "REQUEST_URI", uri);
}

/* The request for target, which is PATH or PATH?QUERY. */
static void message_make(struct message *m, const char *target, unsigned long long upload)
{
	char script[2048], *query;
	unsigned char *at = m->head, *pairs;
	size_t rest = (size_t)(upload % CONTENT);

	if (target[0] != '/' ||
			snprintf(script, sizeof(script), "%s", target) >= (int)sizeof(script))
		quit("%s: not an absolute path, or too long", target);
	query = strchr(script, '?');
	if (query != NULL)
		*query++ = '\0';
	at = put_header(at, BEGIN_REQUEST, 8);
	memcpy(at, (const unsigned char[8]){ 0, 1, plan.keep }, 8);
	pairs = at + 8 + HEADER;
	at = put_pairs(pairs, script, query == NULL ? "" : query, upload);
	put_header(pairs - HEADER, PARAMS, (size_t)(at - pairs));
	at = put_header(at, PARAMS, 0);
	if (upload == 0)	/* an everyday request goes out by one write */
		at = put_header(at, STDIN, 0);
	m->head_length = (size_t)(at - m->head);
	if (upload == 0)
		return;
	m->records_length = upload / CONTENT * RECORD;
	at = m->tail;
	if (rest > 0)
		at = put_header(at, STDIN, rest) + rest;
	m->tail_length = (size_t)(put_header(at, STDIN, 0) - m->tail);
}

static unsigned long long message_length(const struct message *m)
{
	return m->head_length + m->records_length + m->tail_length;
}

/* What comes next once so much is sent; its length is returned. */
static size_t message_piece(const struct message *m, unsigned long long sent,
	const unsigned char **piece)
{
	unsigned long long left;
	size_t offset;

	if (sent < m->head_length) {
		*piece = m->head + sent;
		return m->head_length - (size_t)sent;
	}
	sent -= m->head_length;
	if (sent < m->records_length) {
		left = m->records_length - sent;
		offset = (size_t)(sent % RECORD);
		*piece = block + offset;
		return left < BLOCK - offset ? (size_t)left : BLOCK - offset;
	}
	sent -= m->records_length;
	*piece = m->tail + sent;
	return m->tail_length - (size_t)sent;
}

/* What comes =============================================================================== */

static size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t keep_some(unsigned char *to, size_t *used, size_t room, const unsigned char *from,
	size_t length)
{
	size_t taken = at_most(room - *used, length);

	memcpy(to + *used, from, taken);
	*used += taken;
	return taken;
}

static void answer_content(struct answer *a, const unsigned char *from, size_t length)
{
	if (a->header[1] == STDOUT) {
		keep_some(a->start, &a->start_used, sizeof(a->start), from, length);
		a->length += length;
	} else if (a->header[1] == END_REQUEST) {
		keep_some(a->end, &a->end_used, sizeof(a->end), from, length);
	}
}

static void answer_take(struct answer *a, const unsigned char *from, size_t length)
{
	while (length > 0) {
		size_t n;

		if (a->header_used < HEADER) {
			n = keep_some(a->header, &a->header_used, HEADER, from, length);
			if (a->header_used == HEADER) {
				a->content = (size_t)a->header[4] << 8 | a->header[5];
				a->padding = a->header[6];
			}
		} else if (a->content > 0) {
			n = at_most(a->content, length);
			answer_content(a, from, n);
			a->content -= n;
		} else {
			n = at_most(a->padding, length);
			a->padding -= n;
		}
		from += n;
		length -= n;
		if (a->header_used == HEADER && a->content == 0 && a->padding == 0) {
			a->header_used = 0;
			a->ended |= a->header[1] == END_REQUEST;
		}
	}
}

/* Whether it is the page of a program that went well. */
static bool answer_is_good(const struct answer *a)
{
	static const char status[] = "Status: ";
	const size_t digit = sizeof(status) - 1;

	if (!a->ended || a->length == 0 || a->length < plan.expected || a->end[4] != 0)
		return false;
	return a->start_used <= digit || memcmp(a->start, status, digit) != 0 ||
		a->start[digit] == '2';
}

/* Clients ================================================================================== */

/* A connection, or -1 with errno: EAGAIN says that the responder's queue is full. */
static int dial(void)
{
	int fd = socket(plan.address.ss_family, SOCK_STREAM, 0);

	if (fd < 0)
		quit("cannot open a socket: %s", strerror(errno));
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, (const struct sockaddr *)&plan.address, plan.address_length) == 0 ||
			errno == EINPROGRESS)
		return fd;
	close(fd);	/* close does not touch errno when it succeeds */
	return -1;
}

static void client_hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* In the first half of the time laps are short, since all begin at once and few have come to an end
 * beside others; and so they are when no more begin. */
static bool is_steady(unsigned long long time)
{
	double passed = (double)(time - result.begin) / 1e6;

	return plan.requests > 0 || (passed > plan.seconds / 2 && passed <= plan.seconds);
}

static void lap_add(unsigned long long microseconds)
{
	if (result.laps_count == result.laps_room) {
		result.laps_room = result.laps_room * 2 + 1024;
		result.laps = room_for(result.laps, result.laps_room, sizeof(uint32_t));
	}
	result.laps[result.laps_count++] = (uint32_t)microseconds;
}

static void client_finish(struct client *c, bool good)
{
	result.end = now();
	c->busy = false;
	result.down += c->answer.length;
	if (!good) {
		result.errors++;
	} else {
		if (is_steady(result.end))
			lap_add(result.end - c->began);
		result.done++;
		result.up += plan.upload;
	}
	if (!good || !plan.keep)
		client_hang_up(c);
}

static bool passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == EINPROGRESS;
}

static void client_send(struct client *c)
{
	const unsigned long long total = message_length(&timed);

	while (c->sent < total) {
		const unsigned char *piece;
		size_t length = message_piece(&timed, c->sent, &piece);
		ssize_t n = send(c->fd, piece, length, MSG_NOSIGNAL);

		if (n < 0 && passing(errno))
			return;
		if (n < 0) {
			/* The answer may be there all the same: it need not await the body. */
			c->sent = total;
			return;
		}
		c->sent += (unsigned long long)n;
	}
}

static void client_read(struct client *c)
{
	ssize_t n = recv(c->fd, input, sizeof(input), 0);

	if (n < 0 && passing(errno))
		return;
	if (n <= 0) {
		client_finish(c, false);
		return;
	}
	answer_take(&c->answer, input, (size_t)n);
	if (c->answer.ended)
		client_finish(c, answer_is_good(&c->answer));
}

/* Connects if need be, which may have to be tried again later, and sends what goes at once. */
static void client_go_on(struct client *c)
{
	if (c->fd < 0) {
		c->fd = dial();
		if (c->fd < 0 && (errno == EAGAIN || plan.retry))
			return;
		if (c->fd < 0) {
			client_finish(c, false);
			return;
		}
	}
	client_send(c);
}

static void client_start(struct client *c)
{
	c->busy = true;
	c->sent = 0;
	c->began = now();
	c->answer = (struct answer){ 0 };
	result.started++;
	client_go_on(c);
}

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static bool may_start(unsigned long long time)
{
	if (interrupted)
		return false;
	if (plan.requests > 0)
		return result.started < plan.requests;
	/* errors come faster than pages: do not flood one who refuses */
	return (double)(time - result.begin) < plan.seconds * 1e6 && result.errors < 10000;
}

/* One turn: what each waits for follows from its state. False when nobody waits for anything. */
static bool turn(struct client *clients, struct pollfd *polls)
{
	unsigned long long time = now();
	bool waiting = false, dialing = false;

	for (long i = 0; i < plan.clients; i++) {
		struct client *c = &clients[i];

		if (!c->busy && may_start(time))
			client_start(c);
		else if (c->busy && c->fd < 0)
			client_go_on(c);
		waiting |= c->busy;
		dialing |= c->busy && c->fd < 0;
		polls[i].fd = c->busy ? c->fd : -1;
		polls[i].events = POLLIN;
		if (c->sent < message_length(&timed))
			polls[i].events |= POLLOUT;
	}
	if (!waiting)
		return may_start(time);
	if (dialing && plan.retry)
		nanosleep(&(struct timespec){ .tv_nsec = RETRY }, NULL);
	if (poll(polls, (nfds_t)plan.clients, !dialing ? 100 : !plan.retry) <= 0)
		return true;
	for (long i = 0; i < plan.clients; i++) {
		if (polls[i].fd >= 0 && (polls[i].revents & POLLOUT) != 0)
			client_send(&clients[i]);
		if (polls[i].fd >= 0 && (polls[i].revents & ~POLLOUT) != 0)
			client_read(&clients[i]);
	}
	return true;
}

static void run(void)
{
	struct client *clients = room_for(NULL, (size_t)plan.clients, sizeof(*clients));
	struct pollfd *polls = room_for(NULL, (size_t)plan.clients, sizeof(*polls));
	/* By number, the time is a bound; else what is on its way may finish. */
	double patience = plan.seconds + (plan.requests > 0 ? 0 : 5);

	for (long i = 0; i < plan.clients; i++) {
		clients[i] = (struct client){ .fd = -1 };
		polls[i] = (struct pollfd){ .fd = -1 };
	}
	result.begin = result.end = now();
	while (turn(clients, polls))
		if ((double)(now() - result.begin) > patience * 1e6)
			break;
	if (plan.requests > 0)
		result.errors = (interrupted ? result.started : plan.requests) - result.done;
	for (long i = 0; i < plan.clients; i++) {
		result.errors += clients[i].busy && plan.requests == 0;
		client_hang_up(&clients[i]);
	}
	free(clients);
	free(polls);
}

/* Those who get in the way ================================================================= */

static void hanger_send(int fd, enum hanger kind, long number)
{
	const struct message *m = kind == DEAF ? &deaf : &stalled;
	size_t head = m->head_length;

	/* Every other one stalls in its parameters, the rest in their body. */
	if (kind == STALLED && number % 2 == 0)
		head /= 2;
	if (send(fd, m->head, head, MSG_NOSIGNAL) < 0)
		return;
	if (kind == STALLED && number % 2 != 0)
		send(fd, m->tail, m->tail_length / 2, MSG_NOSIGNAL);
}

static int dial_patiently(unsigned long long deadline)
{
	int fd;

	while ((fd = dial()) < 0 && errno == EAGAIN && now() < deadline)
		poll(NULL, 0, 1);
	return fd;
}

/* Opens them all, but gives up where the responder takes no more within some seconds. */
static size_t hangers_open(struct pollfd *polls)
{
	unsigned long long deadline = now() + 3000000;
	size_t count = 0;

	for (enum hanger kind = 0; kind < HANGERS; kind++)
		for (long i = 0; i < plan.hangers[kind]; i++) {
			int fd = dial_patiently(deadline);

			if (fd < 0)
				break;
			if (kind != IDLE)
				hanger_send(fd, kind, i);
			polls[count++] = (struct pollfd){ .fd = fd };
		}
	if (count > 0)
		poll(NULL, 0, 300);	/* they are all to be taken before anyone is timed */
	return count;
}

/* How many of them the responder still has, or has not looked at. */
static size_t hangers_held(struct pollfd *polls, size_t count)
{
	size_t held = count;

	if (poll(polls, (nfds_t)count, 0) > 0)
		for (size_t i = 0; i < count; i++)
			held -= (polls[i].revents & (POLLHUP | POLLERR)) != 0;
	return held;
}

/* The report =============================================================================== */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static unsigned long percentile(double share)
{
	if (result.laps_count == 0)
		return 0;
	return result.laps[(size_t)(share * (double)(result.laps_count - 1) + 0.5)];
}

static double own_cpu(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void report(size_t held)
{
	double seconds = (double)(result.end - result.begin) / 1e6;

	if (result.laps_count > 0)
		qsort(result.laps, result.laps_count, sizeof(uint32_t), by_size);
	if (seconds <= 0)
		seconds = 1e-6;
	printf("requests=%ld errors=%ld seconds=%.6f rate=%.1f", result.done, result.errors,
		seconds, (double)result.done / seconds);
	printf(" p50=%lu p90=%lu p99=%lu max=%lu", percentile(0.5), percentile(0.9),
		percentile(0.99), percentile(1));
	printf(" up=%llu down=%llu bytes_rate=%.0f", result.up, result.down,
		(double)(result.up + result.down) / seconds);
	printf(" held=%zu load_cpu=%.6f\n", held, own_cpu());
}

/* The command line ========================================================================= */

static double number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	switch (*end) {
	case 'g': value *= 1024; /* fall through */
	case 'm': value *= 1024; /* fall through */
	case 'k': value *= 1024; end++;
	}
	if (end == text || *end != '\0' || !(value >= 0 && value < 1e15))
		quit("%s: not a number", text);
	return value;
}

static void address_parse(const char *text)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&plan.address;
	struct sockaddr_in *in = (struct sockaddr_in *)&plan.address;
	const char *colon = strrchr(text, ':');
	char host[64];

	if (strncmp(text, "tcp:", 4) == 0) {
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 4, text + 4);
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)number(colon + 1));
		plan.address_length = sizeof(*in);
		if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
			quit("%s: not an address", text);
		return;
	}
	if (strncmp(text, "unix:", 5) == 0)
		text += 5;
	if (strlen(text) >= sizeof(un->sun_path))
		quit("%s: too long for a socket", text);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, text, strlen(text) + 1);
	plan.address_length = sizeof(*un);
}

static void usage(FILE *to)
{
	fputs("usage: load [option]... ADDRESS PATH[?QUERY]\n"
		"TERM: no further request; what has begun is finished and reported.\n"
		"ADDRESS is unix:PATH or tcp:A.B.C.D:PORT. Sizes may end in k, m or g.\n"
		"  -n N       make so many requests (0: as many as the time allows)\n"
		"  -t SEC     for so long, or at most so long (60)\n"
		"  -j N       so many at once (1)\n"
		"  -k         keep connections (else each request has a new one)\n"
		"  -u SIZE    upload so much with each request\n"
		"  -x SIZE    an answer shorter than this is an error\n"
		"  -w         the responder may be about to start: try until it is there\n"
		"  -I N       hold so many idle connections meanwhile\n"
		"  -S N       and so many that stop half-way in their request\n"
		"  -D N PATH  and so many that ask for this and do not read (PATH[?QUERY])\n", to);
}

static void options_parse(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "n:t:j:ku:x:wI:S:D:h")) != -1) {
		switch (letter) {
		case 'n': plan.requests = (long)number(optarg); break;
		case 't': plan.seconds = number(optarg); break;
		case 'j': plan.clients = (long)number(optarg); break;
		case 'k': plan.keep = true; break;
		case 'u': plan.upload = (unsigned long long)number(optarg); break;
		case 'x': plan.expected = (unsigned long long)number(optarg); break;
		case 'w': plan.retry = true; break;
		case 'I': plan.hangers[IDLE] = (long)number(optarg); break;
		case 'S': plan.hangers[STALLED] = (long)number(optarg); break;
		case 'D':
			plan.hangers[DEAF] = (long)number(optarg);
			plan.deaf_target = optind < argc ? argv[optind++] : NULL;
			break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
	if (argc - optind != 2 || plan.clients == 0) {
		usage(stderr);
		exit(2);
	}
	address_parse(argv[optind]);
	plan.target = argv[optind + 1];
}

static void limit_raise(size_t descriptors)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= descriptors)
		return;
	limit.rlim_cur = descriptors;
	if (limit.rlim_max < descriptors)
		limit.rlim_max = descriptors;	/* root may */
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		quit("cannot have %zu descriptors: %s", descriptors, strerror(errno));
}

static void messages_make(void)
{
	for (size_t i = 0; i < BLOCK; i += RECORD)
		put_header(block + i, STDIN, CONTENT);
	message_make(&timed, plan.target, plan.upload);
	message_make(&stalled, plan.target, STALLED_BODY);
	if (plan.deaf_target != NULL)
		message_make(&deaf, plan.deaf_target, 0);
}

int main(int argc, char **argv)
{
	size_t count = 0;
	struct pollfd *hangers;

	options_parse(argc, argv);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	for (enum hanger kind = 0; kind < HANGERS; kind++)
		count += (size_t)plan.hangers[kind];
	limit_raise(count + (size_t)plan.clients + SPARE_FDS);
	messages_make();
	hangers = room_for(NULL, count, sizeof(*hangers));
	count = hangers_open(hangers);
	run();
	report(hangers_held(hangers, count));
	free(hangers);
	free(result.laps);
	return result.errors == 0 ? 0 : 1;
}
