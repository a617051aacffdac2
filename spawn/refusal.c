#include <config.h>

#include "refusal.h"

#include "loop.h"
#include "record.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IN_SIZE = 16 * 1024,
	READS_MOST = 4, /* in one turn */
	OUT_SIZE = 512,
	RECORDS_MOST = 16, /* up to FCGI_BEGIN_REQUEST */
	/* milliseconds */
	ASK_MOST = 2000,   /* for a client to send a request and take the answer */
	LINGER = 2000,     /* for an answered client to send more, or to close */
	LINGER_MOST = 30000
};

enum state { FREE, ASKED, ANSWERED };

struct refusal {
	enum state state;
	struct watch socket;
	struct deadline timer;
	int64_t linger_end; /* by loop_now() */
	struct record_reader reader;
	unsigned char begin[RECORD_BODY_SIZE];
	size_t begin_have;
	unsigned records;
	unsigned char out[OUT_SIZE];
	size_t out_size, out_sent;
};

static const char answer[] =
	"Status: 503 Service Unavailable\r\n"
	"Retry-After: 5\r\n"
	"Content-Type: text/plain\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"\r\n"
	"503 Service Unavailable\r\n"
	"Too many requests wait already.\r\n";

static struct refusal all[REFUSALS_MOST];
static size_t count;

/* Input is used up at once, so one buffer serves all connections. */
static unsigned char in[IN_SIZE];

static void end(struct refusal *r)
{
	deadline_clear(&r->timer);
	loop_close(&r->socket);
	r->state = FREE;
	count--;
}

static void on_time(struct deadline *d)
{
	end(LOOP_OWNER(d, struct refusal, timer));
}

/* Output. There is room for all answers that RECORDS_MOST records can ask for. */

static unsigned char *make_room(struct refusal *r, size_t size)
{
	unsigned char *at = r->out + r->out_size;

	r->out_size += size;
	return at;
}

static void put_record(struct refusal *r, enum record_type type, uint16_t id, const char *text,
		       size_t size)
{
	record_put_header(make_room(r, RECORD_HEADER_SIZE), type, id, size);
	if (size > 0)
		memcpy(make_room(r, size), text, size);
}

_Static_assert(sizeof answer + 2 * RECORD_HEADER_SIZE + (RECORD_HEADER_SIZE + RECORD_BODY_SIZE) *
	       (RECORDS_MOST / 2 + 1) <= OUT_SIZE, "room for the answers");

static void put_answer(struct refusal *r)
{
	unsigned role = (unsigned)r->begin[0] << 8 | r->begin[1];
	uint16_t id = r->reader.record.id;

	if (role == FCGI_RESPONDER) {
		put_record(r, FCGI_STDOUT, id, answer, sizeof answer - 1);
		put_record(r, FCGI_STDOUT, id, NULL, 0);
	}
	record_put_end(make_room(r, RECORD_HEADER_SIZE + RECORD_BODY_SIZE), id, 0,
		       role == FCGI_RESPONDER ? FCGI_REQUEST_COMPLETE : FCGI_UNKNOWN_ROLE);
	r->state = ANSWERED;
}

/* Answers a management record (id 0): no values, no other type known. */
static void put_management(struct refusal *r)
{
	uint8_t type = r->reader.record.type;

	if (type == FCGI_GET_VALUES)
		put_record(r, FCGI_GET_VALUES_RESULT, 0, NULL, 0);
	else
		record_put_unknown_type(make_room(r, RECORD_HEADER_SIZE + RECORD_BODY_SIZE), type);
}

/*
 * A close while the client still sends would cause a reset, and the client lose the unread
 * answer: so shut down our side first, and read on for a while. False: the connection is of
 * no more use.
 */
static bool flush(struct refusal *r)
{
	while (r->out_sent < r->out_size) {
		ssize_t n = send(r->socket.fd, r->out + r->out_sent, r->out_size - r->out_sent,
				 MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
		r->out_sent += (size_t)n;
	}
	if (r->state != ANSWERED || r->linger_end)
		return true;
	r->linger_end = loop_now() + LINGER_MOST;
	deadline_set(&r->timer, LINGER, on_time);
	return shutdown(r->socket.fd, SHUT_WR) == 0;
}

/* Input. */

static void take_content(struct refusal *r, const unsigned char *content, size_t length)
{
	size_t room = sizeof r->begin - r->begin_have;

	if (r->reader.record.type != FCGI_BEGIN_REQUEST)
		return;
	if (length > room)
		length = room;
	memcpy(r->begin + r->begin_have, content, length);
	r->begin_have += length;
}

/* Records of a request that has not begun are ignored (FastCGI 1.0, section 3.3). */
static bool end_record(struct refusal *r)
{
	const struct record *record = &r->reader.record;

	if (record->id == 0) {
		if (r->records > RECORDS_MOST / 2)
			return false;
		put_management(r);
	} else if (record->type == FCGI_BEGIN_REQUEST) {
		if (r->begin_have < sizeof r->begin)
			return false;
		put_answer(r);
	}
	return true;
}

static bool begin_record(struct refusal *r)
{
	r->begin_have = 0;
	return r->reader.record.version == RECORD_VERSION && ++r->records <= RECORDS_MOST;
}

/* False if the bytes are not FastCGI. */
static bool take(struct refusal *r, const unsigned char *bytes, size_t size)
{
	const unsigned char *content;
	size_t length;
	bool fine = true;

	while (fine && r->state == ASKED) {
		switch (record_read(&r->reader, &bytes, &size, &content, &length)) {
		case RECORD_NOTHING:
			return true;
		case RECORD_BEGIN:
			fine = begin_record(r);
			break;
		case RECORD_CONTENT:
			take_content(r, content, length);
			break;
		case RECORD_END:
			fine = end_record(r);
			break;
		}
	}
	return fine;
}

/* False when the connection is to be closed. */
static bool read_some(struct refusal *r)
{
	for (int i = 0; i < READS_MOST; i++) {
		ssize_t n = read(r->socket.fd, in, sizeof in);

		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
		if (n == 0 || !take(r, in, (size_t)n))
			return false;
		if (r->state == ANSWERED && !r->linger_end)
			return true; /* send the answer first */
		if (r->linger_end && loop_now() >= r->linger_end)
			return false;
		if (r->linger_end)
			deadline_set(&r->timer, LINGER, on_time);
	}
	return true;
}

static void on_client_ready(struct watch *watch, unsigned events)
{
	struct refusal *r = LOOP_OWNER(watch, struct refusal, socket);

	if ((events & LOOP_READ && !read_some(r)) || !flush(r))
		end(r);
	else
		loop_want(watch, LOOP_READ | (r->out_sent < r->out_size ? LOOP_WRITE : 0u));
}

size_t refusal_room(void)
{
	return REFUSALS_MOST - count;
}

size_t refusal_count(void)
{
	return count;
}

bool refusal_begin(int fd)
{
	struct refusal *r = all;
	int error;

	while (r->state != FREE)
		r++;
	*r = (struct refusal){ .state = ASKED };
	if (!loop_watch(&r->socket, fd, LOOP_READ, on_client_ready)) {
		error = errno;
		close(fd);
		r->state = FREE;
		errno = error;
		return false;
	}
	count++;
	deadline_set(&r->timer, ASK_MOST, on_time);
	on_client_ready(&r->socket, LOOP_READ);
	return true;
}

void refusal_end_all(void)
{
	for (struct refusal *r = all; r < all + REFUSALS_MOST; r++)
		if (r->state != FREE)
			end(r);
}
