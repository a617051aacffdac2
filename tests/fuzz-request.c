/*
 * The life of a connection, in a world of its own: requests, scripts, starts and the clock in
 * whatever order.
 *
 * In a calm round everybody keeps to the rules and has patience, however the pieces are cut: then
 * each response is due. In a wild one clients lie and leave, the system refuses, and time passes:
 * then a response may fail, but is never wrong, and nothing may be left behind.
 */
#include <config.h>

#include "fuzz.h"
#include "params.h"
#include "record.h"
#include "world.h"

#include "../wrapper/connection.h"
#include "../wrapper/process.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

enum {
	ASKED_MOST = 8, /* requests on a connection */
	IDS = 5,
	EVENTS_MOST = 50,
	PERIOD = 65521, /* of the bytes of bodies */
	PIECE_MOST = 70000,
	LONG_LINES = 3000,
	PARAMS_ROOM = 512,
	STDERR_MOST = 200,
	CLIENTS = 3,
	SCRIPTS = 2,
	STAGES = 5 /* of a request, as put_next() takes them */
};

/* A header block as a script writes it, and as a client gets it. */
struct head {
	const char *written, *sent;
	int64_t length; /* of the body as it says, or -1; 0 also if there can be none */
	bool fails;     /* it is none */
};

static struct head heads[] = {
	{ "X-Kind: 1\n\n", "X-Kind: 1\r\n\r\n", -1, false },
	{ "X-Kind: 2\r\nX-More: a\r\n b\r\n\r\n", "X-Kind: 2\r\nX-More: a b\r\n\r\n", -1, false },
	{ "Content-Length: 3000\n\n", "Content-Length: 3000\r\n\r\n", 3000, false },
	{ "X-Kind: 3\nStatus: 204 None\n\n", "X-Kind: 3\r\nStatus: 204 None\r\n\r\n", 0, false },
	{ NULL, NULL, -1, false }, /* a long one */
	{ "no header\n\n", "", -1, true },
	{ "", "", -1, true },
};

enum { HEADS = sizeof heads / sizeof *heads, LONG_HEAD = 4 };

struct asked {
	uint16_t id;
	int stage; /* of what the client sends: see put_next() */
	bool keep, head_only, authorizer;
	unsigned client; /* 0: without an address */
	int64_t length;    /* of the body as it is told, or -1 */
	size_t body, sent; /* as it is, and what of it is on the wire */
	bool aborted, ended;
	bool excused; /* it may fail */
	/* The script. */
	struct world_script *script; /* NULL: none, or it is gone */
	bool started, rude; /* it does not read its body first */
	size_t due, read;   /* bytes of standard input */
	bool input_ended;
	const struct head *head;
	size_t output, written; /* of header and body: in all, and so far */
	bool killed; /* by a signal, before its response was whole */
	bool part;   /* and while it could have gone on with it */
	/* What the client got. */
	size_t got;
	bool document;
};

static unsigned char pattern[PERIOD + WORLD_LARGE_PIPE];
static bool calm;
static int client; /* the descriptor, or -1 */
static bool client_shut, client_broken;
static struct asked asked[ASKED_MOST];
static size_t asked_count, asked_most;
static bool any_unkept;
static unsigned char wire[PIECE_MOST + 512];
static size_t wire_size, wire_at;
static struct record_reader reader;
static unsigned char end_body[RECORD_BODY_SIZE];
static size_t end_have;
static unsigned hazards[WORLD_CALLS]; /* in a thousand */
static unsigned cuts;                 /* in a hundred */
static size_t begun[256 * 256], ended[256 * 256];

static const unsigned char *bytes_of(const struct asked *a, size_t at)
{
	return pattern + (at + (size_t)(a - asked) * 7919) % PERIOD;
}

/* Hazards. */

static int refuse(enum world_call call, int fd)
{
	static const int errors[WORLD_CALLS] = {
		[WORLD_READ] = EAGAIN, [WORLD_WRITE] = EAGAIN, [WORLD_PIPE] = EMFILE,
		[WORLD_WATCH] = ENOSPC, [WORLD_SHUTDOWN] = ENOTCONN, [WORLD_SPOOL_OPEN] = EACCES,
		[WORLD_SPOOL_READ] = EIO, [WORLD_SPOOL_WRITE] = ENOSPC, [WORLD_SPOOL_EMPTY] = EIO,
		[WORLD_SPLICE] = EAGAIN, [WORLD_MEMORY] = ENOMEM,
	};

	if (!hazards[call] || fuzz_below(1000) >= hazards[call])
		return 0;
	/* Bytes that a pipe has been seen to hold are there. */
	if (call == WORLD_READ && !world_is_socket(fd))
		return 0;
	if (call == WORLD_SPLICE && fuzz_chance(50))
		return ENOTSUP;
	return errors[call];
}

static size_t cut(size_t size)
{
	return fuzz_chance(cuts) ? 1 + fuzz_below(size < 100 || fuzz_chance(50) ? size : 100) : size;
}

static void set_hazards(void)
{
	memset(hazards, 0, sizeof hazards);
	world.choose = fuzz_chance(50) ? fuzz_below : NULL;
	cuts = fuzz_chance(50) ? (unsigned)fuzz_below(60) : 0;
	world.cut = cuts ? cut : NULL;
	if (fuzz_chance(20))
		hazards[WORLD_READ] = hazards[WORLD_WRITE] = hazards[WORLD_SPLICE] = 100;
	if (!calm)
		for (int i = WORLD_PIPE; i < WORLD_CALLS; i++)
			if (fuzz_chance(10))
				hazards[i] = fuzz_chance(30) ? 1000
					     : i == WORLD_MEMORY ? 20 : (unsigned)fuzz_below(300);
	world.refuse = NULL;
	for (int i = 0; i < WORLD_CALLS; i++)
		if (hazards[i])
			world.refuse = refuse;
}

static struct settings choose_settings(void)
{
	struct settings s = world_settings();

	s.max_scripts = 1 + (long)fuzz_below(4);
	s.max_body = 200000;
	s.max_params = 1024;
	s.stderr_to_client = fuzz_chance(30);
	s.errors_to_client = fuzz_chance(20);
	s.on_abort = fuzz_chance(30) ? ON_ABORT_IGNORE : ON_ABORT_KILL;
	s.max_background = (long)fuzz_below(3);
	s.max_per_client = (long)fuzz_below(3);
	s.max_per_script = (long)fuzz_below(3);
	if (calm)
		return s;
	s.queue = (long)fuzz_below(4);
	s.max_unfinished = 1 + (long)fuzz_below(4);
	s.max_spool = fuzz_chance(20) ? (long)fuzz_below(100000) : s.max_spool;
	s.queue_timeout = 1000;
	s.start_timeout = 700;
	s.client_timeout = 800;
	s.idle_timeout = fuzz_chance(50) ? 0 : 1500;
	s.timeout = fuzz_chance(50) ? 0 : 2000;
	s.silence_timeout = fuzz_chance(50) ? 0 : 900;
	s.kill_after = 1000;
	s.background_timeout = fuzz_chance(50) ? 0 : 3000;
	return s;
}

/* What the client sends. */

static void put_record(unsigned type, uint16_t id, const void *content, size_t size)
{
	uint8_t padding = fuzz_chance(20) ? (uint8_t)fuzz_next() : 0;

	record_put_header(wire + wire_size, (enum record_type)type, id, size);
	wire[wire_size + 6] = padding;
	wire_size += RECORD_HEADER_SIZE;
	memcpy(wire + wire_size, content, size);
	wire_size += size;
	memset(wire + wire_size, 0, padding);
	wire_size += padding;
}

/* The rest of a request that has ended is not sent once another has its id. */
static bool id_is_free(uint16_t id)
{
	for (size_t i = 0; i < asked_count; i++)
		if (asked[i].id == id && !asked[i].ended)
			return false;
	for (size_t i = 0; i < asked_count; i++)
		if (asked[i].id == id)
			asked[i].stage = STAGES;
	return true;
}

static size_t choose_size(void)
{
	static const size_t most[] = { 1, 100, 5000, 60000, 150000, 250000 };

	return fuzz_below(1 + most[fuzz_below(fuzz_chance(70) ? 3 : sizeof most / sizeof *most)]);
}

static void choose_request(struct asked *a, uint16_t id)
{
	*a = (struct asked){ .id = id, .keep = fuzz_chance(70), .length = -1 };
	a->client = (unsigned)fuzz_below(CLIENTS);
	a->authorizer = fuzz_chance(5);
	a->head_only = fuzz_chance(10);
	a->rude = fuzz_chance(20);
	a->body = fuzz_chance(50) ? 0 : choose_size();
	if (fuzz_chance(70))
		a->length = (int64_t)a->body;
	if (a->length > 0 && fuzz_chance(10))
		a->body += fuzz_below(100);
	if (a->body > 0 && fuzz_chance(5)) {
		a->body = fuzz_below(a->body); /* short of what it says */
		a->excused |= (int64_t)a->body < a->length;
	}
	a->due = a->authorizer ? 0 : a->length >= 0 && (size_t)a->length < a->body
				     ? (size_t)a->length : a->body;
	a->excused |= a->body > 200000 || a->length > 200000;
	a->excused |= a->length < 0 && (int64_t)a->body > world.spool_most;
	a->head = &heads[fuzz_below(fuzz_chance(80) ? LONG_HEAD : HEADS)];
	a->excused |= a->head->fails;
	a->output = strlen(a->head->written) + (a->head->length >= 0 ? (size_t)a->head->length
								     : choose_size());
	if (a->head->fails)
		a->output = strlen(a->head->written);
	any_unkept |= !a->keep;
}

static void put_params(const struct asked *a)
{
	unsigned char bytes[PARAMS_ROOM];
	char number[24];
	size_t size = 0, part;

	snprintf(number, sizeof number, "%zu", (size_t)(a - asked));
	size += params_put(bytes, "SERIAL", number);
	size += params_put(bytes + size, "REQUEST_METHOD", a->head_only ? "HEAD" : "POST");
	snprintf(number, sizeof number, "192.0.%u.1", a->client);
	if (a->client > 0)
		size += params_put(bytes + size, "REMOTE_ADDR", number);
	snprintf(number, sizeof number, "%lld", (long long)a->length);
	if (a->length >= 0)
		size += params_put(bytes + size, "CONTENT_LENGTH", number);
	else if (a->head_only)
		size += params_put(bytes + size, "HTTP_TRANSFER_ENCODING", "chunked");
	part = fuzz_chance(30) ? 1 + fuzz_below(size - 1) : size;
	put_record(FCGI_PARAMS, a->id, bytes, part);
	if (part < size)
		put_record(FCGI_PARAMS, a->id, bytes + part, size - part);
}

/* The next record of a request: false if it is whole. */
static bool put_next(struct asked *a)
{
	const unsigned char begin[RECORD_BODY_SIZE] = {
		0, a->authorizer ? FCGI_AUTHORIZER : FCGI_RESPONDER, a->keep ? FCGI_KEEP_CONN : 0
	};
	size_t size = a->body - a->sent;

	switch (a->stage) {
	case 0:
		put_record(FCGI_BEGIN_REQUEST, a->id, begin, sizeof begin);
		begun[a->id]++;
		break;
	case 1:
		put_params(a);
		break;
	case 2:
		put_record(FCGI_PARAMS, a->id, "", 0);
		break;
	case 3:
		size = size > 1 && fuzz_chance(50) ? 1 + fuzz_below(size) : size;
		size = size < RECORD_CONTENT_MOST ? size : RECORD_CONTENT_MOST;
		if (size > 0)
			put_record(FCGI_STDIN, a->id, bytes_of(a, a->sent), size);
		a->sent += size;
		a->stage -= a->sent < a->body;
		break;
	case 4:
		put_record(FCGI_STDIN, a->id, "", 0);
		break;
	default:
		return false;
	}
	a->stage++;
	return true;
}

/* Records that belong to no request. */
static void put_aside(void)
{
	static const char values[] = "\17\0FCGI_MPXS_CONNS\15\0FCGI_MAX_REQS";

	if (fuzz_chance(50))
		put_record(FCGI_GET_VALUES, 0, values, sizeof values - 1);
	else if (fuzz_chance(50))
		put_record(12 + (unsigned)fuzz_below(200), 0, "what?", fuzz_below(6));
	else
		put_record(FCGI_STDIN, 999, "for nobody", 10);
}

/* What only a broken client would send. */
static void put_nonsense(void)
{
	client_broken = true;
	switch (fuzz_below(4)) {
	case 0:
		for (size_t i = 1 + fuzz_below(30); i > 0; i--)
			wire[wire_size++] = (unsigned char)fuzz_next();
		break;
	case 1:
		put_record((unsigned)fuzz_below(12), (uint16_t)fuzz_below(IDS), "12345678",
			   fuzz_below(9));
		break;
	case 2:
		put_record(FCGI_BEGIN_REQUEST, (uint16_t)fuzz_below(IDS), "\0\3\1\0\0\0\0\0", 8);
		break;
	default:
		put_record(FCGI_PARAMS, (uint16_t)fuzz_below(IDS), pattern, fuzz_below(2000));
	}
}

static void fill_wire(void)
{
	struct asked *a = asked_count ? &asked[fuzz_below(asked_count)] : NULL;
	uint16_t id = (uint16_t)(1 + fuzz_below(IDS - 1));

	wire_size = wire_at = 0;
	if (!calm && fuzz_chance(1))
		put_nonsense();
	else if (fuzz_chance(3))
		put_aside();
	else if (asked_count < asked_most && id_is_free(id) && (!a || fuzz_chance(20)))
		choose_request(&asked[asked_count++], id);
	else if (a && !calm && a->stage > 0 && !a->aborted && !a->ended && fuzz_chance(2)) {
		put_record(FCGI_ABORT_REQUEST, a->id, "", 0);
		a->aborted = true;
	} else if (a && !a->aborted)
		put_next(a);
}

static bool send_some(size_t most)
{
	ssize_t n;

	if (client < 0 || client_shut)
		return false;
	for (int tries = 0; wire_at == wire_size && tries < 4; tries++)
		fill_wire();
	if (wire_at == wire_size)
		return false;
	n = world_put(client, wire + wire_at, wire_size - wire_at < most ? wire_size - wire_at : most);
	if (n > 0)
		wire_at += (size_t)n;
	return n > 0;
}

/* What the client gets. */

static struct asked *find_asked(uint16_t id)
{
	for (size_t i = asked_count; i > 0; i--)
		if (asked[i - 1].id == id && asked[i - 1].stage > 0)
			return &asked[i - 1];
	return NULL;
}

/* How much of a response is its header, and whether a script has written all that can matter. */
static size_t head_size(const struct asked *a)
{
	return strlen(a->head->sent);
}

static bool is_whole(const struct asked *a)
{
	return a->written >= strlen(a->head->written) &&
	       (a->head_only || (a->head->length >= 0 &&
				 a->written - strlen(a->head->written) >= (size_t)a->head->length));
}

/* A script that ends within its header: what is due is for unit tests to say. */
static bool is_stub(const struct asked *a)
{
	return a->output < strlen(a->head->written);
}

static void take_output(struct asked *a, const unsigned char *bytes, size_t size)
{
	size_t head = head_size(a), part;

	if (a->got == 0 && size > 0 && bytes[0] == 'S')
		a->document = true; /* no script of ours begins with its Status */
	fuzz_expect(!a->document || !calm || a->excused, "a response is due, and an error comes");
	if (a->document || is_stub(a)) {
		a->got += size;
		return;
	}
	part = a->got < head ? head - a->got < size ? head - a->got : size : 0;
	fuzz_expect(memcmp(bytes, a->head->sent + a->got, part) == 0, "a header block is wrong");
	a->got += part;
	bytes += part;
	size -= part;
	fuzz_expect(a->started || size + part == 0, "a response comes from nowhere");
	fuzz_expect(!a->head_only || size == 0, "a body comes although it was not wanted");
	if (size > 0)
		fuzz_expect(memcmp(bytes, bytes_of(a, a->got - head), size) == 0,
			    "a byte of a response is wrong");
	a->got += size;
	fuzz_expect(a->got <= head + a->written, "more comes than was written");
}

static void take_end(struct asked *a)
{
	size_t head = strlen(a->head->written);
	uint32_t status = (uint32_t)end_body[0] << 24 | (uint32_t)end_body[1] << 16 |
			  (uint32_t)end_body[2] << 8 | end_body[3];
	bool cut = end_body[4] == FCGI_OVERLOADED;

	a->ended = true;
	if (cut) {
		fuzz_expect(!calm || a->killed || a->excused, "a response is due, and is cut");
		fuzz_expect(status != 0, "a response that is cut ends as if it were whole");
		return;
	}
	fuzz_expect(end_body[4] == FCGI_REQUEST_COMPLETE, "a request ends strangely");
	if (a->aborted)
		return;
	fuzz_expect(a->got > 0, "a request ends without an answer");
	if (a->document || is_stub(a))
		return;
	fuzz_expect(a->written >= head, "a response ends without its header");
	fuzz_expect(a->head_only || a->got - head_size(a) == a->written - head,
		    "a response has lost its end");
	fuzz_expect(!a->part, "a part is given for the whole");
}

static void begin_record(const struct record *r)
{
	bool management = r->type == FCGI_GET_VALUES_RESULT || r->type == FCGI_UNKNOWN_TYPE;

	fuzz_expect(r->version == RECORD_VERSION, "an answer has another version");
	fuzz_expect(management == (r->id == 0), "an answer has a strange id");
	fuzz_expect(management || r->type == FCGI_END_REQUEST || r->type == FCGI_STDOUT ||
		    r->type == FCGI_STDERR, "an answer has a strange type");
	fuzz_expect(management || client_broken || ended[r->id] < begun[r->id],
		    "an answer to what is not asked, or has ended");
	fuzz_expect(r->type != FCGI_END_REQUEST || r->content_length == RECORD_BODY_SIZE,
		    "an END_REQUEST has a strange length");
	end_have = 0;
}

static void take_content(const unsigned char *bytes, size_t size)
{
	struct asked *a = find_asked(reader.record.id);

	if (reader.record.type == FCGI_STDOUT && a && !client_broken)
		take_output(a, bytes, size);
	if (reader.record.type == FCGI_END_REQUEST && end_have + size <= sizeof end_body) {
		memcpy(end_body + end_have, bytes, size);
		end_have += size;
	}
}

static void take_record(void)
{
	struct asked *a = find_asked(reader.record.id);

	if (reader.record.type != FCGI_END_REQUEST)
		return;
	ended[reader.record.id]++;
	if (a && !client_broken)
		take_end(a);
}

/* The connection has ended: what was due on it? One whose response is cut may take the others
 * with it that are not answered yet. */
static void find_lost(void)
{
	bool may_break = !calm || client_shut, may_end;

	for (size_t i = 0; i < asked_count; i++)
		may_break |= asked[i].excused || asked[i].killed;
	may_end = may_break || any_unkept;
	fuzz_expect(may_break || record_is_between(&reader), "a connection ends within a record");
	for (size_t i = 0; i < asked_count; i++) {
		const struct asked *a = &asked[i];

		fuzz_expect(may_end || a->ended || a->stage == 0, "a connection is lost");
		fuzz_expect(!calm || !a->got || a->ended || a->killed || a->excused,
			    "a response is cut with its connection");
	}
	if (client >= 0)
		world_close(client);
	client = -1;
}

static bool receive_some(size_t most)
{
	static unsigned char bytes[PIECE_MOST];
	const unsigned char *in = bytes, *content;
	ssize_t n = client < 0 ? -1 : world_get(client, bytes, most < sizeof bytes ? most : sizeof bytes);
	size_t size = n > 0 ? (size_t)n : 0, length;
	enum record_event event;

	if (client >= 0 && (n == 0 || (n < 0 && errno != EAGAIN))) {
		find_lost();
		return true;
	}
	while ((event = record_read(&reader, &in, &size, &content, &length)) != RECORD_NOTHING)
		if (event == RECORD_BEGIN)
			begin_record(&reader.record);
		else if (event == RECORD_CONTENT)
			take_content(content, length);
		else
			take_record();
	return n > 0;
}

/* Starters and scripts. */

static void adopt(struct world_script *s)
{
	struct asked *a = s->serial >= 0 && s->serial < (long)asked_count ? &asked[s->serial] : NULL;

	if (client_broken || !a)
		return;
	fuzz_expect(!a->started, "a script is started twice");
	fuzz_expect(s->ends[0] >= 0 || a->due == 0, "a body does not come to its script");
	fuzz_expect(a->length >= 0 || !s->job || s->job->received == (int64_t)a->due,
		    "a script starts before all of its body is there");
	a->started = true;
	a->script = s;
}

/* Each request is for one of SCRIPTS. */
static unsigned script_of(long serial)
{
	return 1 + (unsigned)(serial % SCRIPTS);
}

/* Takes up a job, as a starter does: false if too many of its script run. */
static bool take_up(struct launch_job *job)
{
	const char *serial = environment_get(&job->asking->sent, "SERIAL");

	job->asking->script.key = script_of(serial ? labs(atol(serial)) : 0);
	if (world.settings.max_per_script == 0 ||
	    admission_take_script(job->slot, job->asking->script.key,
				  (size_t)world.settings.max_per_script))
		return true;
	world_fail(job, LAUNCH_PLACE, 0, 0);
	return false;
}

/* No more scripts run for a client, or of one script, than may. Those in the background are not
 * counted. */
static void check_limits(void)
{
	long clients[CLIENTS] = { 0 }, scripts[SCRIPTS + 1] = { 0 };

	for (size_t i = 0; i < asked_count && world.settings.max_background == 0; i++) {
		const struct asked *a = &asked[i];

		if (!a->script || a->script->exited)
			continue;
		clients[a->client]++;
		scripts[script_of((long)i)]++;
	}
	for (int i = 0; i < CLIENTS && world.settings.max_per_client; i++)
		fuzz_expect(clients[i] <= world.settings.max_per_client,
			    "a client has too many scripts");
	for (int i = 0; i <= SCRIPTS && world.settings.max_per_script; i++)
		fuzz_expect(scripts[i] <= world.settings.max_per_script,
			    "too many of one script run");
}

static void spawn_some(void)
{
	struct launch_job *job = world_job(fuzz_chance(70) ? 0 : fuzz_below(4));
	struct world_script *s;

	if (!job)
		return;
	if (!calm && fuzz_chance(15)) {
		static const int errors[] = { EAGAIN, ENOENT, EACCES };
		static const int statuses[] = { 0, 404, 403 };

		world_fail(job, fuzz_chance(50) ? LAUNCH_RESOLVE
						: (enum launch_step)(LAUNCH_FORK + fuzz_below(5)),
			   errors[fuzz_below(3)], statuses[fuzz_below(3)]);
		return;
	}
	if (!take_up(job))
		return;
	s = world_spawn(job);
	if (fuzz_chance(10))
		s->own_group = s->pid;
	s->deaf = !calm && fuzz_chance(20);
	s->helpers = fuzz_chance(10);
	s->left_number = s->own_group && s->group != s->pid && s->helpers == 0 &&
			 fuzz_chance(50);
	adopt(s);
	if (fuzz_chance(70))
		world_finish(s);
}

static struct asked *asked_of(const struct world_script *s)
{
	for (size_t i = 0; i < asked_count; i++)
		if (asked[i].script == s)
			return &asked[i];
	return NULL;
}

static bool read_input(struct world_script *s, size_t most)
{
	static unsigned char bytes[PIECE_MOST];
	struct asked *a = asked_of(s);
	ssize_t n;

	if (s->ends[0] < 0)
		return false;
	n = world_get(s->ends[0], bytes, most < sizeof bytes ? most : sizeof bytes);
	if (n == 0)
		world_end_output(s, 0);
	if (!a || client_broken)
		return n >= 0;
	if (n > 0) {
		fuzz_expect(memcmp(bytes, bytes_of(a, a->read), (size_t)n) == 0,
			    "a byte of a body is wrong");
		a->read += (size_t)n;
		fuzz_expect(a->read <= a->due, "more of a body comes than there is");
	} else if (n == 0) {
		fuzz_expect(a->read == a->due, "a part of a body is given for the whole");
		a->input_ended = true;
	}
	return n >= 0;
}

static bool write_output(struct world_script *s, size_t most)
{
	struct asked *a = asked_of(s);
	size_t head = a ? strlen(a->head->written) : 0, left = a ? a->output - a->written : 0;
	ssize_t n;

	if (s->ends[1] < 0 || !a || left == 0)
		return false;
	most = most < left ? most : left;
	if (a->written < head)
		n = world_put(s->ends[1], a->head->written + a->written,
			      most < head - a->written ? most : head - a->written);
	else
		n = world_put(s->ends[1], bytes_of(a, a->written - head),
			      most < PIECE_MOST ? most : PIECE_MOST);
	if (n < 0)
		world_end_output(s, 1);
	if (n > 0)
		a->written += (size_t)n;
	return n > 0;
}

/* An end of its own accord: with what was to be written, or in the midst of it. */
static void end_script(struct world_script *s, int status)
{
	struct asked *a = asked_of(s);
	bool whole = a && a->written == a->output;

	if (s->exited)
		return;
	if (a && WIFSIGNALED(status) && !is_whole(a)) {
		a->killed = true;
		a->part |= s->ends[1] >= 0;
	}
	if (a && !whole && s->ends[1] >= 0) {
		a->excused |= a->written <= strlen(a->head->written);
		a->output = a->written;
	}
	world_exit(s, status);
}

static bool is_alive(const struct world_script *s)
{
	return s->pid && !s->exited;
}

static struct world_script *choose_script(void)
{
	size_t first = fuzz_below(6);

	for (size_t i = 0; i < 6; i++)
		if (is_alive(&world.scripts[(first + i) % 6]))
			return &world.scripts[(first + i) % 6];
	return NULL;
}

static void tell_some(void)
{
	size_t first = fuzz_below(6);

	for (size_t i = 0; i < 6; i++) {
		struct world_script *s = &world.scripts[(first + i) % 6];
		struct asked *a = s->pid ? asked_of(s) : NULL;

		if (!s->pid || !s->job)
			continue;
		/* One that has failed has done nothing yet. */
		if (!calm && a && !a->read && !a->written && !s->exited && !s->finished &&
		    fuzz_chance(10)) {
			a->started = false;
			a->script = NULL;
			world_fail(s->job, LAUNCH_EXEC, fuzz_chance(50) ? EAGAIN : ENOENT, 0);
		} else {
			world_tell(s);
		}
		return;
	}
}

static size_t choose_piece(void)
{
	return fuzz_chance(60) ? PIECE_MOST : 1 + fuzz_below(5000);
}

static void act_script(void)
{
	struct world_script *s = choose_script();
	struct asked *a = s ? asked_of(s) : NULL;
	char line[40];

	if (!s)
		return;
	switch (fuzz_below(10)) {
	case 0: case 1: case 2:
		read_input(s, choose_piece());
		break;
	case 3: case 4: case 5: case 6:
		write_output(s, choose_piece());
		break;
	case 7:
		snprintf(line, sizeof line, "a line of %d\npart", (int)fuzz_below(1000));
		for (size_t i = fuzz_chance(90) ? 1 : fuzz_below(STDERR_MOST); i > 0 && s->ends[2] >= 0;
		     i--)
			if (world_put(s->ends[2], line, strlen(line)) < 0)
				world_end_output(s, 2);
		break;
	case 8:
		if (!a || a->written == a->output || fuzz_chance(20)) {
			if (a && a->written < a->output) {
				a->excused |= a->written <= strlen(a->head->written);
				a->output = a->written;
			}
			if (fuzz_chance(50))
				world_end_output(s, 1);
			else
				world_end_output(s, fuzz_chance(50) ? 0 : 2);
		}
		break;
	default:
		if (!a || a->written == a->output || fuzz_chance(10))
			end_script(s, fuzz_chance(80) ? 0 : fuzz_chance(50) ? 3 << 8 : SIGSEGV);
	}
}

static void end_helpers(void)
{
	for (size_t i = 0; i < 6; i++)
		if (world.scripts[i].pid && world.scripts[i].helpers && fuzz_chance(50))
			world_end_helpers(&world.scripts[i]);
}

/* Scripts that have been signalled are gone, as their asked know. */
static void note_signals(void)
{
	for (size_t i = 0; i < asked_count; i++) {
		struct asked *a = &asked[i];

		if (!a->script)
			continue;
		fuzz_expect(!calm || a->excused || a->killed || a->aborted || client < 0 || client_shut ||
			    !(a->script->signals & (1u << SIGTERM | 1u << SIGKILL)),
			    "a script is ended for no reason");
		if (a->script->exited)
			a->script = NULL;
	}
}

/* Events. */

static void leave(void)
{
	if (client < 0)
		return;
	switch (fuzz_below(4)) {
	case 0:
		world_shut(client);
		client_shut = true;
		return;
	case 1:
		world_vanish(client);
		break;
	default:
		world_close(client);
	}
	client = -1;
}

static void pass_time(void)
{
	int64_t next = world_next_deadline();

	if (calm)
		world_pass(1 + (int64_t)fuzz_below(150));
	else if (fuzz_chance(50) && next > 0)
		world_pass(next);
	else if (fuzz_chance(50))
		world_jump((int64_t)fuzz_below(2000));
	else
		world_pass((int64_t)fuzz_below(300));
}

static void one_event(void)
{
	size_t kind = fuzz_below(100);

	if (kind < 35)
		send_some(choose_piece());
	else if (kind < 47)
		receive_some(choose_piece());
	else if (kind < 55)
		spawn_some();
	else if (kind < 58)
		tell_some();
	else if (kind < 85)
		act_script();
	else if (kind < 92)
		pass_time();
	else if (kind < 94)
		end_helpers();
	else if (kind == 94 && !calm && fuzz_chance(30))
		leave();
	else if (kind == 95 && !calm && fuzz_chance(10))
		connection_finish_all(&world.service);
	else if (kind == 96 && !calm && fuzz_chance(10))
		process_terminate_all();
	for (size_t turns = fuzz_below(3); turns > 0; turns--)
		world_turn();
	note_signals();
	check_limits();
}

/* Everybody does what is left to do; false if nobody could do anything. */
static bool finish_some(void)
{
	bool any = false;
	struct launch_job *job;

	for (int i = 0; i < 4 && send_some(PIECE_MOST); i++)
		any = true;
	while ((job = world_job(0))) {
		if (take_up(job))
			adopt(world_spawn(job));
		any = true;
	}
	for (struct world_script *s = world.scripts; s < world.scripts + ASKED_MOST; s++) {
		struct asked *a = s->pid ? asked_of(s) : NULL;
		bool reading = a && s->ends[0] >= 0;

		if (!s->pid)
			continue;
		if (s->job && !s->finished) {
			world_finish(s);
			any = true;
		}
		if (s->exited && s->helpers) {
			world_end_helpers(s);
			any = true;
		}
		if (s->exited)
			continue;
		while (reading && read_input(s, PIECE_MOST)) {
			any = true;
			reading = s->ends[0] >= 0;
		}
		if (reading && !a->rude)
			continue;
		while (write_output(s, PIECE_MOST))
			any = true;
		if (!reading && (!a || a->written == a->output || s->ends[1] < 0)) {
			end_script(s, 0);
			any = true;
		}
	}
	while (receive_some(PIECE_MOST))
		any = true;
	world_run();
	note_signals();
	return any;
}

/* What is due comes, without any help of time-outs. */
static void finish_calmly(void)
{
	int waits = 0;
	bool due = true;

	asked_most = asked_count;
	while (due && waits < 12 && !fuzz_fault && !world.fault) {
		if (finish_some())
			waits = 0;
		else if (++waits)
			world_pass(200);
		due = false;
		for (size_t i = 0; i < asked_count; i++)
			due |= asked[i].stage > 0 && !asked[i].ended;
		due &= client >= 0 || world.launches > 0;
	}
	for (size_t i = 0; i < asked_count && client >= 0; i++)
		fuzz_expect(asked[i].stage == 0 || asked[i].ended,
			    "an answer does not come");
}

/* However it has gone: in the end nothing is left. */
static void clean_up(void)
{
	world.refuse = NULL;
	for (int i = 0; i < 60 && !world.fault; i++) {
		struct launch_job *job;

		if (client >= 0 && i == 3) {
			world_close(client);
			client = -1;
		}
		receive_some(PIECE_MOST);
		while ((job = world_job(0)))
			if (take_up(job))
				adopt(world_spawn(job));
		for (struct world_script *s = world.scripts; s < world.scripts + ASKED_MOST; s++) {
			if (s->pid && s->job)
				world_finish(s);
			if (s->pid && i > 2 && fuzz_chance(50))
				world_exit(s, 0);
			if (s->pid && i > 5 && s->helpers)
				world_end_helpers(s);
		}
		world_pass(2000);
		note_signals();
		if (!world_find_remains())
			return;
	}
	fuzz_expect(world.fault, world_find_remains());
}

static void open_round(void)
{
	struct settings settings;

	calm = fuzz_chance(50);
	settings = choose_settings();
	world_open(&settings);
	world.service.tcp = fuzz_chance(30);
	world.can_splice = fuzz_chance(50);
	world.slots_shared = fuzz_chance(30);
	world.socket_size = fuzz_chance(70) ? 200 * 1024 : 2000 + fuzz_below(60000);
	set_hazards();
	memset(begun, 0, IDS * sizeof *begun);
	memset(ended, 0, IDS * sizeof *ended);
	asked_count = 0;
	asked_most = 1 + fuzz_below(fuzz_chance(60) ? 2 : ASKED_MOST);
	/* Without disk a client that asks for nothing else is held back. */
	if (calm && asked_most == 1 && fuzz_chance(30))
		world.spool_most = (int64_t)fuzz_below(50000);
	any_unkept = client_shut = client_broken = false;
	wire_size = wire_at = 0;
	reader = (struct record_reader){ .header_have = 0 };
	client = world_connect();
}

static void prepare(void)
{
	static char written[LONG_LINES * 24 + 16], sent[LONG_LINES * 24 + 16];
	size_t w = 0, s = 0;

	if (pattern[1])
		return;
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (unsigned char)(1 + (i % PERIOD) * 2654435761u / 65536 % 255);
	for (int i = 0; i < LONG_LINES; i++) {
		w += (size_t)sprintf(written + w, "X-Line: %05d\n", i);
		s += (size_t)sprintf(sent + s, "X-Line: %05d\r\n", i);
	}
	strcpy(written + w, "\n");
	strcpy(sent + s, "\r\n");
	heads[LONG_HEAD].written = written;
	heads[LONG_HEAD].sent = sent;
}

static void one_round(void)
{
	prepare();
	open_round();
	for (size_t events = 10 + fuzz_below(EVENTS_MOST - 9); events > 0; events--) {
		if (fuzz_fault || world.fault)
			break;
		one_event();
	}
	if (calm)
		finish_calmly();
	if (!fuzz_fault && !world.fault)
		clean_up();
	fuzz_expect(!world.fault, world.fault);
}

FUZZ_ENTRY("whatever happens to a connection, no byte is lost and nothing is left", 20000, one_round)
