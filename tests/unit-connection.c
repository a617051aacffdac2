/* A connection: what is kept and what is closed, requests by id, clients that say strange things. */
#include <config.h>

#include "client.h"
#include "tap.h"

#include "../wrapper/connection.h"
#include "../wrapper/process.h"
#include "../wrapper/request.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { CLIENT_TIME = 10000, IDLE_TIME = 20000, SILENCE = 30000, LINGER = 5000, LAST_CHANCE = 1000,
       QUESTIONS = 22000, /* whose answers are more than socket and buffer hold */
       MANY_QUESTIONS = 15000 /* whose answers are more than the socket holds */ };

static const unsigned char responder[RECORD_BODY_SIZE] = { 0, FCGI_RESPONDER, FCGI_KEEP_CONN };
static char large[300 * 1024];

static void begin(void)
{
	struct settings settings = world_settings();

	settings.client_timeout = CLIENT_TIME;
	settings.idle_timeout = IDLE_TIME;
	settings.silence_timeout = SILENCE;
	client_open(&settings);
}

static void end(const char *what)
{
	ok(client_close(), "%s: nothing is left", what);
}

/* A request whose script answers and exits. */
static void serve(uint16_t id, unsigned flags)
{
	struct world_script *s = client_start(id, flags);

	script_says(s, "X: 1\n\n");
	script_exits(s, 0);
}

static bool is_served(uint16_t id)
{
	return client_answer(id)->ends == 1 && strcmp(client_answer(id)->out, "X: 1\r\n\r\n") == 0;
}

static bool is_lost(void)
{
	client_run();
	return client.closed || world.service.count == 0;
}

static void forget_answer(uint16_t id)
{
	client.answers[id].ends = 0;
	client.answers[id].size = 0;
	client.answers[id].out[0] = '\0';
}

#define ok_lost_after(time, ...) \
	do { \
		bool early; \
		world_pass((time) - 1); \
		early = is_lost(); \
		world_pass(1); \
		ok(!early && is_lost(), __VA_ARGS__); \
	} while (0)

static void test_keeping(void)
{
	begin();
	serve(1, CLIENT_KEEP);
	ok(is_served(1) && !is_lost(), "a connection is kept if the request says so");
	forget_answer(1);
	serve(1, CLIENT_KEEP);
	ok(is_served(1), "an id may be used again when its request has ended");
	serve(2, 0);
	ok(is_served(2) && is_lost(), "a request that does not keep the connection closes it");
	end("kept connection");

	begin();
	client_start(1, CLIENT_KEEP);
	serve(2, 0);
	client_ask(3, 0, CLIENT_KEEP);
	ok(is_served(2) && !client.closed && !world_job(0),
	   "it serves those that are there, and no new ones");
	script_says(&world.scripts[0], "X: 1\n\n");
	script_exits(&world.scripts[0], 0);
	ok(is_served(1) && client.closed && client_answer(3)->ends == 0, "and then closes");
	end("not kept");

	begin();
	serve(1, CLIENT_KEEP);
	world_pass(IDLE_TIME - 1);
	client_ask(2, 0, CLIENT_KEEP);
	ok(!is_lost() && world_start(), "a kept connection is not idle when a request comes");
	world_pass(IDLE_TIME);
	ok(!is_lost(), "nor as long as that runs");
	script_exits(&world.scripts[0], 0);
	ok_lost_after(IDLE_TIME, "and is closed after --idle-timeout");
	end("idle");

	begin();
	serve(1, CLIENT_KEEP);
	world.now += IDLE_TIME;
	client_ask(2, 0, CLIENT_KEEP);
	ok(!is_lost() && world_start(), "a request in the last moment of --idle-timeout is served");
	end("idle");
}

static void test_slow_clients(void)
{
	begin();
	client_bytes("\1\1\0\1", 4);
	world_turn();
	ok_lost_after(CLIENT_TIME, "a client that stops within a record is given up");
	end("slow client");

	begin();
	ok_lost_after(IDLE_TIME, "and one that says nothing at all");
	end("slow client");

	begin();
	client_start(1, CLIENT_KEEP);
	world_put(world.scripts[0].ends[1], "Content-Length: 250000\n\n", 24);
	world_run();
	for (int i = 0; i < 10; i++) {
		world_put(world.scripts[0].ends[1], large, 25000);
		world_run();
	}
	world_exit(&world.scripts[0], 0);
	world_run();
	world_pass(SILENCE - 1);
	world_get(client.fd, large, 100);
	world_pass(SILENCE - 1);
	ok(world.service.count == 1, "a client that reads slowly is waited for");
	world_pass(2 * SILENCE);
	ok(world.service.count == 0 && was_reported("--silence-timeout"),
	   "one that does not read is given up");
	end("slow client");

	begin();
	client_start(1, CLIENT_KEEP);
	world_put(world.scripts[0].ends[1], "X: 1\n\n", 6);
	for (int i = 0; i < 10; i++) {
		world_put(world.scripts[0].ends[1], large, 25000);
		world_run();
	}
	for (int i = 0; i < 6 && world.service.count > 0; i++) {
		world_put(world.scripts[0].ends[2], "busy\n", 5);
		world_run();
		world_pass(SILENCE / 2);
	}
	ok(world.service.count == 0, "also while its script is busy");
	end("slow client");
}

static void test_multiplexing(void)
{
	char name[8];

	begin();
	client_start(1, CLIENT_KEEP);
	client_start(2, CLIENT_KEEP);
	for (int i = 1; i >= 0; i--) {
		snprintf(name, sizeof name, "X: %d\n\n", i + 1);
		script_says(&world.scripts[i], name);
		script_exits(&world.scripts[i], 0);
	}
	ok(strcmp(client_answer(1)->out, "X: 1\r\n\r\n") == 0 &&
	   strcmp(client_answer(2)->out, "X: 2\r\n\r\n") == 0 && client_answer(1)->ends == 1 &&
	   client_answer(2)->ends == 1, "requests on one connection do not mix");
	end("multiplexing");

	begin();
	client_start(1, CLIENT_KEEP);
	client_start(2, CLIENT_KEEP);
	world_put(world.scripts[1].ends[1], "X: 2\n\npart", 10);
	world_turn();
	world_put(world.scripts[0].ends[1], "X: 1\n\n", 6);
	for (int i = 0; i < 10; i++) {
		world_put(world.scripts[0].ends[1], large, 27000);
		world_run();
	}
	world_exit(&world.scripts[0], 0);
	world_run();
	world_exit(&world.scripts[1], SIGSEGV);
	client_run();
	ok(client_answer(1)->ends == 1 && client_answer(1)->size == 270008,
	   "a request that has ended is sent to its end, although the next one is cut");
	ok(client.closed && client_answer(2)->ends == 0 &&
	   strcmp(client_answer(2)->out, "X: 2\r\n\r\npart") == 0,
	   "and what has come of that is sent, too");
	end("multiplexing");

	begin();
	for (uint16_t id = 1; id <= REQUEST_MOST; id++)
		client_record(FCGI_BEGIN_REQUEST, id, responder, sizeof responder);
	client_run();
	ok(client_answer(REQUEST_MOST)->ends == 0, "%d requests fit on a connection", REQUEST_MOST);
	client_record(FCGI_BEGIN_REQUEST, REQUEST_MOST + 1, responder, sizeof responder);
	ok(client_answer(REQUEST_MOST + 1)->ends == 1 &&
	   strncmp(client_answer(REQUEST_MOST + 1)->out, "Status: 503", 11) == 0 && !is_lost(),
	   "and one more is refused with 503");
	end("multiplexing");

	begin();
	client_ask(1, 0, CLIENT_KEEP);
	client_record(FCGI_BEGIN_REQUEST, 1, responder, sizeof responder);
	ok(is_lost() && was_reported("second FCGI_BEGIN_REQUEST"),
	   "an id that is in use cannot begin again");
	end("multiplexing");
}

static void test_management(void)
{
	static const char values[] = "\16\0FCGI_MAX_CONNS\15\0FCGI_MAX_REQS\17\0FCGI_MPXS_CONNS"
				     "\7\0UNKNOWN";
	static const char known[] = "\16\3FCGI_MAX_CONNS100\15\4FCGI_MAX_REQS1280"
				    "\17\1FCGI_MPXS_CONNS1";
	static const unsigned char filter[RECORD_BODY_SIZE] = { 0, FCGI_FILTER, FCGI_KEEP_CONN };

	begin();
	client_record(FCGI_GET_VALUES, 0, values, sizeof values - 1);
	client_run();
	ok(client.results == 1, "FCGI_GET_VALUES is answered");
	ok(client.values_size == sizeof known - 1 &&
	   memcmp(client.values, known, sizeof known - 1) == 0,
	   "with the values that are known");
	client_record(99, 0, "what?", 5);
	client_run();
	ok(client.unknown == 1, "a management record of another type: FCGI_UNKNOWN_TYPE");
	client_record(FCGI_BEGIN_REQUEST, 1, filter, sizeof filter);
	ok(client_answer(1)->ends == 1 && client_answer(1)->protocol_status == FCGI_UNKNOWN_ROLE,
	   "a role that we do not have: FCGI_UNKNOWN_ROLE");
	client_record(FCGI_STDIN, 9, "nobody's", 8);
	client_record(FCGI_ABORT_REQUEST, 9, "", 0);
	ok(!is_lost(), "records of an id that is not in use are ignored");
	for (int i = 1; i <= QUESTIONS; i++) {
		client_record(99, 0, "", 0);
		if (i % 100 == 0)
			world_run();
	}
	ok(world.service.count == 1 && world_room(client.fd) < world.socket_size,
	   "one that asks and does not read is not read for ever");
	client_run();
	ok(client.unknown == 1 + QUESTIONS, "and has all its answers when it reads");
	serve(1, CLIENT_KEEP);
	ok(client_answer(1)->ends == 2, "and is served");
	end("management");
}

/* Two clients whose questions are there in the same turn. */
static void test_at_once(void)
{
	unsigned char question[RECORD_HEADER_SIZE], answer[64];
	int other;

	begin();
	other = world_connect();
	record_put_header(question, 99, 0, 0);
	world_put(other, question, sizeof question);
	client_record(99, 0, "", 0);
	client_run();
	ok(client.unknown == 1 && world_get(other, answer, sizeof answer) == 16,
	   "clients who ask at the same time are all answered");
	world_close(other);
	end("at once");
}

static void test_mistakes(void)
{
	begin();
	client_bytes("GET / HTTP/1.0\r\n\r\n", 18);
	ok(is_lost() && was_reported("does not speak FastCGI"), "another protocol ends the connection");
	end("mistake");

	begin();
	client_record(FCGI_BEGIN_REQUEST, 1, responder, 7);
	ok(is_lost() && was_reported("malformed"), "a FCGI_BEGIN_REQUEST of another length does");
	end("mistake");

	begin();
	client_record(FCGI_BEGIN_REQUEST, 1, responder, sizeof responder);
	client_record(FCGI_STDIN, 1, "x", 1);
	ok(is_lost() && was_reported("unexpected FCGI_STDIN for request 1"),
	   "a body before its parameters does");
	end("mistake");

	begin();
	client_start(1, CLIENT_KEEP);
	client_record(FCGI_PARAMS, 1, "x", 1);
	ok(is_lost() && was_reported("unexpected FCGI_PARAMS"), "parameters behind their end do");
	ok(was_terminated(&world.scripts[0]), "and a script that runs is terminated");
	end("mistake");
}

static void shut(void)
{
	world_shut(client.fd);
	world_run();
}

/* A script ends, and what is left of its response is more than the socket holds. */
static void begin_tail(void)
{
	struct world_script *s = client_start(1, 0);

	world_put(s->ends[1], "X: 1\n\n", 6);
	for (int i = 0; i < 5; i++) {
		world_run();
		world_put(s->ends[1], large, 50000);
	}
	world_run();
	world_exit(s, 0);
	world_run();
	world_expect(process_count() == 0, "the script has not been finished");
}

static bool is_tail_whole(void)
{
	return client_answer(1)->ends == 1 && client_answer(1)->size == 8 + 5 * 50000;
}

static void test_half_closing(void)
{
	struct world_script *s;

	begin();
	s = client_start(1, CLIENT_KEEP);
	shut();
	ok(!was_terminated(s), "a client that closes its side of a Unix socket may read on");
	script_says(s, "X: 1\n\n");
	script_exits(s, 0);
	ok(is_served(1) && is_lost(), "and gets what it has asked for, and no more");
	end("half-closed");

	begin();
	client_ask(1, 10, CLIENT_KEEP);
	s = world_start();
	client_body(1, "half", 4);
	shut();
	ok(was_terminated(s), "but not with half a request");
	end("half-closed");

	begin();
	client_start(1, CLIENT_KEEP);
	client_bytes("\1\5\0\1", 4);
	shut();
	ok(was_terminated(&world.scripts[0]), "nor within a record");
	end("half-closed");

	begin();
	world.service.tcp = true;
	s = client_start(1, CLIENT_KEEP);
	shut();
	ok(was_terminated(s), "on a TCP socket it is gone, with --on-abort=kill");
	end("half-closed");

	begin();
	world.service.tcp = true;
	world.settings.on_abort = ON_ABORT_IGNORE;
	s = client_start(1, CLIENT_KEEP);
	shut();
	ok(!was_terminated(s), "and not with --on-abort=ignore");
	script_says(s, "X: 1\n\n");
	script_exits(s, 0);
	ok(is_served(1), "but gets its response");
	end("half-closed");

	begin();
	begin_tail();
	shut();
	client_run();
	ok(is_tail_whole(), "who closes its side when the script has ended gets the rest of the response");
	ok(world.service.count == 0, "and is not waited for then");
	end("half-closed");

	begin();
	world.service.tcp = true;
	begin_tail();
	shut();
	client_run();
	ok(is_tail_whole(), "on a TCP socket, too, since there is no script to terminate");
	end("half-closed");

	begin();
	world.service.tcp = true;
	serve(1, CLIENT_KEEP);
	world_shut(client.fd);
	world_turn();
	ok(world.service.count == 0, "a kept connection that its client closes is closed at once");
	end("half-closed");

	begin();
	for (int i = 1; i <= MANY_QUESTIONS; i++) {
		client_record(99, 0, "", 0);
		if (i % 100 == 0)
			world_run();
	}
	shut();
	client_run();
	ok(client.unknown == MANY_QUESTIONS && world.service.count == 0,
	   "who asks about us only gets the rest of the answers");
	end("half-closed");

	begin();
	shut();
	ok(world.service.count == 0, "who closes without a request is not waited for");
	end("half-closed");

	begin();
	s = client_start(1, CLIENT_KEEP);
	shut();
	world_close(client.fd);
	client.fd = -1;
	world_run();
	ok(was_terminated(s), "a half-closed client that leaves is gone");
	end("half-closed");

	begin();
	s = client_start(1, CLIENT_KEEP);
	world_vanish(client.fd);
	client.fd = -1;
	world_run();
	ok(was_terminated(s), "and so is one whose connection is reset");
	end("reset");
}

static void test_lingering(void)
{
	static const unsigned char filter[RECORD_BODY_SIZE] = { 0, FCGI_FILTER };

	begin();
	client_ask(1, 100000, 0);
	client_body(1, large, 10000);
	script_exits(world_start(), 0);
	ok(client.closed && world.service.count == 1,
	   "a client that has more to send sees our end, and is read on");
	for (int i = 0; i < 3; i++) {
		world_pass(LINGER - 1000);
		ok(client_bytes(large, 10000), "and can send its rest");
		world_run();
	}
	ok(world.service.count == 0, "for --client-timeout in all");
	end("lingering");

	begin();
	client_ask(1, 100000, 0);
	script_exits(world_start(), 0);
	ok(client.closed && world.service.count == 1, "who sends nothing more");
	world_pass(LINGER);
	ok(world.service.count == 0, "is waited for 5 s");
	end("lingering");

	begin();
	client_ask(1, 0, 0);
	client_end_body(1);
	script_exits(world_start(), 0);
	ok(client.closed && world.service.count == 0, "who has sent all is not waited for");
	end("lingering");

	begin();
	client_record(FCGI_BEGIN_REQUEST, 1, filter, sizeof filter);
	client_run();
	ok(client.closed && world.service.count == 1,
	   "who asks for a role that we do not have may send the rest of its request");
	end("lingering");
}

static void test_finishing(void)
{
	struct world_script *s;

	begin();
	s = client_start(1, CLIENT_KEEP);
	connection_finish_all(&world.service);
	world_run();
	ok(!is_lost(), "when all ends, a request that runs is finished");
	script_says(s, "X: 1\n\n");
	script_exits(s, 0);
	ok(is_served(1) && is_lost(), "and its connection closed");
	end("finishing");

	begin();
	s = client_start(1, CLIENT_KEEP);
	connection_finish_all(&world.service);
	shut();
	ok(!was_terminated(s), "although its client closes its side");
	script_says(s, "X: 1\n\n");
	script_exits(s, 0);
	ok(is_served(1) && is_lost(), "and answered");
	end("finishing");

	begin();
	client_ask(1, 10, CLIENT_KEEP);
	s = world_start();
	client_body(1, "half", 4);
	connection_finish_all(&world.service);
	shut();
	ok(was_terminated(s), "but not half a request");
	end("finishing");

	begin();
	world.spool_most = 0;
	client_ask(1, sizeof large, CLIENT_KEEP);
	s = world_start();
	for (int i = 0; i < 5; i++)
		client_body(1, large, 50000);
	world_pass(1000);
	connection_finish_all(&world.service);
	ok(client_answer(1)->ends == 0 && !was_terminated(s),
	   "a client that is held back, since there is no disk for its body, still is");
	end("finishing");

	begin();
	serve(1, CLIENT_KEEP);
	connection_finish_all(&world.service);
	ok(is_lost(), "a kept connection is closed at once");
	end("finishing");

	begin();
	serve(1, CLIENT_KEEP);
	client_record(FCGI_BEGIN_REQUEST, 2, responder, sizeof responder);
	client_record(FCGI_PARAMS, 2, "", 0);
	connection_finish_all(&world.service);
	world_run();
	s = world_start();
	ok(s, "but a request that is there already is begun");
	script_says(s, "X: 1\n\n");
	script_exits(s, 0);
	ok(is_served(2) && is_lost(), "and served");
	end("finishing");

	begin();
	connection_finish_all(&world.service);
	client_ask(1, 0, CLIENT_KEEP);
	s = world_start();
	ok(s, "one that has not asked yet may do so");
	script_says(s, "X: 1\n\n");
	script_exits(s, 0);
	ok(is_served(1) && is_lost(), "once");
	end("finishing");

	begin();
	connection_finish_all(&world.service);
	world_run();
	ok_lost_after(LAST_CHANCE, "within a second");
	end("finishing");

	begin();
	s = client_start(1, CLIENT_KEEP);
	connection_close_all(&world.service);
	ok(was_terminated(s) && world.service.count == 0, "when all ends now, clients are gone");
	end("closing");
}

static int refuse_watch(enum world_call call, int fd)
{
	(void)fd;
	return call == WORLD_WATCH ? ENOSPC : 0;
}

static void test_no_room(void)
{
	begin();
	world_close(client.fd);
	world_run();
	world.refuse = refuse_watch;
	client.fd = world_connect();
	ok(client.fd < 0 && world.descriptors == 0 && world.service.count == 0,
	   "a connection that cannot be watched is closed");
	end("no room");
}

int main(void)
{
	memset(large, 'x', sizeof large);
	test_keeping();
	test_slow_clients();
	test_multiplexing();
	test_management();
	test_at_once();
	test_mistakes();
	test_half_closing();
	test_lingering();
	test_finishing();
	test_no_room();
	return tap_done();
}
