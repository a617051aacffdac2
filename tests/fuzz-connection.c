/*
 * A running fcgiwrap against clients that say anything: it has to survive, to
 * answer in records that make sense, and to end as lean as it began.
 *
 * Each round is a few connections at once, each with a few requests, cut, mixed
 * and mutated. FCGI_BUILD and FCGI_SOURCE are the roots of build and sources.
 */
#include <config.h>

#include "fuzz.h"
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CLIENTS_MOST = 4,
	REQUESTS_MOST = 4,
	TEXT_MOST = 2048 * 1024, /* that a client sends */
	BODY_MOST = 400 * 1024,
	BODY_TAKEN = 320 * 1024, /* more than what is moved without being read */
	PARAMS_MOST = 1024,
	ANSWER_SECONDS = 20, /* in which a client that did nothing wrong has its answer */
	IDS = 6
};

static const char echo_head[] = "X-Echo: 1\n\n", echoed_head[] = "X-Echo: 1\r\n\r\n";

/* A request as it was sent. */
struct asked {
	uint16_t id;
	bool echoes; /* its answer is its body */
	bool aborted;
	unsigned char body[BODY_MOST];
	size_t body_size, body_sent;
	int stage; /* 0: not begun, then what comes next */
	size_t answered; /* bytes of STDOUT so far */
	bool ended;
};

struct client {
	int fd;
	unsigned char text[TEXT_MOST];
	size_t size, sent;
	bool sane; /* nothing was mutated: an answer is due */
	bool deaf; /* does not read before all is sent */
	size_t hangs_up_at;
	struct asked asked[REQUESTS_MOST];
	size_t requests;
	struct record_reader reader;
	unsigned char end[RECORD_BODY_SIZE];
	size_t end_have;
	int begun[IDS + 1], ended[IDS + 1]; /* by id; the last one for all others */
};

static struct client clients[CLIENTS_MOST];
static char folder[] = "/tmp/fz.XXXXXX";
static char cgi[512];
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static pid_t server;
static long descriptors_at_start;

/* The server. */

static void start_server(void)
{
	const char *build = getenv("FCGI_BUILD"), *source = getenv("FCGI_SOURCE");
	char program[512], url[128];
	int null;

	snprintf(program, sizeof program, "%s/wrapper/fcgiwrap", build ? build : ".");
	snprintf(cgi, sizeof cgi, "%s/tests/cgi", source ? source : ".");
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
	snprintf(url, sizeof url, "unix:%s", address.sun_path);
	server = fork();
	if (server != 0)
		return;
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	if (!getenv("FUZZ_LOG"))
		dup2(null, 2);
	execl(program, "fcgiwrap", "-s", url, "-f", "--client-timeout=2", "--idle-timeout=3",
	      "--max-scripts=8", "--queue=16", "--queue-timeout=1", "--kill-after=200ms",
	      "--max-params=8k", "--max-body=320k", "--silence-timeout=3", "--timeout=4",
	      "--spool-dir", folder, "--max-background=4", "--background-timeout=1",
	      getenv("FUZZ_OPTION"), (char *)NULL);
	_exit(127);
}

static int reach_server(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* How many descriptors the server has; -1 where that cannot be seen. */
static long count_descriptors(void)
{
	char path[64];
	DIR *list;
	long count = 0;

	snprintf(path, sizeof path, "/proc/%ld/fd", (long)server);
	list = opendir(path);
	if (!list)
		return -1;
	while (readdir(list))
		count++;
	closedir(list);
	return count;
}

static void pause_for(long milliseconds)
{
	poll(NULL, 0, (int)milliseconds);
}

static void wait_for_server(void)
{
	int fd = -1;

	for (int i = 0; i < 500 && (fd = reach_server()) < 0; i++)
		pause_for(10);
	fuzz_expect(fd >= 0, "the server does not start");
	close(fd);
	pause_for(50);
	descriptors_at_start = count_descriptors();
}

static void finish(void)
{
	int status = -1;

	for (int i = 0; i < 1000 && count_descriptors() > descriptors_at_start; i++)
		pause_for(10);
	fuzz_expect(count_descriptors() <= descriptors_at_start, "descriptors are left open");
	kill(server, SIGTERM);
	waitpid(server, &status, 0);
	fuzz_expect(status == 0, "the server did not end well");
	server = 0;
}

static void clean_up(void)
{
	if (server > 0)
		kill(server, SIGKILL);
	unlink(address.sun_path);
	rmdir(folder);
}

/* What a client sends. */

static void put(struct client *c, const void *bytes, size_t size)
{
	if (size > sizeof c->text - c->size)
		return;
	memcpy(c->text + c->size, bytes, size);
	c->size += size;
}

static void put_record(struct client *c, unsigned type, uint16_t id, const void *bytes, size_t size)
{
	static const unsigned char zero[8];
	unsigned char header[RECORD_HEADER_SIZE];
	size_t padding = fuzz_chance(30) ? fuzz_below(8) : 0;

	if (RECORD_HEADER_SIZE + size + padding > sizeof c->text - c->size)
		return;
	record_put_header(header, type, id, size);
	header[6] = (unsigned char)padding;
	put(c, header, sizeof header);
	put(c, bytes, size);
	put(c, zero, padding);
}

static size_t put_param(char *out, const char *name, const char *value)
{
	size_t name_size = strlen(name), value_size = strlen(value);

	out[0] = (char)name_size;
	out[1] = (char)value_size;
	memcpy(out + 2, name, name_size);
	memcpy(out + 2 + name_size, value, value_size);
	return 2 + name_size + value_size;
}

static void put_params(struct client *c, struct asked *a)
{
	static const char *const scripts[] = {
		"true", "hello.sh", "stderr.sh", "answer-early.sh", "no-output.sh", "crash.sh",
		"no-header.sh", "close-stdout.sh", "missing", "exit.sh", "no-x-bit.sh",
		"length.sh",
	};
	char text[PARAMS_MOST], path[600], number[24];
	const char *name = scripts[fuzz_below(sizeof scripts / sizeof *scripts)];
	size_t size, cut;

	snprintf(path, sizeof path, "%s/%s", strcmp(name, "true") ? cgi : "/bin", name);
	size = put_param(text, "SCRIPT_FILENAME", a->echoes ? "/bin/cat" : path);
	snprintf(number, sizeof number, "%zu", a->body_size);
	/* A length that is not told makes the server keep the body. */
	if (fuzz_chance(a->echoes ? 80 : 60))
		size += put_param(text + size, "CONTENT_LENGTH", number);
	size += put_param(text + size, "REQUEST_METHOD", fuzz_chance(10) && !a->echoes ? "HEAD" : "GET");
	size += put_param(text + size, "QUERY_STRING", "1");
	cut = fuzz_chance(30) ? fuzz_below(size) : 0;
	if (cut)
		put_record(c, FCGI_PARAMS, a->id, text, cut);
	put_record(c, FCGI_PARAMS, a->id, text + cut, size - cut);
}

/* The next record of a request. False if there is none. */
static bool put_step(struct client *c, struct asked *a)
{
	const unsigned char begin[RECORD_BODY_SIZE] = { 0, fuzz_chance(10) ? 2 : 1, 1 };
	size_t size = a->body_size - a->body_sent;

	if (a->stage > 0 && a->stage < 5 && fuzz_chance(2)) {
		put_record(c, FCGI_ABORT_REQUEST, a->id, "", 0);
		a->aborted = true;
		a->stage = 5;
	}
	switch (a->stage) {
	case 0:
		a->echoes &= begin[1] == FCGI_RESPONDER;
		put_record(c, FCGI_BEGIN_REQUEST, a->id, begin, sizeof begin);
		break;
	case 1:
		put_params(c, a);
		break;
	case 2:
		put_record(c, FCGI_PARAMS, a->id, "", 0);
		break;
	case 3:
		size = size && fuzz_chance(70) ? 1 + fuzz_below(size) : size;
		size = size < RECORD_CONTENT_MOST ? size : RECORD_CONTENT_MOST;
		if (size)
			put_record(c, FCGI_STDIN, a->id, a->body + a->body_sent, size);
		a->body_sent += size;
		a->stage -= a->body_sent < a->body_size;
		break;
	case 4:
		put_record(c, FCGI_STDIN, a->id, "", 0);
		break;
	default:
		return false;
	}
	a->stage++;
	return true;
}

static void choose_request(struct asked *a, uint16_t id)
{
	static const size_t sizes[] = { 0, 20, 5000, 60000, BODY_TAKEN, BODY_MOST };
	size_t head = sizeof echo_head - 1;

	*a = (struct asked){ .id = id, .echoes = fuzz_chance(50) };
	a->body_size = fuzz_below(1 + sizes[fuzz_below(sizeof sizes / sizeof *sizes)]);
	if (a->echoes && a->body_size < head)
		a->body_size = head;
	if (a->body_size > BODY_TAKEN)
		a->echoes = false; /* refused as too large */
	for (size_t i = 0; i < a->body_size; i++)
		a->body[i] = (unsigned char)(i % 251 + id);
	if (a->echoes)
		memcpy(a->body, echo_head, head);
}

/* Records that belong to no request. */
static void put_aside(struct client *c)
{
	static const char values[] = "\17\0FCGI_MPXS_CONNS\15\0FCGI_MAX_REQS";

	if (fuzz_chance(50))
		put_record(c, FCGI_GET_VALUES, 0, values, sizeof values - 1);
	else if (fuzz_chance(50))
		put_record(c, 12 + (unsigned)fuzz_below(200), 0, "what?", fuzz_below(6));
	else
		put_record(c, FCGI_STDIN, 999, "for nobody", 10);
}

static void mutate(struct client *c)
{
	for (size_t changes = 1 + fuzz_below(4); changes > 0 && c->size > 16; changes--) {
		size_t at = fuzz_chance(50) ? fuzz_below(16) : fuzz_below(c->size);
		size_t size = fuzz_below(c->size - at) % 64;

		switch (fuzz_below(4)) {
		case 0:
			c->text[at] = (unsigned char)fuzz_next();
			break;
		case 1:
			c->text[at] ^= (unsigned char)(1 << fuzz_below(8));
			break;
		case 2: /* left out */
			memmove(c->text + at, c->text + at + size, c->size - at - size);
			c->size -= size;
			break;
		default: /* said again */
			if (c->size + size <= sizeof c->text)
				put(c, c->text + at, size);
		}
	}
}

/* Which requests the bytes begin after all: the answers must fit. */
static void count_begun(struct client *c)
{
	const unsigned char *in = c->text, *content;
	struct record_reader reader = { .header_have = 0 };
	size_t size = c->size, length;
	enum record_event event;

	while ((event = record_read(&reader, &in, &size, &content, &length)) != RECORD_NOTHING)
		if (event == RECORD_BEGIN && reader.record.type == FCGI_BEGIN_REQUEST)
			c->begun[reader.record.id < IDS ? reader.record.id : IDS]++;
}

static void make_client(struct client *c)
{
	bool going = true;

	c->size = c->sent = 0;
	c->sane = fuzz_chance(50);
	c->deaf = fuzz_chance(10);
	c->reader = (struct record_reader){ .header_have = 0 };
	memset(c->begun, 0, sizeof c->begun);
	memset(c->ended, 0, sizeof c->ended);
	c->requests = 1 + fuzz_below(REQUESTS_MOST);
	for (size_t i = 0; i < c->requests; i++)
		choose_request(&c->asked[i], (uint16_t)(i + 1));
	while (going) {
		going = false;
		for (size_t i = 0; i < c->requests; i++) {
			if (fuzz_chance(2))
				put_aside(c);
			if (c->asked[i].stage < 5 && fuzz_chance(30))
				going = true; /* another one's turn */
			else
				going |= put_step(c, &c->asked[i]);
		}
	}
	for (size_t i = 0; i < c->requests; i++)
		if (fuzz_chance(10)) {
			put_record(c, FCGI_ABORT_REQUEST, c->asked[i].id, "", 0);
			c->asked[i].aborted = true;
		}
	if (!c->sane)
		mutate(c);
	c->hangs_up_at = !c->sane && fuzz_chance(40) ? fuzz_below(c->size) : c->size;
	count_begun(c);
}

/* What a client gets. */

static struct asked *find_asked(struct client *c, uint16_t id)
{
	return id >= 1 && id <= c->requests ? &c->asked[id - 1] : NULL;
}

static void check_begin(const struct client *c, const struct record *r)
{
	bool management = r->type == FCGI_GET_VALUES_RESULT || r->type == FCGI_UNKNOWN_TYPE;
	int slot = r->id < IDS ? r->id : IDS;

	fuzz_expect(r->version == RECORD_VERSION, "an answer has another version");
	fuzz_expect(management || (r->type >= FCGI_END_REQUEST && r->type <= FCGI_STDERR &&
		    r->type != FCGI_PARAMS && r->type != FCGI_STDIN), "an answer has a strange type");
	fuzz_expect(management == (r->id == 0), "an answer has a strange id");
	fuzz_expect(management || c->ended[slot] < c->begun[slot],
		    "an answer to what is not asked, or has ended");
	fuzz_expect(r->type != FCGI_END_REQUEST || r->content_length == RECORD_BODY_SIZE,
		    "an END_REQUEST has a strange length");
}

static void check_output(struct client *c, const unsigned char *bytes, size_t size)
{
	struct asked *a = find_asked(c, c->reader.record.id);
	const size_t head = sizeof echo_head - 1, more = sizeof echoed_head - 1 - head;

	if (!c->sane || !a)
		return;
	fuzz_expect(!a->ended, "output comes behind its end");
	for (size_t i = 0; a->echoes && i < size; i++, a->answered++) {
		size_t at = a->answered;
		unsigned char due = at < head + more ? (unsigned char)echoed_head[at]
				    : at - more < a->body_size ? a->body[at - more] : 0;

		/* When the server has no place left, it says so instead. */
		if (at == 0 && bytes[0] == 'S')
			a->echoes = false;
		else
			fuzz_expect(at < a->body_size + more && bytes[i] == due, "an echo is wrong");
	}
}

static void check_end(struct client *c)
{
	uint16_t id = c->reader.record.id;
	struct asked *a = find_asked(c, id);

	c->ended[id < IDS ? id : IDS]++;
	if (!c->sane || !a)
		return;
	fuzz_expect(!a->echoes || a->aborted || a->answered == a->body_size + sizeof echoed_head -
		    sizeof echo_head, "an echo is cut");
	a->ended = true;
}

static void take_answers(struct client *c, const unsigned char *in, size_t size)
{
	const unsigned char *content;
	size_t length;

	for (;;) {
		switch (record_read(&c->reader, &in, &size, &content, &length)) {
		case RECORD_NOTHING:
			return;
		case RECORD_BEGIN:
			check_begin(c, &c->reader.record);
			break;
		case RECORD_CONTENT:
			if (c->reader.record.type == FCGI_STDOUT)
				check_output(c, content, length);
			break;
		case RECORD_END:
			if (c->reader.record.type == FCGI_END_REQUEST)
				check_end(c);
			break;
		}
	}
}

static bool is_answered(const struct client *c)
{
	for (size_t i = 0; i < c->requests; i++)
		if (!c->asked[i].ended)
			return false;
	return true;
}

/* The two at work. */

static void hang_up(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static void send_some(struct client *c)
{
	size_t most = fuzz_chance(20) ? 1 + fuzz_below(100) : 1 + fuzz_below(70000);
	ssize_t n;

	if (most > c->hangs_up_at - c->sent)
		most = c->hangs_up_at - c->sent;
	n = send(c->fd, c->text + c->sent, most, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		c->sent += (size_t)n;
	else if (errno != EAGAIN)
		c->sent = c->hangs_up_at;
}

static void receive_some(struct client *c)
{
	static unsigned char bytes[70000];
	ssize_t n = recv(c->fd, bytes, 1 + fuzz_below(sizeof bytes), MSG_DONTWAIT);

	if (n > 0) {
		take_answers(c, bytes, (size_t)n);
		if (c->sane && is_answered(c))
			hang_up(c);
	} else if (n == 0 || errno != EAGAIN) {
		fuzz_expect(!c->sane, "a client that did nothing wrong lost its connection");
		hang_up(c);
	}
}

static void serve_client(struct client *c, short events)
{
	if (events & POLLOUT)
		send_some(c);
	if (events & (POLLIN | POLLHUP | POLLERR))
		receive_some(c);
	/* What is left to answer after nonsense cannot be told. */
	if (c->fd >= 0 && !c->sane && c->sent == c->hangs_up_at && fuzz_chance(20))
		hang_up(c);
}

static bool serve_clients(size_t count)
{
	struct pollfd polls[CLIENTS_MOST];
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		const struct client *c = &clients[i];
		bool sends = c->sent < c->hangs_up_at;

		polls[i] = (struct pollfd){ .fd = c->fd, .events = (short)((sends ? POLLOUT : 0) |
					    (sends && c->deaf ? 0 : POLLIN)) };
		any |= c->fd >= 0;
	}
	if (any && poll(polls, count, 20) >= 0)
		for (size_t i = 0; i < count; i++)
			if (clients[i].fd >= 0)
				serve_client(&clients[i], polls[i].revents);
	return any;
}

static void one_round(void)
{
	size_t count = 1 + fuzz_below(CLIENTS_MOST);
	double end = fuzz_clock() + ANSWER_SECONDS;

	for (size_t i = 0; i < count; i++) {
		make_client(&clients[i]);
		clients[i].fd = reach_server();
		fuzz_expect(clients[i].fd >= 0, "the server is gone");
	}
	while (!fuzz_fault && serve_clients(count))
		fuzz_expect(fuzz_clock() < end, "an answer does not come");
	for (size_t i = 0; i < count; i++)
		if (clients[i].fd >= 0)
			hang_up(&clients[i]);
}

int main(int argc, char **argv)
{
	int result;

	if (!mkdtemp(folder))
		return 1;
	atexit(clean_up);
	start_server();
	wait_for_server();
	result = fuzz_run(argc, argv, "whatever clients say, the server lives and answers", 20,
			  one_round, finish);
	return result;
}
