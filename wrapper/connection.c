#include <config.h>

#include "connection.h"

#include "buffer.h"
#include "bulk.h"
#include "loop.h"
#include "params.h"
#include "places.h"
#include "record.h"
#include "report.h"
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IN_SIZE = 64 * 1024,
	VALUES_MOST = 1024,  /* content of a GET_VALUES that is looked at */
	ANSWER_MOST = 256,
	STEPS_MOST = 8, /* of a body that is moved, in one turn */
	LAST_CHANCE = 1000, /* milliseconds for the first request, when all ends */
	LINGER = 5000 /* milliseconds for a client to send more, or stop; within
		       * the time-out for clients in all */
};

enum connection_state {
	SERVING,
	FINISHING, /* no new requests; ends with those that are there */
	LINGERING, /* our side is closed; the client's is read and dropped */
	BROKEN
};

/* Whose turn it is while nothing else happens; each has its time-out. */
enum awaited { NOTHING, CLIENT_READS, CLIENT_SENDS, CLIENT_RETURNS, CLIENT_CLOSES };

struct connection {
	struct connection *next, *prev;
	struct connection *next_stirred; /* in the list of those to settle */
	bool stirred;
	struct watch socket;
	enum connection_state state;
	enum awaited awaited;
	bool moved; /* the client did something in this turn */
	bool asked; /* the client has made a request */
	bool may_send; /* the client, without knowing that our side is closed */
	struct deadline patience;
	struct record_reader reader;
	unsigned char begin[RECORD_BODY_SIZE];
	size_t begin_have;
	unsigned char *values; /* content of a GET_VALUES */
	size_t values_size;
	struct request *requests;
	size_t request_count;
	struct queue_party party;
	struct buffer out;
	int64_t linger_end; /* by loop_now() */
};

static const struct settings *settings;
static size_t connections_most;
static void (*on_freed)(void);
static struct connection *connections;
static struct connection *stirred;
static size_t count;
static bool ending; /* connections stay for no other request */

/* What is read is used up at once, so one place serves all connections. */
static unsigned char in[IN_SIZE];

void connection_open_all(const struct settings *s, size_t most, void (*freed)(void))
{
	settings = s;
	connections_most = most;
	on_freed = freed;
	request_open(s);
}

size_t connection_count(void)
{
	return count;
}

static void connection_free(struct connection *c)
{
	while (c->requests) {
		struct request *r = c->requests;

		c->requests = r->next;
		request_free(r);
	}
	*(c->prev ? &c->prev->next : &connections) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	deadline_clear(&c->patience);
	loop_close(&c->socket);
	buffer_free(&c->out);
	free(c->values);
	free(c);
	count--;
	on_freed();
}

/* Settling: acts first, and derives last what every descriptor waits for. */

static void end_request(struct connection *c, struct request **link)
{
	struct request *r = *link;

	*link = r->next;
	c->request_count--;
	c->may_send |= r->keep_connection || !r->stdin_ended;
	/* FastCGI 1.0, section 5.1. */
	if ((!r->keep_connection || ending) && c->state == SERVING)
		c->state = FINISHING;
	request_free(r);
}

/* True if a request waits for nothing but the buffer. */
static bool settle_requests(struct connection *c)
{
	bool waiting = false;

	for (struct request **link = &c->requests; *link;) {
		switch (request_settle(*link)) {
		case REQUEST_ENDED:
			end_request(c, link);
			break;
		case REQUEST_CUT:
			c->state = BROKEN;
			return false;
		default:
			waiting |= request_waits_for_buffer(*link);
			link = &(*link)->next;
		}
	}
	return waiting;
}

/*
 * A client that still sends when we close would get a reset, and lose what it
 * has not read yet: so unless it has sent all, our side is closed first, and its
 * own is read for a while.
 */
static void finish(struct connection *c)
{
	c->state = !c->may_send || shutdown(c->socket.fd, SHUT_WR) < 0 ? BROKEN : LINGERING;
	c->linger_end = loop_now() + settings->client_timeout;
}

static enum awaited find_awaited(const struct connection *c)
{
	if (c->state == LINGERING)
		return CLIENT_CLOSES;
	if (!buffer_is_empty(&c->out))
		return CLIENT_READS;
	/* A request has its own eye on what its client owes to it. */
	if (c->requests)
		return NOTHING;
	return record_is_between(&c->reader) ? CLIENT_RETURNS : CLIENT_SENDS;
}

static long patience_for(enum awaited awaited)
{
	switch (awaited) {
	case CLIENT_READS:
		return settings->silence_timeout;
	case CLIENT_SENDS:
		return ending ? LAST_CHANCE : settings->client_timeout;
	case CLIENT_RETURNS:
		return ending ? LAST_CHANCE : settings->idle_timeout;
	case CLIENT_CLOSES:
		return LINGER;
	default:
		return 0;
	}
}

/* Something happened in a connection. What follows from it is done when all is
 * known that happened in this turn of the loop. */
static void stir(struct connection *c)
{
	if (c->stirred)
		return;
	c->stirred = true;
	c->next_stirred = stirred;
	stirred = c;
}

static void on_patience_end(struct deadline *d)
{
	struct connection *c = LOOP_OWNER(d, struct connection, patience);

	if (c->awaited == CLIENT_READS)
		report("a client read nothing of its answer for %g s (--silence-timeout); "
		       "closing the connection", (double)settings->silence_timeout / 1000);
	c->state = BROKEN;
	stir(c);
}

static void derive_patience(struct connection *c)
{
	enum awaited awaited = find_awaited(c);
	long patience = patience_for(awaited);

	if (patience == 0)
		deadline_clear(&c->patience);
	else if (awaited != c->awaited || c->moved || !c->patience.lane)
		deadline_set(&c->patience, patience, on_patience_end);
	c->awaited = awaited;
	c->moved = false;
}

/* The client is always read, so that it cannot wait for us while we wait for it.
 * But one that asks and does not listen is not; and one that sends faster than
 * its only program reads waits for a moment. */
static bool may_read(const struct connection *c)
{
	if (buffer_room(&c->out) < REQUEST_RESERVE)
		return false;
	return !(c->request_count == 1 && request_holds_back(c->requests));
}

static void derive(struct connection *c)
{
	loop_want(&c->socket, (may_read(c) ? LOOP_READ : 0u) |
				      (buffer_is_empty(&c->out) ? 0u : LOOP_WRITE));
	for (struct request *r = c->requests; r; r = r->next)
		request_want(r);
	derive_patience(c);
}

static bool flush(struct connection *c)
{
	size_t before = buffer_room(&c->out);
	bool fine = buffer_flush(&c->out, c->socket.fd);

	c->moved |= buffer_room(&c->out) != before;
	return fine;
}

static void settle(struct connection *c)
{
	bool waiting = true;

	while (waiting && c->state != BROKEN) {
		waiting = settle_requests(c);
		if (c->state == BROKEN)
			break;
		if (!flush(c))
			c->state = BROKEN;
		waiting &= buffer_is_empty(&c->out);
	}
	if (c->state == FINISHING && !c->requests && buffer_is_empty(&c->out))
		finish(c);
	if (c->state == BROKEN)
		connection_free(c);
	else
		derive(c);
}

bool connection_settle_all(void)
{
	bool any = stirred;

	while (stirred) {
		struct connection *c = stirred;

		stirred = c->next_stirred;
		c->stirred = false;
		settle(c);
	}
	return any;
}

static void on_request_changed(void *owner)
{
	stir(owner);
}

/* Records from the client. Each function is false if the connection is to end. */

static struct request *find_request(const struct connection *c, uint16_t id)
{
	struct request *r = c->requests;

	while (r && r->id != id)
		r = r->next;
	return r;
}

/* What one read brings can ask for more than there is room for. */
static bool answer(struct connection *c, const unsigned char *bytes, size_t size)
{
	unsigned char *tail;

	if (buffer_room(&c->out) < size && !flush(c))
		return false;
	tail = buffer_room(&c->out) < size ? NULL : buffer_tail(&c->out);
	if (!tail)
		return false;
	memcpy(tail, bytes, size);
	buffer_grow(&c->out, size);
	return true;
}

static bool answer_unknown_role(struct connection *c, uint16_t id)
{
	unsigned char end[RECORD_HEADER_SIZE + RECORD_BODY_SIZE];

	record_put_end(end, id, 0, FCGI_UNKNOWN_ROLE);
	return answer(c, end, sizeof end);
}

/* FastCGI 1.0, section 5.1. */
static bool begin_request(struct connection *c)
{
	const unsigned char *b = c->begin;
	uint8_t role = b[0] == 0 ? b[1] : 0;
	bool keep = b[2] & FCGI_KEEP_CONN;
	struct request **link = &c->requests;
	struct request *r;

	if (c->state != SERVING)
		return true;
	c->asked = true;
	if (role != FCGI_RESPONDER && role != FCGI_AUTHORIZER) {
		c->may_send = true;
		if (!keep)
			c->state = FINISHING;
		return answer_unknown_role(c, c->reader.record.id);
	}
	r = request_new(c->reader.record.id, role, keep, &c->out, &c->party, on_request_changed, c);
	if (!r)
		return false;
	if (c->request_count >= REQUEST_MOST)
		request_refuse(r);
	/* Behind the others: they are dealt with in the order in which they came. */
	while (*link)
		link = &(*link)->next;
	*link = r;
	c->request_count++;
	return true;
}

static size_t put_number(unsigned char *out, const char *name, size_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%zu", number);
	return params_put(out, name, text);
}

/* FastCGI 1.0, section 4.1: what we know is answered, other names are left out. */
static bool answer_values(struct connection *c)
{
	const struct {
		const char *name;
		size_t value;
	} known[] = {
		{ "FCGI_MAX_CONNS", connections_most },
		{ "FCGI_MAX_REQS", places_most(PLACE_RUNNING) + places_most(PLACE_WAITING) },
		{ "FCGI_MPXS_CONNS", 1 },
	};
	const unsigned char *at = c->values, *name, *value;
	size_t left = c->values_size, name_length, value_length;
	unsigned char result[ANSWER_MOST];
	size_t size = RECORD_HEADER_SIZE;
	bool said[sizeof known / sizeof *known] = { false };

	while (at && params_next(&at, &left, &name, &name_length, &value, &value_length))
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			if (!said[i] && name_length == strlen(known[i].name) &&
			    memcmp(name, known[i].name, name_length) == 0) {
				said[i] = true;
				size += put_number(result + size, known[i].name, known[i].value);
			}
	record_put_header(result, FCGI_GET_VALUES_RESULT, 0, size - RECORD_HEADER_SIZE);
	free(c->values);
	c->values = NULL;
	c->values_size = 0;
	return answer(c, result, size);
}

static bool answer_unknown_type(struct connection *c)
{
	unsigned char unknown[RECORD_HEADER_SIZE + RECORD_BODY_SIZE];

	record_put_unknown_type(unknown, c->reader.record.type);
	return answer(c, unknown, sizeof unknown);
}

static bool keep_values(struct connection *c, const unsigned char *bytes, size_t size)
{
	if (!c->values && !(c->values = malloc(VALUES_MOST)))
		return false;
	if (size > VALUES_MOST - c->values_size)
		size = VALUES_MOST - c->values_size;
	memcpy(c->values + c->values_size, bytes, size);
	c->values_size += size;
	return true;
}

static bool tell(struct connection *c, enum request_event event, const unsigned char *bytes,
		 size_t size)
{
	/* Records of an id that is not active are ignored (section 3.3): a client
	 * may not know yet that its request has ended. */
	struct request *r = find_request(c, c->reader.record.id);

	if (!r || request_tell(r, event, bytes, size))
		return true;
	report("a client sent a part of request %u out of turn (record type %u); closing the "
	       "connection", r->id, c->reader.record.type);
	return false;
}

/* A record begins: what would be wrong whatever its content. */
static bool check_record(struct connection *c)
{
	const struct record *record = &c->reader.record;

	if (record->version != RECORD_VERSION) {
		report("a client does not speak FastCGI 1 (its first byte is 0x%02x); closing the "
		       "connection", record->version);
		return false;
	}
	if (record->type != FCGI_BEGIN_REQUEST || record->id == 0)
		return true;
	c->begin_have = 0;
	if (record->content_length == RECORD_BODY_SIZE && !find_request(c, record->id))
		return true;
	report("a client began request %u %s; closing the connection", record->id,
	       record->content_length == RECORD_BODY_SIZE ? "twice" : "with a wrong length");
	return false;
}

static bool take_content(struct connection *c, const unsigned char *bytes, size_t size)
{
	const struct record *record = &c->reader.record;

	if (record->id == 0)
		return record->type != FCGI_GET_VALUES || keep_values(c, bytes, size);
	switch (record->type) {
	case FCGI_BEGIN_REQUEST:
		memcpy(c->begin + c->begin_have, bytes, size);
		c->begin_have += size;
		return true;
	case FCGI_PARAMS:
		return tell(c, REQUEST_GETS_PARAMS, bytes, size);
	case FCGI_STDIN:
		return tell(c, REQUEST_GETS_STDIN, bytes, size);
	default:
		return true;
	}
}

static bool end_record(struct connection *c)
{
	const struct record *record = &c->reader.record;

	if (record->id == 0)
		return record->type == FCGI_GET_VALUES ? answer_values(c)
						       : answer_unknown_type(c);
	switch (record->type) {
	case FCGI_BEGIN_REQUEST:
		return begin_request(c);
	case FCGI_ABORT_REQUEST:
		return tell(c, REQUEST_ABORT, NULL, 0);
	case FCGI_PARAMS:
		return record->content_length || tell(c, REQUEST_ENDS_PARAMS, NULL, 0);
	case FCGI_STDIN:
		return record->content_length || tell(c, REQUEST_ENDS_STDIN, NULL, 0);
	default:
		return true;
	}
}

static bool take_input(struct connection *c, const unsigned char *bytes, size_t size)
{
	const unsigned char *content;
	size_t length;

	for (;;) {
		bool fine = true;

		switch (record_read(&c->reader, &bytes, &size, &content, &length)) {
		case RECORD_NOTHING:
			return true;
		case RECORD_BEGIN:
			fine = check_record(c);
			break;
		case RECORD_CONTENT:
			fine = take_content(c, content, length);
			break;
		case RECORD_END:
			fine = end_record(c);
			break;
		}
		if (!fine)
			return false;
	}
}

/* What to do with what read(2) or its like has returned: false if no more is to be
 * read now. */
static bool take_result(struct connection *c, ssize_t n, size_t in_buffer)
{
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	c->moved = true;
	/* The end of the connection is the end of all its requests. */
	if (n <= 0 || (c->state == LINGERING ? loop_now() > c->linger_end
					     : !take_input(c, in, in_buffer)))
		c->state = BROKEN;
	return c->state != BROKEN;
}

/* The request whose body can go to its program without being read, or NULL. */
static struct request *find_uploading(const struct connection *c)
{
	return c->request_count == 1 && request_can_move(c->requests) ? c->requests : NULL;
}

static bool read_some(struct connection *c, size_t most)
{
	ssize_t n = read(c->socket.fd, in, most < sizeof in ? most : sizeof in);

	return take_result(c, n, n > 0 ? (size_t)n : 0);
}

/* The content of a record is moved on; what is between two is read. */
static bool move_some(struct connection *c, struct request *r)
{
	const struct record *record = &c->reader.record;
	size_t left = record_content_left(&c->reader);
	ssize_t n;

	if (left == 0 || record->type != FCGI_STDIN || record->id != r->id ||
	    record->content_length < BULK_LEAST)
		return read_some(c, record_until_next(&c->reader));
	n = request_move_stdin(r, c->socket.fd, left);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return read_some(c, sizeof in);
	if (n > 0)
		record_skip_content(&c->reader, (size_t)n);
	return take_result(c, n, 0);
}

static void read_socket(struct connection *c)
{
	struct request *r = find_uploading(c);

	for (int steps = 0; r && steps < STEPS_MOST; steps++) {
		if (!move_some(c, r))
			return;
		r = find_uploading(c);
	}
	if (!r)
		read_some(c, sizeof in);
}

static void on_ready(struct watch *watch, unsigned events)
{
	struct connection *c = LOOP_OWNER(watch, struct connection, socket);

	if (events & LOOP_READ)
		read_socket(c);
	stir(c);
}

bool connection_new(int fd)
{
	struct connection *c = calloc(1, sizeof *c);

	if (!c || !loop_watch(&c->socket, fd, LOOP_READ, on_ready)) {
		int saved = errno;

		close(fd);
		free(c);
		errno = saved;
		return false;
	}
	c->next = connections;
	if (connections)
		connections->prev = c;
	connections = c;
	count++;
	/* Its first request is usually there already. */
	on_ready(&c->socket, LOOP_READ);
	return true;
}

void connection_finish_all(void)
{
	ending = true;
	for (struct connection *c = connections; c; c = c->next) {
		/* What was accepted only just is about to ask: it is served, too. */
		if (c->state == SERVING && c->asked)
			c->state = c->requests || !buffer_is_empty(&c->out) ? FINISHING : BROKEN;
		c->moved = true;
		stir(c);
	}
}

void connection_close_all(void)
{
	stirred = NULL;
	while (connections)
		connection_free(connections);
}
