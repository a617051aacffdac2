#include <config.h>

#include "connection.h"

#include "buffer.h"
#include "loop.h"
#include "os.h"
#include "params.h"
#include "record.h"
#include "report.h"
#include "request.h"
#include "slots.h"
#include "splice.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	IN_SIZE = 64 * 1024,
	VALUES_MOST = 1024,  /* bytes of FCGI_GET_VALUES to look at */
	ANSWER_MOST = 256,
	STEPS_MOST = 8, /* of splicing a body, in one turn */
	/* milliseconds */
	LAST_CHANCE = 1000, /* for a first request, while the worker ends */
	LINGER = 5000 /* without input while LINGERING; in all, client_timeout */
};

enum connection_state {
	SERVING,
	FINISHING, /* no new requests; ends after the present ones */
	LINGERING, /* our side is shut down; input is read and discarded */
	BROKEN
};

/* Event to wait for; selects the time-out. */
enum awaited { NOTHING, CLIENT_READS, CLIENT_SENDS, CLIENT_RETURNS, CLIENT_CLOSES };

struct connection {
	struct connection *next, *prev;
	struct connection *next_dirty;
	bool is_dirty;
	struct client client;
	struct watch socket;
	enum connection_state state;
	enum awaited awaited;
	bool active;   /* bytes moved, or input ended, in the present turn */
	bool asked;    /* the client has made a request */
	bool may_send; /* the client may still send: linger before closing */
	bool input_ended; /* the client has closed its side, but may still read */
	bool hung_up;     /* LOOP_HANGUP has come; bytes may be left to read */
	struct deadline timer;
	struct record_reader reader;
	unsigned char begin[RECORD_BODY_SIZE];
	size_t begin_have;
	unsigned char *values; /* content of FCGI_GET_VALUES */
	size_t values_size;
	struct request *requests;
	size_t request_count;
	long unsent;        /* os_unsent() at the last look; -1: none since bytes were sent */
	int64_t unsent_at;  /* by loop_now() */
	bool unsent_fell;
	int64_t linger_end; /* by loop_now() */
};

/* Limits lines about clients with protocol errors. */
static struct report_rate mistakes;

/* Buffer of all connections: the bytes of each read are used up at once. */
static unsigned char in[IN_SIZE];

static const struct settings *settings_for(const struct connection *c)
{
	return c->client.service->settings;
}

static struct connection *connection_of(struct client *client)
{
	return LOOP_OWNER(client, struct connection, client);
}

/* Frees a connection and its requests, which get REQUEST_CLIENT_GONE first. */
static void connection_free(struct connection *c)
{
	struct service *service = c->client.service;

	while (c->requests) {
		struct request *r = c->requests;

		c->requests = r->next;
		request_tell(r, REQUEST_CLIENT_GONE, NULL, 0);
		request_free(r);
	}
	*(c->prev ? &c->prev->next : &service->connections) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	deadline_clear(&c->timer);
	loop_close(&c->socket);
	buffer_free(&c->client.out);
	free(c->values);
	free(c);
	service->count--;
	service->freed(service);
}

/* Update: act first; derive interest and timers last. */

static void end_request(struct connection *c, struct request **link)
{
	struct request *r = *link;

	*link = r->next;
	c->request_count--;
	c->may_send |= !c->input_ended && (r->keep_connection || !r->stdin_ended);
	/* FastCGI 1.0, section 5.1. */
	if ((!r->keep_connection || c->client.service->ending) && c->state == SERVING)
		c->state = FINISHING;
	request_free(r);
}

static bool flush(struct connection *c)
{
	size_t moved = 0;
	bool fine = buffer_flush(&c->client.out, c->socket.fd, &moved);

	/* Other errors come from the script's pipe. */
	if (!fine && c->requests && errno != EPIPE && errno != ECONNRESET && errno != ETIMEDOUT)
		request_log_say(&c->requests->log, NULL, "its response cannot be passed on: %s",
				strerror(errno));
	if (moved == 0)
		return fine;
	c->active = true;
	c->unsent = -1;
	for (struct request *r = c->requests; r; r = r->next)
		request_touch(r);
	return fine;
}

/* Ends a request whose response is cut off. Beside other requests it is ended by a failed
 * FCGI_END_REQUEST; alone, by closing the connection after the output so far. False, with the
 * connection BROKEN, if the record cannot be sent, or a gap is left in the output. */
static bool cut_request(struct connection *c, struct request **link)
{
	if (c->request_count > 1 ? !request_put_failed_end(*link)
				 : buffer_has_gap(&c->client.out)) {
		flush(c); /* as much as the socket takes at once */
		c->state = BROKEN;
		return false;
	}
	c->state = FINISHING;
	end_request(c, link);
	return true;
}

/* True if a request waits for nothing but the buffer. */
static bool update_requests(struct connection *c)
{
	bool waiting = false;

	for (struct request **link = &c->requests; *link;) {
		switch (request_update(*link)) {
		case REQUEST_ENDED:
			end_request(c, link);
			break;
		case REQUEST_CUT:
			if (!cut_request(c, link))
				return false;
			break;
		default:
			waiting |= request_waits_for_buffer(*link);
			link = &(*link)->next;
		}
	}
	return waiting;
}

/*
 * Closing while the client still sends would cause a reset, and the client would lose
 * unread output. So shut down our side first and read input for a while, unless the
 * client has sent all.
 */
static void finish(struct connection *c)
{
	c->state = !c->may_send || !os_shutdown(c->socket.fd) ? BROKEN : LINGERING;
	c->linger_end = loop_now() + settings_for(c)->client_timeout;
}

static enum awaited find_awaited(const struct connection *c)
{
	if (c->state == LINGERING)
		return CLIENT_CLOSES;
	if (!buffer_is_empty(&c->client.out))
		return CLIENT_READS;
	/* Requests have a timer of their own (TIMER_CLIENT) for input that is due. */
	if (c->requests)
		return NOTHING;
	return record_is_between(&c->reader) ? CLIENT_RETURNS : CLIENT_SENDS;
}

static int64_t timeout_for(const struct connection *c, enum awaited awaited)
{
	bool ending = c->client.service->ending;

	switch (awaited) {
	case CLIENT_READS:
		return settings_for(c)->silence_timeout;
	case CLIENT_SENDS:
		return ending ? LAST_CHANCE : settings_for(c)->client_timeout;
	case CLIENT_RETURNS:
		return ending ? LAST_CHANCE : settings_for(c)->idle_timeout;
	case CLIENT_CLOSES:
		return LINGER;
	default:
		return 0;
	}
}

/* Puts a connection into the list for the end of the turn, when all events of the turn are
 * known. */
static void mark_dirty(struct connection *c)
{
	struct service *service = c->client.service;

	if (c->is_dirty)
		return;
	c->is_dirty = true;
	c->next_dirty = service->dirty;
	service->dirty = c;
}

/* True if the client has read bytes since the last look. A full socket becomes writable only
 * after much of its send queue has been read, so os_unsent() is compared before the client
 * counts as silent. The first look has nothing to compare with, and counts as progress. */
static bool client_has_read(struct client *client)
{
	struct connection *c = connection_of(client);
	long before = c->unsent;

	/* Several timers may ask in the same turn. */
	if (before >= 0 && c->unsent_at == loop_now())
		return c->unsent_fell;
	c->unsent = os_unsent(c->socket.fd);
	c->unsent_at = loop_now();
	c->unsent_fell = c->unsent > 0 && (before < 0 || c->unsent < before);
	return c->unsent_fell;
}

static void on_connection_time(struct deadline *d)
{
	struct connection *c = LOOP_OWNER(d, struct connection, timer);

	mark_dirty(c);
	if (c->active)
		return;
	if (c->awaited == CLIENT_READS) {
		if (client_has_read(&c->client))
			return;
		report(REPORT_WARNING "a client read nothing of its response for %g s (--silence-timeout); "
		       "closing the connection", (double)settings_for(c)->silence_timeout / 1000);
	}
	c->state = BROKEN;
}

static void derive_timer(struct connection *c)
{
	enum awaited awaited = find_awaited(c);
	int64_t timeout = timeout_for(c, awaited);

	if (timeout == 0)
		deadline_clear(&c->timer);
	else if (awaited != c->awaited || c->active || !deadline_is_set(&c->timer))
		deadline_set(&c->timer, timeout, on_connection_time);
	c->awaited = awaited;
	c->active = false;
}

/* True if the client sends faster than the only script reads, and has to wait. */
static bool is_held_back(const struct connection *c)
{
	return c->request_count == 1 && request_holds_back(c->requests);
}

/* Read the client at all times, or client and worker could wait for each other. Exceptions: a
 * client that does not read its responses, and a client that is held back. */
static bool may_read(const struct connection *c)
{
	if (c->input_ended)
		return false;
	if (c->hung_up)
		return true;
	if (buffer_space(&c->client.out) < RESPONSE_RESERVE)
		return false;
	return !is_held_back(c);
}

static void derive(struct connection *c)
{
	loop_want(&c->socket, (may_read(c) ? LOOP_READ : LOOP_HANGUP) |
				      (buffer_is_empty(&c->client.out) ? 0u : LOOP_WRITE));
	for (struct request *r = c->requests; r; r = r->next)
		request_derive(r);
	derive_timer(c);
}

/* Drops requests with input still missing, after the end of input. */
static void drop_unfinished(struct connection *c)
{
	for (struct request **link = &c->requests; *link;) {
		struct request *r = *link;

		if (request_is_received(r)) {
			link = &r->next;
			continue;
		}
		*link = r->next;
		c->request_count--;
		request_tell(r, REQUEST_CLIENT_GONE, NULL, 0);
		request_free(r);
	}
	if (c->state == SERVING)
		c->state = FINISHING;
}

static void update(struct connection *c)
{
	bool waiting = true;

	if (c->input_ended && c->state != BROKEN)
		drop_unfinished(c);
	while (waiting && c->state != BROKEN) {
		waiting = update_requests(c);
		if (c->state == BROKEN)
			break;
		if (!flush(c))
			c->state = BROKEN;
		waiting &= buffer_is_empty(&c->client.out);
	}
	if (c->state == FINISHING && !c->requests && buffer_is_empty(&c->client.out))
		finish(c);
	if (c->state == BROKEN)
		connection_free(c);
	else
		derive(c);
}

bool connection_update_all(struct service *service)
{
	bool any = service->dirty;

	while (service->dirty) {
		struct connection *c = service->dirty;

		service->dirty = c->next_dirty;
		c->is_dirty = false;
		update(c);
	}
	return any;
}

static void on_request_changed(struct client *client)
{
	mark_dirty(connection_of(client));
}

/* Records from the client. Each bool function returns false if the connection is to end. */

static struct request *find_request(const struct connection *c, uint16_t id)
{
	struct request *r = c->requests;

	while (r && r->id != id)
		r = r->next;
	return r;
}

/* Flush first: records of a single read may ask for more answers than fit. */
static bool answer(struct connection *c, const unsigned char *bytes, size_t size)
{
	unsigned char *tail;

	if (buffer_space(&c->client.out) < size && !flush(c))
		return false;
	tail = buffer_space(&c->client.out) < size ? NULL : buffer_tail(&c->client.out);
	if (!tail)
		return false;
	memcpy(tail, bytes, size);
	buffer_grow(&c->client.out, size);
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
	r = request_new(&c->client, c->reader.record.id, role, keep);
	if (!r)
		return false;
	request_refuse_beyond(r, c->request_count);
	/* Append: requests are updated in order of arrival. */
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

/* FastCGI 1.0, section 4.1: answers known names, leaves out others. */
static bool answer_values(struct connection *c)
{
	const struct {
		const char *name;
		size_t value;
	} known[] = {
		{ "FCGI_MAX_CONNS", c->client.service->connections_most },
		{ "FCGI_MAX_REQS", slots_most(SLOT_RUNNING) + slots_most(SLOT_WAITING) },
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
	/* FastCGI 1.0, section 3.3: ignore records of an inactive id. The client may not know
	 * yet that the request has ended. */
	struct request *r = find_request(c, c->reader.record.id);

	if (!r || request_tell(r, event, bytes, size))
		return true;
	report_often(&mistakes, loop_now(), "unexpected %s for request %u; closing the connection",
			    record_type_name(c->reader.record.type), r->id);
	return false;
}

/* Checks a record header, before any content. */
static bool check_record(struct connection *c)
{
	const struct record *record = &c->reader.record;

	if (record->version != RECORD_VERSION) {
		report_often(&mistakes, loop_now(), "a client does not speak FastCGI 1 (its first byte is 0x%02x); "
				    "closing the connection", record->version);
		return false;
	}
	if (record->type != FCGI_BEGIN_REQUEST || record->id == 0)
		return true;
	c->begin_have = 0;
	if (record->content_length == RECORD_BODY_SIZE && !find_request(c, record->id))
		return true;
	report_often(&mistakes, loop_now(), "%s FCGI_BEGIN_REQUEST for request %u; closing the connection",
			    record->content_length == RECORD_BODY_SIZE ? "second" : "malformed",
			    record->id);
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

/* Handles the end of input. On a Unix socket poll(2) shows if the client is still there to
 * read; on a TCP socket nothing does, so --on-abort decides if there are requests. */
static void end_input(struct connection *c)
{
	const struct service *service = c->client.service;
	bool gone = service->tcp ? c->requests && service->settings->on_abort == ON_ABORT_KILL
				 : os_poll(c->socket.fd, 0) & (POLLHUP | POLLERR);

	c->input_ended = true;
	c->may_send = false;
	if (gone || c->state == LINGERING || !record_is_between(&c->reader))
		c->state = BROKEN;
}

/* Handles a result of read(2) or splice(2). False if no more is to be read now. */
static bool take_result(struct connection *c, ssize_t n, size_t in_buffer)
{
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	c->active = true;
	if (n == 0)
		end_input(c);
	else if (n < 0 || (c->state == LINGERING ? loop_now() > c->linger_end
						 : !take_input(c, in, in_buffer)))
		c->state = BROKEN;
	return n > 0 && c->state != BROKEN;
}

/* Returns the request whose body can be spliced to the script, or NULL. */
static struct request *find_uploading(const struct connection *c)
{
	return c->request_count == 1 && request_can_splice(c->requests) ? c->requests : NULL;
}

static bool read_some(struct connection *c, size_t most)
{
	ssize_t n = os_read(c->socket.fd, in, most < sizeof in ? most : sizeof in);

	return take_result(c, n, n > 0 ? (size_t)n : 0);
}

/* Splices content of large FCGI_STDIN records; reads all other bytes. */
static bool splice_some(struct connection *c, struct request *r)
{
	const struct record *record = &c->reader.record;
	size_t left = record_content_left(&c->reader);
	ssize_t n;

	if (left == 0 || record->type != FCGI_STDIN || record->id != r->id ||
	    record->content_length < SPLICE_LEAST)
		return read_some(c, record_until_next(&c->reader));
	n = request_splice_stdin(r, c->socket.fd, left);
	if (n < 0 && errno != EAGAIN)
		return read_some(c, sizeof in);
	if (n > 0)
		record_skip_content(&c->reader, (size_t)n);
	return take_result(c, n, 0);
}

static void read_socket(struct connection *c)
{
	struct request *r = find_uploading(c);

	for (int steps = 0; r && steps < STEPS_MOST; steps++) {
		if (!splice_some(c, r))
			return;
		r = find_uploading(c);
	}
	if (!r)
		read_some(c, sizeof in);
}

static void on_ready(struct watch *watch, unsigned events)
{
	struct connection *c = LOOP_OWNER(watch, struct connection, socket);

	if (events & LOOP_HANGUP) {
		c->hung_up = true;
		if (c->input_ended)
			c->state = BROKEN;
	}
	if (!c->input_ended && (events & LOOP_READ || c->hung_up))
		read_socket(c);
	mark_dirty(c);
}

bool connection_new(struct service *service, int fd)
{
	struct connection *c = calloc(1, sizeof *c);

	if (!c || !loop_watch(&c->socket, fd, LOOP_READ, on_ready)) {
		int saved = errno;

		os_close(fd);
		free(c);
		errno = saved;
		return false;
	}
	c->client.service = service;
	c->client.key = ++service->last_key;
	c->client.changed = on_request_changed;
	c->client.has_read = client_has_read;
	c->unsent = -1;
	c->next = service->connections;
	if (c->next)
		c->next->prev = c;
	service->connections = c;
	service->count++;
	/* The first request is usually there already. */
	on_ready(&c->socket, LOOP_READ);
	return true;
}

void connection_finish_all(struct service *service)
{
	service->ending = true;
	for (struct connection *c = service->connections; c; c = c->next) {
		/* The next request may be here already. */
		if (c->state == SERVING && c->asked && !c->input_ended && !is_held_back(c))
			read_socket(c);
		/* A new client is about to send its first request: serve that, too. */
		if (c->state == SERVING && c->asked)
			c->state = c->requests || !buffer_is_empty(&c->client.out) ? FINISHING
										   : BROKEN;
		c->active = true;
		mark_dirty(c);
	}
}

void connection_close_all(struct service *service)
{
	service->dirty = NULL;
	while (service->connections)
		connection_free(service->connections);
}
