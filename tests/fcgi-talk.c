/*
 * fcgi-talk: a FastCGI client that speaks one dialogue, given step by step on its command line, and
 * judges what the server answers. The tests' peer: it shares no code with the programs that it
 * judges, it can send what no decent web server would, and it never stops reading unless told to.
 *
 * Numbers such as "3.3" in comments are sections of the FastCGI 1.0 specification.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum exit_code { FAILED = 1, USAGE = 2, TROUBLE = 3 };

enum record_type {
	BEGIN_REQUEST = 1, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR, DATA,
	GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE
};

enum {
	HEADER_MAX = 8,
	CONTENT_MAX = 65535,
	PADDING_MAX = 255,
	RECORD_MAX = HEADER_MAX + CONTENT_MAX + PADDING_MAX,
	KEEP_CONN = 1,
	OUT_MAX = 1 << 16,	/* sent when this much has been collected */
	TEXT_MAX = 1 << 20,	/* kept of each stream for expect-text */
};

struct bytes {
	unsigned char *at;
	size_t used, room;
};

struct request {
	bool begun, ended, aborted, stdout_ended, stderr_ended;
	uint32_t app;
	unsigned protocol;
	unsigned long long stdout_bytes;
	struct bytes text, errors;
	int out;
};

struct verb;

struct step {
	const struct verb *verb;
	char **words;		/* as many as the verb takes */
	char **options;		/* and the NAME=VALUE words after them */
	size_t option_count;
};

struct verb {
	const char *name;
	int words;
	const char *options;	/* "id=" one by name, "=" any pair, "keep" that word */
	enum { ANYHOW = 1, READS = 2 } flags;	/* works unconnected; ends "deaf" */
	void (*run)(const struct step *step);
	const char *synopsis, *help;
};

static struct talk {
	const char *address;
	int fd, trace;
	const struct step *step;
	size_t step_number;
	long long start, deadline, next_send;
	/* how we speak */
	unsigned id, padding;
	size_t split, slice;
	long pace;
	bool hold, long_lengths, may_close;
	/* what is on its way */
	struct bytes pairs, out;
	size_t sent;
	unsigned char in[RECORD_MAX];
	size_t in_used;
	size_t appetite;	/* bytes that we are willing to read now: 0 is deaf */
	/* what came */
	unsigned long long received;
	bool eof, reset, broken;
	bool any_id;		/* after raw bytes we cannot know which ids are active */
	struct bytes values;
	bool values_came;
	int unknown_type;
	struct request *requests[UINT16_MAX + 1];
} talk;

static const struct talk silence = {
	.fd = -1, .trace = -1, .id = 1, .split = CONTENT_MAX, .slice = SIZE_MAX,
	.appetite = SIZE_MAX, .unknown_type = -1,
};

/* Reports ================================================================================== */

static noreturn void quit(enum exit_code code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static noreturn void quit(enum exit_code code, const char *format, ...)
{
	va_list list;

	fflush(stdout);
	fprintf(stderr, "fcgi-talk: ");
	if (talk.step != NULL)
		fprintf(stderr, "step %zu: ", talk.step_number);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit((int)code);
}

static unsigned long long number(const char *text, unsigned long long max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value > max)
		quit(USAGE, "%s: not a number from 0 to %llu", text, max);
	return value;
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Bytes ==================================================================================== */

static void bytes_add(struct bytes *b, const void *data, size_t length)
{
	if (b->room - b->used < length) {
		b->room = (b->room + length) * 2;
		b->at = realloc(b->at, b->room);
		if (b->at == NULL)
			quit(TROUBLE, "out of memory");
	}
	if (length > 0)
		memcpy(b->at + b->used, data, length);
	b->used += length;
}

static bool bytes_contain(const struct bytes *b, const struct bytes *wanted)
{
	for (size_t i = 0; i + wanted->used <= b->used; i++)
		if (wanted->used == 0 || memcmp(b->at + i, wanted->at, wanted->used) == 0)
			return true;
	return false;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF";
	const char *found = c == '\0' ? NULL : strchr(digits, c);

	return found == NULL ? -1 : (int)(found - digits) % 16;
}

/* Adds text up to end, with \xNN \n \r \t \0 and \\ understood. */
static void unescape(struct bytes *b, const char *text, const char *end)
{
	static const char letters[] = "nrt0\\", meanings[] = "\n\r\t\0\\";

	while (text < end) {
		const char *letter;
		char c = *text++;

		if (c != '\\') {
			bytes_add(b, &c, 1);
		} else if (*text == 'x' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
			c = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
			bytes_add(b, &c, 1);
			text += 3;
		} else if (*text != '\0' && (letter = strchr(letters, *text)) != NULL) {
			bytes_add(b, &meanings[letter - letters], 1);
			text++;
		} else {
			quit(USAGE, "\\%s: unknown escape", text);
		}
	}
}

static struct bytes unescaped(const char *text)
{
	struct bytes b = { 0 };

	unescape(&b, text, text + strlen(text));
	return b;
}

static void write_all(int fd, const unsigned char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno != EINTR)
			quit(TROUBLE, "cannot write what came: %s", strerror(errno));
		if (n > 0) {
			data += n;
			length -= (size_t)n;
		}
	}
}

/* Name-value pairs (3.4) =================================================================== */

static void length_add(struct bytes *b, size_t length)
{
	unsigned char wire[4] = {
		(unsigned char)(length >> 24 | 0x80), (unsigned char)(length >> 16),
		(unsigned char)(length >> 8), (unsigned char)length
	};

	if (length > 127 || talk.long_lengths)
		bytes_add(b, wire, 4);
	else
		bytes_add(b, wire + 3, 1);
}

static void pair_add(struct bytes *b, const char *name, size_t name_length, const char *value)
{
	struct bytes n = { 0 }, v = unescaped(value);

	unescape(&n, name, name + name_length);
	length_add(b, n.used);
	length_add(b, v.used);
	bytes_add(b, n.at, n.used);
	bytes_add(b, v.at, v.used);
	free(n.at);
	free(v.at);
}

static void pairs_add(struct bytes *b, const struct step *step)
{
	for (size_t i = 0; i < step->option_count; i++) {
		const char *word = step->options[i], *sign = strchr(word, '=');

		if (sign != NULL)
			pair_add(b, word, (size_t)(sign - word), sign + 1);
	}
}

/* What came ================================================================================ */

static struct request *request_find(unsigned id)
{
	if (talk.requests[id] == NULL) {
		struct request *r = calloc(1, sizeof(*r));

		if (r == NULL)
			quit(TROUBLE, "out of memory");
		r->out = STDOUT_FILENO;
		r->ended = true;
		talk.requests[id] = r;
	}
	return talk.requests[id];
}

static struct request *request_current(void)
{
	return request_find(talk.id);
}

static void request_begin(unsigned id)
{
	struct request *r = request_find(id);
	struct bytes text = r->text, errors = r->errors;

	text.used = errors.used = 0;
	*r = (struct request){ .begun = true, .out = r->out, .text = text, .errors = errors };
}

static void keep_text(struct bytes *b, const unsigned char *content, size_t length)
{
	bytes_add(b, content, length < TEXT_MAX - b->used ? length : TEXT_MAX - b->used);
}

static void take_stdout(struct request *r, const unsigned char *content, size_t length)
{
	if (r->stdout_ended)
		quit(FAILED, "the server sent STDOUT after its end");
	r->stdout_ended = length == 0;
	r->stdout_bytes += length;
	keep_text(&r->text, content, length);
	write_all(r->out, content, length);
}

static void take_stderr(struct request *r, const unsigned char *content, size_t length)
{
	if (r->stderr_ended)
		quit(FAILED, "the server sent STDERR after its end");
	r->stderr_ended = length == 0;
	keep_text(&r->errors, content, length);
	write_all(STDERR_FILENO, content, length);
}

static void take_end(struct request *r, const unsigned char *content, size_t length)
{
	if (length != 8)
		quit(FAILED, "the server sent an END_REQUEST of %zu bytes", length);
	r->app = (uint32_t)content[0] << 24 | (uint32_t)content[1] << 16 |
		(uint32_t)content[2] << 8 | content[3];
	r->protocol = content[4];
	r->ended = true;
	/* 5.5 wants the stream closed, save where the request is cut short */
	if (r->stdout_bytes > 0 && !r->stdout_ended && !r->aborted && r->protocol == 0)
		quit(FAILED, "the server sent END_REQUEST without ending STDOUT");
}

static void take_management(unsigned type, const unsigned char *content, size_t length)
{
	if (type == GET_VALUES_RESULT) {
		talk.values.used = 0;
		bytes_add(&talk.values, content, length);
		talk.values_came = true;
	} else if (type == UNKNOWN_TYPE && length == 8) {
		talk.unknown_type = content[0];
	} else {
		quit(FAILED, "the server sent record type %u, %zu bytes, for id 0", type, length);
	}
}

static void trace(unsigned type, unsigned id, size_t length, size_t padding)
{
	static const char *const names[] = {
		[END_REQUEST] = "END_REQUEST", [STDOUT] = "STDOUT", [STDERR] = "STDERR",
		[GET_VALUES_RESULT] = "GET_VALUES_RESULT", [UNKNOWN_TYPE] = "UNKNOWN_TYPE",
	};
	const char *name = type <= UNKNOWN_TYPE ? names[type] : NULL;

	if (talk.trace >= 0)
		dprintf(talk.trace, "%s id=%u length=%zu padding=%zu\n",
			name == NULL ? "unexpected" : name, id, length, padding);
}

static void take_record(unsigned type, unsigned id, const unsigned char *content, size_t length)
{
	struct request *r;

	if (id == 0) {
		take_management(type, content, length);
		return;
	}
	r = request_find(id);
	if (r->ended && !talk.any_id)
		quit(FAILED, "the server sent record type %u for the inactive id %u", type, id);
	if (type == STDOUT)
		take_stdout(r, content, length);
	else if (type == STDERR)
		take_stderr(r, content, length);
	else if (type == END_REQUEST)
		take_end(r, content, length);
	else
		quit(FAILED, "the server sent record type %u for id %u", type, id);
}

static void take_records(void)
{
	size_t done = 0;

	while (talk.in_used - done >= HEADER_MAX) {
		const unsigned char *h = talk.in + done;
		unsigned id = (unsigned)h[2] << 8 | h[3];
		size_t length = (size_t)h[4] << 8 | h[5], padding = h[6];

		if (h[0] != 1)
			quit(FAILED, "the server sent a record of version %u", h[0]);
		if (talk.in_used - done < HEADER_MAX + length + padding)
			break;
		trace(h[1], id, length, padding);
		take_record(h[1], id, h + HEADER_MAX, length);
		done += HEADER_MAX + length + padding;
	}
	talk.in_used -= done;
	memmove(talk.in, talk.in + done, talk.in_used);
}

/* The connection =========================================================================== */

static void receive(void)
{
	size_t room = sizeof(talk.in) - talk.in_used;
	ssize_t n = recv(talk.fd, talk.in + talk.in_used,
		room < talk.appetite ? room : talk.appetite, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n < 0 && errno != ECONNRESET && errno != EPIPE)
		quit(TROUBLE, "cannot read: %s", strerror(errno));
	if (n <= 0) {
		talk.eof = true;
		talk.reset = n < 0;
		return;
	}
	if (talk.appetite != SIZE_MAX)
		talk.appetite -= (size_t)n;
	talk.received += (unsigned long long)n;
	talk.in_used += (size_t)n;
	take_records();
}

static void transmit(void)
{
	size_t length = talk.out.used - talk.sent;
	ssize_t n = send(talk.fd, talk.out.at + talk.sent,
		length < talk.slice ? length : talk.slice, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n < 0 && !talk.may_close)
		quit(TROUBLE, "cannot send: %s", strerror(errno));
	if (n < 0)
		talk.broken = true;
	else
		talk.sent += (size_t)n;
	if (talk.broken || talk.sent == talk.out.used)
		talk.sent = talk.out.used = 0;
	talk.next_send = now() + talk.pace;
}

/* Sends and reads what can be sent and read, waiting for it at most this long (-1: any time). */
static void exchange(long long milliseconds)
{
	long long left = talk.deadline - now(), send_in = talk.next_send - now();
	struct pollfd p = { .fd = talk.fd };

	if (left <= 0)
		quit(TROUBLE, "timed out");
	if (milliseconds < 0 || milliseconds > left)
		milliseconds = left;
	if (talk.appetite > 0 && !talk.eof)
		p.events |= POLLIN;
	if (talk.out.used > 0 && !talk.hold) {
		if (send_in <= 0)
			p.events |= POLLOUT;
		else if (send_in < milliseconds)
			milliseconds = send_in;
	}
	if (p.events == 0)
		p.fd = -1;	/* else POLLHUP would be reported over and over */
	if (poll(&p, 1, (int)milliseconds) < 0 && errno != EINTR)
		quit(TROUBLE, "cannot poll: %s", strerror(errno));
	if ((p.events & POLLIN) != 0 && (p.revents & ~POLLOUT) != 0)
		receive();
	if ((p.events & POLLOUT) != 0 && (p.revents & ~POLLIN) != 0)
		transmit();
}

static void exchange_for(long long milliseconds)
{
	long long end = now() + milliseconds, left;

	while ((left = end - now()) > 0)
		exchange(left);
}

static void flush(void)
{
	while (talk.out.used > 0 && !talk.hold)
		exchange(-1);
}

static void put(const void *data, size_t length)
{
	if (talk.broken)
		return;
	bytes_add(&talk.out, data, length);
	if (talk.out.used >= OUT_MAX)
		flush();
}

static socklen_t address_inet(struct sockaddr_storage *to, char *text, int family)
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
	char *colon = strrchr(text, ':'), *host = text;
	in_port_t port;

	if (colon == NULL)
		quit(USAGE, "%s: no port", text);
	port = htons((uint16_t)number(colon + 1, UINT16_MAX));
	*colon = '\0';
	if (family == AF_INET6 && host[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		host++;
	}
	to->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		in->sin_port = port;
	else
		in6->sin6_port = port;
	if (inet_pton(family, host, family == AF_INET ? (void *)&in->sin_addr :
			(void *)&in6->sin6_addr) != 1)
		quit(USAGE, "%s: not an address", host);
	return family == AF_INET ? sizeof(*in) : sizeof(*in6);
}

static socklen_t address_unix(struct sockaddr_storage *to, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)to;

	if (strlen(path) >= sizeof(un->sun_path))
		quit(USAGE, "%s: too long for a socket", path);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	return sizeof(*un);
}

static socklen_t address_parse(struct sockaddr_storage *to, char *text)
{
	memset(to, 0, sizeof(*to));
	if (strncmp(text, "tcp:", 4) == 0)
		return address_inet(to, text + 4, AF_INET);
	if (strncmp(text, "tcp6:", 5) == 0)
		return address_inet(to, text + 5, AF_INET6);
	return address_unix(to, strncmp(text, "unix:", 5) == 0 ? text + 5 : text);
}

static void hang_up(void)
{
	close(talk.fd);
	talk.fd = -1;
	talk.sent = talk.out.used = talk.in_used = 0;
}

static void dial(void)
{
	struct timeval patience = { .tv_sec = (talk.deadline - now()) / 1000 + 1 };
	struct sockaddr_storage to;
	char *text = strdup(talk.address);
	socklen_t length = text == NULL ? 0 : address_parse(&to, text);
	int on = 1;

	free(text);
	if (talk.fd >= 0)
		hang_up();
	talk.eof = talk.reset = talk.broken = talk.any_id = false;
	for (unsigned id = 0; id <= UINT16_MAX; id++)
		if (talk.requests[id] != NULL)
			talk.requests[id]->ended = true;
	talk.fd = socket(to.ss_family, SOCK_STREAM, 0);
	if (talk.fd < 0)
		quit(TROUBLE, "cannot make a socket: %s", strerror(errno));
	/* bounds connect(), which waits where the server's backlog is full */
	setsockopt(talk.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(talk.fd, (struct sockaddr *)&to, length) < 0)
		quit(TROUBLE, "cannot connect to %s: %s", talk.address, strerror(errno));
	if (to.ss_family != AF_UNIX)	/* slices are to arrive as slices */
		setsockopt(talk.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Records out ============================================================================== */

static void record_put(unsigned type, unsigned id, const void *content, size_t length)
{
	unsigned char header[HEADER_MAX] = {
		1, (unsigned char)type, (unsigned char)(id >> 8), (unsigned char)id,
		(unsigned char)(length >> 8), (unsigned char)length, (unsigned char)talk.padding
	};
	unsigned char junk[PADDING_MAX];

	memset(junk, '#', sizeof(junk));	/* shows where padding is taken for content */
	put(header, sizeof(header));
	put(content, length);
	put(junk, talk.padding);
}

static void stream_put(unsigned type, const unsigned char *data, size_t length)
{
	while (length > 0) {
		size_t part = length < talk.split ? length : talk.split;

		record_put(type, talk.id, data, part);
		data += part;
		length -= part;
	}
}

static void begin_put(unsigned id, unsigned role, unsigned flags)
{
	unsigned char body[8] = {
		(unsigned char)(role >> 8), (unsigned char)role, (unsigned char)flags
	};

	talk.id = id;
	request_begin(id);
	record_put(BEGIN_REQUEST, id, body, sizeof(body));
}

static void pairs_put(void)
{
	stream_put(PARAMS, talk.pairs.at, talk.pairs.used);
	talk.pairs.used = 0;
}

/* Steps that speak ========================================================================= */

static const char *option_text(const struct step *step, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < step->option_count; i++)
		if (strncmp(step->options[i], name, length) == 0)
			return step->options[i] + length;
	return NULL;
}

static unsigned option_number(const struct step *step, const char *name, unsigned fallback,
	unsigned max)
{
	const char *text = option_text(step, name);

	return text == NULL ? fallback : (unsigned)number(text, max);
}

static bool option_keep(const struct step *step)
{
	for (size_t i = 0; i < step->option_count; i++)
		if (strcmp(step->options[i], "keep") == 0)
			return true;
	return false;
}

static void step_begin(const struct step *step)
{
	unsigned keep = option_keep(step) ? KEEP_CONN : 0;

	begin_put(option_number(step, "id=", talk.id, UINT16_MAX),
		option_number(step, "role=", 1, UINT16_MAX),
		option_number(step, "flags=", keep, UINT8_MAX));
}

static void step_id(const struct step *step)
{
	talk.id = (unsigned)number(step->words[0], UINT16_MAX);
}

static void step_params(const struct step *step)
{
	pairs_add(&talk.pairs, step);
}

static void step_params_send(const struct step *step)
{
	(void)step;
	pairs_put();
}

static void step_params_end(const struct step *step)
{
	(void)step;
	pairs_put();
	record_put(PARAMS, talk.id, NULL, 0);
}

static void step_stdin(const struct step *step)
{
	struct bytes text = unescaped(step->words[0]);

	stream_put(STDIN, text.at, text.used);
	free(text.at);
}

static void step_stdin_file(const struct step *step)
{
	static unsigned char part[CONTENT_MAX];
	FILE *file = fopen(step->words[0], "rb");
	size_t n;

	if (file == NULL)
		quit(USAGE, "%s: %s", step->words[0], strerror(errno));
	while ((n = fread(part, 1, sizeof(part), file)) > 0)
		stream_put(STDIN, part, n);
	fclose(file);
}

static void step_stdin_zero(const struct step *step)
{
	static const unsigned char zeros[CONTENT_MAX];
	unsigned long long left = number(step->words[0], ULLONG_MAX);

	while (left > 0 && !talk.broken) {
		size_t part = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

		stream_put(STDIN, zeros, part);
		left -= part;
	}
}

static void step_stdin_end(const struct step *step)
{
	(void)step;
	record_put(STDIN, talk.id, NULL, 0);
}

static void step_abort(const struct step *step)
{
	(void)step;
	request_current()->aborted = true;
	record_put(ABORT_REQUEST, talk.id, NULL, 0);
}

static void step_get_values(const struct step *step)
{
	struct bytes names = { 0 };

	talk.values_came = false;
	pairs_add(&names, step);
	record_put(GET_VALUES, 0, names.at, names.used);
	free(names.at);
}

static void step_record(const struct step *step)
{
	unsigned type = (unsigned)number(step->words[0], UINT8_MAX);
	unsigned id = (unsigned)number(step->words[1], UINT16_MAX);
	struct bytes content = unescaped(step->words[2]);

	if (content.used > CONTENT_MAX)
		quit(USAGE, "more than %d bytes in one record", CONTENT_MAX);
	if (type == BEGIN_REQUEST && id != 0)
		request_begin(id);
	record_put(type, id, content.at, content.used);
	free(content.at);
}

static void step_raw(const struct step *step)
{
	struct bytes text = unescaped(step->words[0]);

	talk.any_id = true;
	if (request_current()->ended)
		request_begin(talk.id);	/* for all we know */
	put(text.at, text.used);
	free(text.at);
}

/* Adds NAME=value unless the step gives NAME itself. */
static void pair_default(const struct step *step, const char *name, const char *value)
{
	if (option_text(step, name) == NULL)
		pair_add(&talk.pairs, name, strlen(name) - 1, value);
}

static void request_put(const struct step *step, const char *method, const char *length)
{
	const char *script = step->words[0], *slash = strrchr(script, '/');

	begin_put(talk.id, 1, option_keep(step) ? KEEP_CONN : 0);
	pair_default(step, "GATEWAY_INTERFACE=", "CGI/1.1");
	pair_default(step, "SERVER_SOFTWARE=", "fcgi-talk");
	pair_default(step, "SERVER_PROTOCOL=", "HTTP/1.1");
	pair_default(step, "SERVER_NAME=", "localhost");
	pair_default(step, "SERVER_PORT=", "80");
	pair_default(step, "REMOTE_ADDR=", "127.0.0.1");
	pair_default(step, "REQUEST_METHOD=", method);
	pair_default(step, "CONTENT_LENGTH=", length);
	pair_default(step, "QUERY_STRING=", "");
	pair_default(step, "SCRIPT_NAME=", slash == NULL ? script : slash);
	pair_default(step, "SCRIPT_FILENAME=", script);
	pairs_add(&talk.pairs, step);
	step_params_end(step);
}

static void step_request(const struct step *step)
{
	request_put(step, "GET", "");
}

/* Steps that read ========================================================================== */

static bool request_await_end(void)
{
	const struct request *r = request_current();

	if (!r->begun)
		quit(USAGE, "id %u was never begun", talk.id);
	flush();
	while (!r->ended && !talk.eof)
		exchange(-1);
	return r->ended;
}

static void step_read(const struct step *step)
{
	(void)step;
	if (!request_await_end())
		quit(TROUBLE, "the server closed before END_REQUEST of id %u", talk.id);
}

static void step_read_all(const struct step *step)
{
	unsigned current = talk.id;

	for (talk.id = 1; talk.id <= UINT16_MAX; talk.id++)
		if (talk.requests[talk.id] != NULL && talk.requests[talk.id]->begun)
			step_read(step);
	talk.id = current;
}

static void step_read_some(const struct step *step)
{
	talk.appetite = (size_t)number(step->words[0], SIZE_MAX - 1);
	while (talk.appetite > 0 && !talk.eof)
		exchange(-1);
	if (talk.appetite > 0)
		quit(TROUBLE, "the server closed %zu bytes too early", talk.appetite);
}

/* One write for the whole request, as web servers do, even outside "hold". */
static void request_finish(const struct step *step, const char *body, bool held)
{
	struct bytes text = unescaped(body);

	stream_put(STDIN, text.at, text.used);
	free(text.at);
	step_stdin_end(step);
	talk.hold = held;
	if (!held)
		step_read(step);
}

static void step_get(const struct step *step)
{
	bool held = talk.hold;

	talk.hold = true;
	request_put(step, "GET", "");
	request_finish(step, "", held);
}

static void step_post(const struct step *step)
{
	struct bytes text = unescaped(step->words[1]);
	bool held = talk.hold;
	char length[24];

	snprintf(length, sizeof(length), "%zu", text.used);
	free(text.at);
	talk.hold = true;
	request_put(step, "POST", length);
	request_finish(step, step->words[1], held);
}

static void step_read_slowly(const struct step *step)
{
	size_t bytes = (size_t)number(step->words[0], SIZE_MAX - 1);
	long long pause = (long long)number(step->words[1], INT_MAX);
	const struct request *r = request_current();

	flush();
	while (!r->ended && !talk.eof) {
		talk.appetite = bytes;
		while (talk.appetite > 0 && !r->ended && !talk.eof)
			exchange(-1);
		talk.appetite = 0;
		exchange_for(pause);
	}
}

static void step_await(const struct step *step)
{
	flush();
	while (access(step->words[0], F_OK) < 0)
		exchange_for(10);
}

static void step_deaf(const struct step *step)
{
	(void)step;
	talk.appetite = 0;
}

static void step_listen(const struct step *step)
{
	(void)step;
	talk.appetite = SIZE_MAX;
}

static void step_wait(const struct step *step)
{
	flush();
	exchange_for((long long)number(step->words[0], INT_MAX));
}

/* Steps about the connection and the manner of speaking ==================================== */

static void step_connect(const struct step *step)
{
	(void)step;
	dial();
}

static void step_half_close(const struct step *step)
{
	(void)step;
	flush();
	shutdown(talk.fd, SHUT_WR);
}

static void step_close(const struct step *step)
{
	(void)step;
	flush();
	hang_up();
}

static void step_reset(const struct step *step)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	(void)step;
	flush();
	setsockopt(talk.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	hang_up();
}

static void step_split(const struct step *step)
{
	talk.split = (size_t)number(step->words[0], CONTENT_MAX);
	if (talk.split == 0)
		quit(USAGE, "a record has to carry at least one byte");
}

static void step_slice(const struct step *step)
{
	talk.slice = (size_t)number(step->words[0], SIZE_MAX);
	if (talk.slice == 0)
		quit(USAGE, "a slice has to carry at least one byte");
}

static void step_pace(const struct step *step)
{
	talk.pace = (long)number(step->words[0], INT_MAX);
}

static void step_pad(const struct step *step)
{
	talk.padding = (unsigned)number(step->words[0], PADDING_MAX);
}

static void step_long_lengths(const struct step *step)
{
	(void)step;
	talk.long_lengths = true;
}

static void step_hold(const struct step *step)
{
	(void)step;
	talk.hold = true;
}

static void step_release(const struct step *step)
{
	(void)step;
	talk.hold = false;
}

static void step_may_close(const struct step *step)
{
	(void)step;
	talk.may_close = true;
}

static void step_timeout(const struct step *step)
{
	talk.deadline = talk.start + (long long)number(step->words[0], INT_MAX / 1000) * 1000;
}

static int file_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0)
		quit(USAGE, "%s: %s", path, strerror(errno));
	return fd;
}

static void step_out(const struct step *step)
{
	unsigned id = (unsigned)number(step->words[0], UINT16_MAX);

	request_find(id)->out = file_open(step->words[1]);
}

static void step_trace(const struct step *step)
{
	talk.trace = file_open(step->words[0]);
}

static void step_status(const struct step *step)
{
	(void)step;
	for (unsigned id = 1; id <= UINT16_MAX; id++) {
		const struct request *r = talk.requests[id];

		if (r == NULL || !r->begun)
			continue;
		if (r->out == STDOUT_FILENO && r->text.used > 0 &&
				r->text.at[r->text.used - 1] != '\n')
			putchar('\n');
		if (r->ended)
			printf("id=%u app=%lu protocol=%u\n", id, (unsigned long)r->app,
				r->protocol);
		else
			printf("id=%u open\n", id);
	}
	fflush(stdout);
}

/* Steps that expect ======================================================================== */

static void step_expect_end(const struct step *step)
{
	const struct request *r = request_current();
	const char *app = option_text(step, "app="), *protocol = option_text(step, "protocol=");

	if (!request_await_end())
		quit(FAILED, "the server closed before END_REQUEST of id %u", talk.id);
	if (app != NULL && number(app, UINT32_MAX) != r->app)
		quit(FAILED, "application status %lu, not %s", (unsigned long)r->app, app);
	if (protocol != NULL && number(protocol, UINT8_MAX) != r->protocol)
		quit(FAILED, "protocol status %u, not %s", r->protocol, protocol);
}

static void step_expect_closed(const struct step *step)
{
	(void)step;
	flush();
	while (!talk.eof)
		exchange(-1);
}

static void step_expect_eof(const struct step *step)
{
	step_expect_closed(step);
	if (talk.reset)
		quit(FAILED, "the server reset the connection");
	if (talk.in_used > 0)
		quit(FAILED, "the server closed inside a record");
}

static void step_expect_open(const struct step *step)
{
	step_wait(step);
	if (talk.eof)
		quit(FAILED, "the server closed the connection");
}

static void step_expect_no_reply(const struct step *step)
{
	unsigned long long before = talk.received;

	step_wait(step);
	if (talk.received > before)
		quit(FAILED, "%llu bytes came", talk.received - before);
}

static void expect_in(const struct bytes *b, const struct step *step)
{
	const struct request *r = request_current();
	struct bytes text = unescaped(step->words[0]);

	flush();
	while (!bytes_contain(b, &text) && !r->ended && !talk.eof)
		exchange(-1);
	if (!bytes_contain(b, &text))
		quit(FAILED, "no \"%s\" in what came", step->words[0]);
	free(text.at);
}

static void step_expect_text(const struct step *step)
{
	expect_in(&request_current()->text, step);
}

static void step_expect_stderr(const struct step *step)
{
	expect_in(&request_current()->errors, step);
}

static void step_expect_no_text(const struct step *step)
{
	struct bytes text = unescaped(step->words[0]);

	if (bytes_contain(&request_current()->text, &text))
		quit(FAILED, "\"%s\" came", step->words[0]);
	free(text.at);
}

static void step_expect_bytes(const struct step *step)
{
	unsigned long long came = request_current()->stdout_bytes;

	if (came != number(step->words[0], ULLONG_MAX))
		quit(FAILED, "%llu bytes of STDOUT, not %s", came, step->words[0]);
}

static void step_expect_values(const struct step *step)
{
	struct bytes wanted = { 0 };

	flush();
	while (!talk.values_came && !talk.eof)
		exchange(-1);
	if (!talk.values_came)
		quit(FAILED, "the server closed before GET_VALUES_RESULT");
	for (size_t i = 0; i < step->option_count; i++) {
		struct step one = { .options = step->options + i, .option_count = 1 };

		wanted.used = 0;
		pairs_add(&wanted, &one);
		if (!bytes_contain(&talk.values, &wanted))
			quit(FAILED, "no %s among the values", step->options[i]);
	}
	free(wanted.at);
}

static void step_expect_unknown(const struct step *step)
{
	int type = (int)number(step->words[0], UINT8_MAX);

	flush();
	while (talk.unknown_type < 0 && !talk.eof)
		exchange(-1);
	if (talk.unknown_type != type)
		quit(FAILED, "UNKNOWN_TYPE names %d, not %d", talk.unknown_type, type);
	talk.unknown_type = -1;
}

/* The table ================================================================================ */

static const struct verb verbs[] = {
	{ "get", 1, "= keep", READS, step_get, "SCRIPT [NAME=VALUE...] [keep]",
		"a whole request without body, in one write; then read" },
	{ "post", 2, "= keep", READS, step_post, "SCRIPT TEXT [NAME=VALUE...] [keep]",
		"the same with a body" },
	{ "request", 1, "= keep", 0, step_request, "SCRIPT [NAME=VALUE...] [keep]",
		"begin, the usual params, params-end; stdin is left to you" },

	{ "begin", 0, "id= role= flags= keep", 0, step_begin, "[id=N] [role=N] [keep] [flags=N]",
		"BEGIN_REQUEST; the id (at first 1) is current from here on" },
	{ "id", 1, "", ANYHOW, step_id, "ID", "make another id current" },
	{ "params", 0, "=", 0, step_params, "NAME=VALUE...", "collect pairs" },
	{ "params-send", 0, "", 0, step_params_send, "", "send the pairs, but no end" },
	{ "params-end", 0, "", 0, step_params_end, "", "send the pairs and the empty record" },
	{ "stdin", 1, "", 0, step_stdin, "TEXT", "send TEXT" },
	{ "stdin-file", 1, "", 0, step_stdin_file, "FILE", "send what FILE holds" },
	{ "stdin-zero", 1, "", 0, step_stdin_zero, "BYTES", "send so many zero bytes" },
	{ "stdin-end", 0, "", 0, step_stdin_end, "", "send the empty record" },
	{ "abort", 0, "", 0, step_abort, "", "ABORT_REQUEST" },
	{ "get-values", 0, "=", 0, step_get_values, "NAME=...",
		"GET_VALUES (pairs without values, as on the wire)" },
	{ "record", 3, "", 0, step_record, "TYPE ID CONTENT", "any record" },
	{ "raw", 1, "", 0, step_raw, "BYTES", "any bytes" },

	{ "read", 0, "", READS, step_read, "", "until END_REQUEST of the current id" },
	{ "read-all", 0, "", READS, step_read_all, "", "until END_REQUEST of every id" },
	{ "read-some", 1, "", 0, step_read_some, "BYTES", "so many raw bytes, then be deaf" },
	{ "read-slowly", 2, "", 0, step_read_slowly, "BYTES MILLISECONDS",
		"so many at a time, a pause after each, until the request ends" },
	{ "deaf", 0, "", ANYHOW, step_deaf, "", "stop reading, even while sending" },
	{ "listen", 0, "", ANYHOW, step_listen, "", "read again, as at first" },
	{ "wait", 1, "", ANYHOW, step_wait, "MILLISECONDS", "reading unless deaf" },
	{ "await", 1, "", ANYHOW, step_await, "FILE", "until FILE is there, reading unless deaf" },

	{ "connect", 0, "", ANYHOW, step_connect, "", "a new connection in place of this one" },
	{ "half-close", 0, "", 0, step_half_close, "", "end our direction" },
	{ "close", 0, "", 0, step_close, "", "close now" },
	{ "reset", 0, "", 0, step_reset, "", "close with a reset (TCP)" },

	{ "split", 1, "", ANYHOW, step_split, "BYTES", "longest params or stdin record" },
	{ "pad", 1, "", ANYHOW, step_pad, "BYTES", "padding of every record" },
	{ "slice", 1, "", ANYHOW, step_slice, "BYTES", "longest write to the socket" },
	{ "pace", 1, "", ANYHOW, step_pace, "MILLISECONDS", "pause after each write" },
	{ "long-lengths", 0, "", ANYHOW, step_long_lengths, "", "four bytes for every length" },
	{ "hold", 0, "", 0, step_hold, "",
		"collect what is sent (get and post do not read) ..." },
	{ "release", 0, "", 0, step_release, "", "... and send it in one write" },
	{ "may-close", 0, "", ANYHOW, step_may_close, "",
		"a server that will not take more is fine" },
	{ "timeout", 1, "", ANYHOW, step_timeout, "SECONDS",
		"for the whole dialogue (at first 30)" },

	{ "out", 2, "", ANYHOW, step_out, "ID FILE", "append STDOUT of that id to FILE" },
	{ "trace", 1, "", ANYHOW, step_trace, "FILE",
		"append a line for each record that comes" },
	{ "status", 0, "", ANYHOW, step_status, "",
		"print \"id=1 app=0 protocol=0\" or \"id=1 open\"" },

	{ "expect-end", 0, "app= protocol=", READS, step_expect_end, "[app=N] [protocol=N]",
		"read; the END_REQUEST says so" },
	{ "expect-text", 1, "", READS, step_expect_text, "TEXT", "read until STDOUT has TEXT" },
	{ "expect-no-text", 1, "", ANYHOW, step_expect_no_text, "TEXT",
		"STDOUT so far is without it" },
	{ "expect-stderr", 1, "", READS, step_expect_stderr, "TEXT",
		"read until STDERR has TEXT" },
	{ "expect-bytes", 1, "", ANYHOW, step_expect_bytes, "BYTES",
		"STDOUT so far is so long" },
	{ "expect-values", 0, "=", READS, step_expect_values, "NAME=VALUE...",
		"GET_VALUES_RESULT comes and has these" },
	{ "expect-unknown", 1, "", READS, step_expect_unknown, "TYPE",
		"UNKNOWN_TYPE comes, of TYPE" },
	{ "expect-eof", 0, "", READS, step_expect_eof, "", "the server closes in good order" },
	{ "expect-closed", 0, "", READS, step_expect_closed, "", "the server closes or resets" },
	{ "expect-open", 1, "", READS, step_expect_open, "MILLISECONDS",
		"it has not closed by then" },
	{ "expect-no-reply", 1, "", READS, step_expect_no_reply, "MILLISECONDS",
		"no byte comes by then" },
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: fcgi-talk [-n COUNT] [-j PARALLEL] ADDRESS STEP...\n"
		"Speaks the steps to the FastCGI server at unix:/PATH, /PATH,\n"
		"tcp:1.2.3.4:PORT or tcp6:[::1]:PORT. STDOUT records go to standard output,\n"
		"STDERR to standard error. -n runs the dialogue COUNT times, -j PARALLEL at\n"
		"once, or until USR1, and prints only the counts. Each step takes its words,\n"
		"then the NAME=VALUE words after them. TEXT, BYTES, CONTENT, NAME and VALUE may have\n"
		"\\xNN \\n \\r \\t \\0 \\\\.\n"
		"Exit status: 0 all went as expected, 1 it did not, 2 usage, 3 connection\n"
		"or time-out.\n\n");
	for (size_t i = 0; i < VERBS; i++)
		fprintf(to, "  %-15s %s%s%s\n", verbs[i].name, verbs[i].synopsis,
			verbs[i].synopsis[0] == '\0' ? "" : ": ", verbs[i].help);
}

/* The dialogue ============================================================================= */

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	quit(USAGE, "%s: no such step (see --help)", name);
}

static bool option_fits(const char *allowed, const char *word)
{
	const char *sign = strchr(word, '=');

	while (*allowed != '\0') {
		size_t length = strcspn(allowed, " ");
		bool named = strncmp(allowed, word, length) == 0;

		if (sign == NULL ? named && word[length] == '\0' :
				length == 1 || (named && word + length == sign + 1))
			return true;
		allowed += length + (allowed[length] == ' ');
	}
	return false;
}

/* Fills steps, with room for one per word. All is understood before anything is said. */
static size_t steps_parse(struct step *steps, char **words)
{
	size_t count = 0;

	while (*words != NULL) {
		struct step *s = &steps[count++];

		s->verb = verb_find(*words++);
		s->words = words;
		for (int i = 0; i < s->verb->words; i++)
			if (*words++ == NULL)
				quit(USAGE, "%s %s: a word is missing", s->verb->name,
					s->verb->synopsis);
		s->options = words;
		while (*words != NULL && option_fits(s->verb->options, *words))
			words++;
		s->option_count = (size_t)(words - s->options);
	}
	return count;
}

static void dialogue(const struct step *steps, size_t count)
{
	talk.start = now();
	talk.deadline = talk.start + 30000;
	dial();
	for (size_t i = 0; i < count; i++) {
		talk.step = &steps[i];
		talk.step_number = i + 1;
		if (talk.fd < 0 && (steps[i].verb->flags & ANYHOW) == 0)
			quit(USAGE, "%s: not connected", steps[i].verb->name);
		if ((steps[i].verb->flags & READS) != 0)
			talk.appetite = SIZE_MAX;
		steps[i].verb->run(&steps[i]);
		flush();
	}
}

static void request_forget(struct request *r)
{
	if (r->out != STDOUT_FILENO)
		close(r->out);
	free(r->text.at);
	free(r->errors.at);
	free(r);
}

/* Ends a dialogue as the end of this process would. */
static void forget(void)
{
	const char *address = talk.address;

	if (talk.fd >= 0)
		close(talk.fd);
	if (talk.trace >= 0)
		close(talk.trace);
	for (unsigned id = 0; id <= UINT16_MAX; id++)
		if (talk.requests[id] != NULL)
			request_forget(talk.requests[id]);
	free(talk.pairs.at);
	free(talk.out.at);
	free(talk.values.at);
	talk = silence;
	talk.address = address;
}

/* What all lanes count together. */
struct counts {
	atomic_long left, ok;
};

static struct counts *counts;

/* No lane begins another dialogue. */
static void on_enough(int number)
{
	(void)number;
	atomic_store(&counts->left, 0);
}

/* One dialogue after the other; the first that fails ends this process. */
static void lane_start(const struct step *steps, size_t count)
{
	pid_t pid = fork();

	if (pid < 0)
		quit(TROUBLE, "cannot fork: %s", strerror(errno));
	if (pid > 0)
		return;
	if (freopen("/dev/null", "w", stdout) == NULL)
		quit(TROUBLE, "/dev/null: %s", strerror(errno));
	while (atomic_fetch_sub(&counts->left, 1) > 0) {
		dialogue(steps, count);
		forget();
		atomic_fetch_add(&counts->ok, 1);
	}
	exit(0);
}

/* Runs the dialogue this many times, in so many processes. */
static int lanes_run(const struct step *steps, size_t count, long times, long parallel)
{
	FILE *file = tmpfile();
	struct sigaction action = { .sa_handler = on_enough, .sa_flags = SA_RESTART };
	long running = 0, failed = 0;
	int worst = 0, status;

	counts = MAP_FAILED;
	if (file != NULL && ftruncate(fileno(file), sizeof(*counts)) == 0)
		counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED,
			      fileno(file), 0);
	if (counts == MAP_FAILED)
		quit(TROUBLE, "no shared memory: %s", strerror(errno));
	atomic_store(&counts->left, times);
	sigaction(SIGUSR1, &action, NULL);
	do {
		while (running < parallel && atomic_load(&counts->left) > 0) {
			lane_start(steps, count);
			running++;
		}
		if (wait(&status) < 0)
			quit(TROUBLE, "cannot wait: %s", strerror(errno));
		running--;
		status = WIFEXITED(status) ? WEXITSTATUS(status) : TROUBLE;
		failed += status != 0;
		worst = status > worst ? status : worst;
	} while (running > 0 || atomic_load(&counts->left) > 0);
	printf("ok=%ld failed=%ld\n", atomic_load(&counts->ok), failed);
	return worst;
}

int main(int argc, char **argv)
{
	long times = 0, parallel = 1;
	static struct step *steps;
	size_t count;
	int letter;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return 0;
	}
	while ((letter = getopt(argc, argv, "+n:j:")) != -1) {
		if (letter == 'n')
			times = (long)number(optarg, INT_MAX);
		else if (letter == 'j')
			parallel = (long)number(optarg, INT_MAX);
		else
			return usage(stderr), USAGE;
	}
	if (optind == argc || parallel == 0)
		return usage(stderr), USAGE;
	talk = silence;
	talk.address = argv[optind];
	steps = calloc((size_t)argc, sizeof(*steps));
	if (steps == NULL)
		quit(TROUBLE, "out of memory");
	count = steps_parse(steps, argv + optind + 1);
	if (times > 0 || parallel > 1)
		return lanes_run(steps, count, times > 0 ? times : parallel, parallel);
	dialogue(steps, count);
	return 0;
}
