/* One request: its timers, what becomes of it when its client leaves, how it ends. */
#include <config.h>

#include "client.h"
#include "tap.h"

#include "../wrapper/process.h"
#include "../wrapper/request.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
	QUEUE_TIME = 30000,
	START_TIME = 20000,
	TIME = 50000,
	SILENCE = 40000,
	CLIENT_TIME = 10000,
	KILL_AFTER = 5000,
	NUMBERS = 256,   /* places in which scripts are looked for */
	STRANGERS = 1100 /* more than there are numbers, and than are remembered */
};

static struct settings settings;
static char large[300 * 1024];

static void begin(void)
{
	settings = world_settings();
	settings.queue_timeout = QUEUE_TIME;
	settings.start_timeout = START_TIME;
	settings.client_timeout = CLIENT_TIME;
	settings.kill_after = KILL_AFTER;
	settings.silence_timeout = settings.timeout = 0;
	settings.errors_to_client = true;
}

/* A world whose settings are as they are now, and a script that runs in it for request 1. */
static struct world_script *begin_running(void)
{
	client_open(&settings);
	return client_start(1, 0);
}

/* The same with a body of so many bytes, none of which has come. */
static struct world_script *begin_uploading(long length)
{
	client_open(&settings);
	client_ask(1, length, 0);
	return world_start();
}

static bool is_answered(uint16_t id)
{
	return client_answer(id)->ends > 0 || client_answer(id)->size > 0;
}

static const char *text_of(uint16_t id)
{
	return client_answer(id)->out;
}

static bool ends_with(uint16_t id, const char *text)
{
	const struct answer *a = client_answer(id);

	return a->ends == 1 && strcmp(a->out, text) == 0;
}

/* Whether something becomes true at a time from now and not a millisecond earlier. */
#define ok_after(time, before, after, ...) \
	do { \
		bool early, late; \
		world_pass((time) - 1); \
		early = (before); \
		world_pass(1); \
		late = (after); \
		ok(early && late, __VA_ARGS__); \
	} while (0)

#define ok_answer_after(time, status, text, ...) \
	ok_after(time, !is_answered(1), is_document(1, status) && strstr(text_of(1), text), __VA_ARGS__)

static void end(const char *what)
{
	ok(client_close(), "%s: nothing is left", what);
}

/* Timers, one row after the other. */

static void test_queue_timer(void)
{
	struct world_script *s;

	begin();
	settings.max_scripts = 1;
	client_open(&settings);
	client_start(2, CLIENT_KEEP);
	client_ask(1, 0, CLIENT_KEEP);
	ok_answer_after(QUEUE_TIME, 503, "--max-scripts, --queue-timeout",
			"no slot within --queue-timeout: 503");
	end("queue timer");

	begin();
	settings.max_scripts = 1;
	client_open(&settings);
	world.slots_most[SLOT_WAITING] = 0;
	client_start(2, CLIENT_KEEP);
	client_ask(1, 0, CLIENT_KEEP);
	ok(is_document(1, 503) && strstr(text_of(1), "--max-scripts, --queue"), "no room in the queue: 503");
	end("full queue");

	begin();
	settings.max_scripts = 1;
	client_open(&settings);
	s = client_start(2, CLIENT_KEEP);
	client_ask(1, 0, CLIENT_KEEP);
	script_exits(s, 0);
	s = world_start();
	world_pass(QUEUE_TIME + 1);
	ok(s && !is_answered(1) && !was_terminated(s), "once it runs, it has as much time as others");
	end("queue timer");

	begin();
	client_open(&settings);
	world.slots_most[SLOT_RUNNING] = 1;
	client_ask(1, 0, CLIENT_KEEP);
	for (int i = 0; i < QUEUE_TIME / 200 - 1; i++) {
		world_fail(world_job(0), LAUNCH_FORK, EAGAIN, 0);
		world_pass(200);
	}
	ok(!is_answered(1), "a start that the system is too short for is tried again");
	world_fail(world_job(0), LAUNCH_FORK, EAGAIN, 0);
	world_pass(200);
	if (world_job(0))
		world_fail(world_job(0), LAUNCH_FORK, EAGAIN, 0);
	world_run();
	ok(is_document(1, 503) && strstr(text_of(1), "for want of processes"),
	   "and given up within --queue-timeout");
	end("shortage");

	begin();
	client_open(&settings);
	client_ask(1, 0, CLIENT_KEEP);
	for (int i = 0; i < QUEUE_TIME / 200 - 1; i++) {
		world_fail(world_job(0), LAUNCH_FORK, EAGAIN, 0);
		world_pass(200);
	}
	world_pass(300);
	ok(!is_answered(1) && world_job(0), "a start that is on its way when --queue-timeout passes");
	script_says(world_start(), "X: 1\n\n");
	ok(strcmp(text_of(1), "X: 1\r\n\r\n") == 0, "is not given up");
	end("late start");
}

static void test_launch_timer(void)
{
	struct world_script *s;

	begin();
	client_open(&settings);
	client_ask(1, 0, 0);
	ok_answer_after(START_TIME, 504, "--start-timeout", "a start that hangs: 504");
	ok(world.slots_taken[SLOT_RUNNING] == 1, "the start that hangs keeps its slot");
	s = world_spawn(world_job(0));
	world_tell(s);
	world_run();
	ok(was_terminated(s), "a script that starts after all is terminated");
	end("launch timer");

	begin();
	client_open(&settings);
	client_ask(1, 0, 0);
	s = world_spawn(world_job(0));
	world_pass(START_TIME);
	ok(s->signals & 1u << SIGTERM, "a child that hangs on its way to the script is terminated");
	end("launch timer");

	begin();
	client_open(&settings);
	client_ask(1, 0, 0);
	world.now += START_TIME;
	s = world_start();
	world_run();
	ok(!is_answered(1) && !was_terminated(s), "a start that succeeds in the last moment counts");
	end("launch timer");
}

static void test_time_timer(void)
{
	struct world_script *s;

	begin();
	settings.timeout = TIME;
	s = begin_running();
	s->deaf = true;
	ok_answer_after(TIME, 504, "--timeout", "a script that runs too long: 504");
	ok(s->signals == 1u << SIGTERM, "it gets TERM");
	ok_after(KILL_AFTER, !(s->signals & 1u << SIGKILL), s->signals & 1u << SIGKILL,
		 "and KILL after --kill-after");
	end("time");

	begin();
	settings.timeout = TIME;
	s = begin_running();
	script_says(s, "X: 1\n\nbody");
	world_pass(TIME);
	client_run();
	ok(client.closed && client_answer(1)->ends == 0,
	   "a response that has begun is cut, and nothing says that it is whole");
	end("time");

	begin();
	settings.timeout = TIME;
	s = begin_running();
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_turn();
	world.refuse = NULL;
	for (int i = 0; i < 8; i++) {
		world_put(s->ends[1], large, sizeof large);
		world_run();
	}
	world_exit(s, 0);
	world_pass(TIME);
	ok(client_answer(1)->ends == 1, "a script that has exited in time is not too late because "
	   "its client reads slowly");
	end("time");
}

static void test_silence_timer(void)
{
	struct world_script *s;

	begin();
	settings.silence_timeout = SILENCE;
	begin_running();
	ok_answer_after(SILENCE, 504, "--silence-timeout", "no byte from a script: 504");
	end("silence");

	begin();
	settings.silence_timeout = SILENCE;
	s = begin_running();
	for (int i = 0; i < 5; i++) {
		world_pass(SILENCE - 1);
		world_put(s->ends[2], "still here\n", 11);
		client_run();
	}
	ok(!is_answered(1), "a line on standard error is no silence");
	ok_answer_after(SILENCE, 504, "--silence-timeout", "silence is counted from the last byte");
	end("silence");

	begin();
	settings.silence_timeout = SILENCE;
	s = begin_uploading(290000);
	for (int i = 0; i < 4; i++)
		client_body(1, large, 60000);
	world_pass(100);
	client_body(1, large, 50000);
	for (int i = 0; i < 4; i++) {
		world_pass(SILENCE - 1);
		world_get(s->ends[0], large, 50000);
		world_run();
	}
	ok(!is_answered(1), "nor is a script that reads of a body that was stored");
	ok_answer_after(SILENCE, 504, "--silence-timeout", "as long as it does");
	end("silence");

	begin();
	settings.silence_timeout = SILENCE;
	s = begin_uploading(290000);
	for (int i = 0; i < 4; i++)
		client_body(1, large, 60000);
	world_pass(100);
	client_body(1, large, 50000);
	world_pass(SILENCE - 1);
	world.now += 1;
	world_get(s->ends[0], large, 50000);
	world_run();
	ok(!is_answered(1), "and may do so in the last moment");
	end("silence");

	begin();
	settings.silence_timeout = SILENCE;
	s = begin_running();
	world.now += SILENCE;
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_turn();
	script_exits(s, 0);
	ok(ends_with(1, "X: 1\r\n\r\n"), "a byte in the last moment breaks the silence");
	end("silence");

	begin();
	settings.silence_timeout = SILENCE;
	s = begin_running();
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_run();
	for (int i = 0; i < 10; i++) {
		world_put(s->ends[1], large, sizeof large);
		world_run();
	}
	for (int i = 0; i < 5; i++) {
		world_get(client.fd, large, 100);
		world_pass(SILENCE - 1);
	}
	ok(!was_terminated(s), "a client that reads a little of what the system holds is not silent");
	world_pass(2 * SILENCE);
	ok(was_terminated(s), "one that reads nothing is");
	end("silence");

	begin();
	settings.silence_timeout = SILENCE;
	s = begin_running();
	world_put(s->ends[1], "X: 1\n\n", 6);
	for (int i = 0; i < 5; i++) {
		world_put(s->ends[1], large, 50000);
		world_run();
	}
	world_pass(SILENCE - 1);
	client_run();
	world_pass(1);
	ok(!was_terminated(s), "and bytes that a slow client takes in the last moment break the silence");
	end("silence");

	begin();
	settings.timeout = settings.silence_timeout = TIME;
	s = begin_running();
	world_pass(TIME);
	ok(is_document(1, 504), "two time-outs that pass at once end the request once");
	end("silence");
}

static void test_client_timer(void)
{
	static const unsigned char responder[RECORD_BODY_SIZE] = { 0, FCGI_RESPONDER };
	struct world_script *s;

	begin();
	client_open(&settings);
	client_record(FCGI_BEGIN_REQUEST, 1, responder, sizeof responder);
	world_turn();
	ok_answer_after(CLIENT_TIME, 408, "--client-timeout", "no end of FCGI_PARAMS: 408");
	end("client timer");

	begin();
	client_open(&settings);
	client_ask(1, -1, 0);
	world_pass(CLIENT_TIME - 1);
	client_body(1, "x", 1);
	ok_answer_after(CLIENT_TIME, 408, "--client-timeout",
			"no end of a body of unknown length: 408, counted from the last part");
	end("client timer");

	begin();
	s = begin_uploading(10);
	client_body(1, "x", 1);
	ok_answer_after(CLIENT_TIME, 408, "--client-timeout", "no more of a body: 408");
	ok(was_terminated(s), "its script is terminated");
	ok(world_get(s->ends[0] < 0 ? client.fd : s->ends[0], large, 10) != 0 || s->exited,
	   "and does not see an end of the body");
	end("client timer");

	begin();
	s = begin_uploading(200000);
	for (int i = 0; i < 3; i++)
		client_body(1, large, 60000);
	world_pass(3 * CLIENT_TIME);
	ok(!is_answered(1), "while the script has not read what has come, the client is not late");
	end("client timer");

	begin();
	s = begin_uploading(10);
	world.now += CLIENT_TIME;
	client_body(1, "0123456789", 10);
	world_run();
	ok(!is_answered(1) && !was_terminated(s), "a body in the last moment counts");
	end("client timer");

	begin();
	client_open(&settings);
	client_ask(1, 10, 0);
	world_pass(CLIENT_TIME + 1);
	ok(!is_answered(1), "while a script is starting, nobody waits for the client");
	end("client timer");
}

static void test_exit_timer(void)
{
	struct world_script *s;

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\n");
	script_closes(s, 1);
	script_closes(s, 2);
	ok_after(100, client_answer(1)->ends == 0, ends_with(1, "X: 1\r\n\r\n"),
		 "a script that has closed its output gets 100 ms to exit");
	ok(!was_terminated(s) && world.slots_taken[SLOT_BACKGROUND] == 1,
	   "then it goes on in the background");
	end("exit timer");

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\n");
	script_closes(s, 1);
	script_closes(s, 2);
	world_pass(99);
	script_exits(s, 3 << 8);
	ok(ends_with(1, "X: 1\r\n\r\n") && client_answer(1)->app_status == 3,
	   "and when it does, its status is told");
	end("exit timer");

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\n");
	world_pass(500);
	script_closes(s, 2);
	world_pass(500);
	script_closes(s, 1);
	ok_after(100, client_answer(1)->ends == 0, ends_with(1, "X: 1\r\n\r\n"),
		 "however long it has run, and its standard error been closed, before");
	end("exit timer");

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\n");
	script_closes(s, 1);
	world_pass(1000);
	ok(client_answer(1)->ends == 0, "a script whose standard error is open has not ended");
	end("exit timer");
}

static void test_drain_timer(void)
{
	struct world_script *s;

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\n");
	s->helpers = 1;
	script_exits(s, 0);
	ok_after(1000, client_answer(1)->ends == 0, ends_with(1, "X: 1\r\n\r\n"),
		 "output that others hold open is waited for 1 s after the script's exit");
	end("drain timer");

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\n");
	s->helpers = 1;
	script_exits(s, 0);
	for (int i = 0; i < 3; i++) {
		world_pass(900);
		script_says(s, "more");
	}
	ok_after(1000, client_answer(1)->ends == 0, ends_with(1, "X: 1\r\n\r\nmoremoremore"),
		 "and each piece of it prolongs that");
	end("drain timer");

	begin();
	s = begin_running();
	s->helpers = 1;
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_run();
	for (int i = 0; i < 10; i++) {
		world_put(s->ends[1], large, sizeof large);
		world_run();
	}
	world_exit(s, 0);
	world_pass(5000);
	client_run();
	world_pass(5000);
	ok(client_answer(1)->ends == 1 && client_answer(1)->size > 300 * 1024,
	   "output that waits for a slow client is not lost");
	end("drain timer");
}

static void test_more_timer(void)
{
	struct world_script *s;

	begin();
	s = begin_uploading(100);
	client_body(1, "some", 4);
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_pass(499);
	client_body(1, "more", 4);
	ok_after(500, client_answer(1)->size == 0, client_answer(1)->size > 0,
		 "a response does not begin within 500 ms of a part of the body");
	end("more timer");

	begin();
	s = begin_uploading(8);
	world_put(s->ends[1], "X: 1\n\n", 6);
	client_body(1, "all here", 8);
	ok(client_answer(1)->size > 0, "but at once when all of the body has come");
	end("more timer");

	begin();
	s = begin_uploading(100);
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_end_output(s, 0);
	client_body(1, "some", 4);
	ok(client_answer(1)->size > 0, "or when the script has closed its input");
	end("more timer");

	begin();
	s = begin_uploading(100);
	client_body(1, "some", 4);
	world_put(s->ends[1], "X: 1\n\n", 6);
	script_exits(s, 0);
	ok(ends_with(1, "X: 1\r\n\r\n"), "or when it has exited");
	end("more timer");

	begin();
	client_open(&settings);
	client_ask(1, 100, 0);
	client_body(1, "some", 4);
	s = world_spawn(world_job(0));
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_tell(s);
	client_run();
	ok(client_answer(1)->size == 0,
	   "an answer that is there when the start is told waits for the body as well");
	world_pass(500);
	client_run();
	ok(client_answer(1)->size > 0, "and no longer");
	end("more timer");
}

static void test_lag_timer(void)
{
	begin();
	begin_uploading(290000);
	for (int i = 0; i < 4; i++)
		client_body(1, large, 60000);
	world_run();
	ok(world_room(client.fd) < world.socket_size, "a client is held back while its script reads");
	ok_after(100, world_room(client.fd) < world.socket_size,
		 world_room(client.fd) == world.socket_size && world.spooled > 0,
		 "one whose script has taken nothing for 100 ms is read, and its body is stored");
	end("lag timer");

	begin();
	client_open(&settings);
	client_ask(1, 290000, 0);
	for (int i = 0; i < 4; i++)
		client_body(1, large, 60000);
	world_run();
	ok(world_room(client.fd) < world.socket_size && world.spooled == 0,
	   "a client is held back while its script starts");
	ok_after(100, world.spooled == 0,
		 world_room(client.fd) == world.socket_size && world.spooled > 0,
		 "one whose script takes longer to start is read, and its body is stored");
	world_start();
	world_run();
	end("lag timer");
}

/* Bodies for which there is no disk. */

enum { KEPT = 290000 };

/* A client sends its body in records of that size, as fast as it is read; its script begins
 * to read when the client is held back. True if it gets the whole body. */
static bool pass_body(size_t record, bool spliced)
{
	static unsigned char wire[KEPT * 2], got[KEPT + 1];
	size_t size = 0, sent = 0, received = 0;
	struct world_script *s;
	ssize_t n;

	for (size_t at = 0; at < KEPT; at += record) {
		size_t part = KEPT - at < record ? KEPT - at : record;

		record_put_header(wire + size, FCGI_STDIN, 1, part);
		size += RECORD_HEADER_SIZE;
		for (size_t i = at; i < at + part; i++)
			wire[size++] = (unsigned char)(i * 2654435761u >> 13);
	}
	s = begin_uploading(KEPT);
	world.can_splice = spliced;
	for (int turns = 0; turns < 1000 && received < KEPT && !world.fault; turns++) {
		sent += (size_t)world_put(client.fd, wire + sent, size - sent);
		world_run();
		if (turns < 3)
			world_pass(200);
		else if ((n = world_get(s->ends[0], got + received, sizeof got - received)) > 0)
			received += (size_t)n;
	}
	for (size_t i = 0; i < received; i++)
		if (got[i] != (unsigned char)(i * 2654435761u >> 13))
			return false;
	return received == KEPT && !is_answered(1);
}

static void test_no_disk(void)
{
	static const size_t sizes[] = { 1000, 5000, 12000, 32000, 65535 };

	for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
		begin();
		settings.max_spool = 0;
		ok(pass_body(sizes[i / 2], i % 2), "without disk a client is held back: records of %zu bytes%s",
		   sizes[i / 2], i % 2 ? ", spliced" : "");
		end("no disk");
	}
}

/* A client that leaves, phase by phase. */

static void leave(void)
{
	world_close(client.fd);
	client.fd = -1;
	world_run();
}

static void test_gone(void)
{
	static const unsigned char responder[RECORD_BODY_SIZE] = { 0, FCGI_RESPONDER };
	struct world_script *s;

	begin();
	client_open(&settings);
	client_record(FCGI_BEGIN_REQUEST, 1, responder, sizeof responder);
	world_turn();
	ok(world.slots_taken[SLOT_UNFINISHED] == 1, "a request that is not whole has a slot");
	leave();
	ok(!world_find_remains(), "client gone within FCGI_PARAMS: nothing is left");

	begin();
	client_open(&settings);
	client_ask(1, -1, 0);
	client_body(1, large, 60000);
	client_body(1, large, 60000);
	leave();
	ok(!world_find_remains(), "client gone within a body of unknown length: nothing is left");

	begin();
	settings.max_scripts = 1;
	client_open(&settings);
	s = client_start(2, CLIENT_KEEP);
	client_ask(1, 0, CLIENT_KEEP);
	ok(world.slots_taken[SLOT_WAITING] == 1, "a request that waits has a slot of the queue");
	leave();
	ok(world.slots_taken[SLOT_WAITING] == 0 && !world_job(0),
	   "client gone in the queue: it does not wait any more");
	end("gone");

	begin();
	client_open(&settings);
	client_ask(1, 0, 0);
	leave();
	ok(world.slots_taken[SLOT_RUNNING] == 1, "client gone during the start: its slot is kept");
	s = world_start();
	world_run();
	ok(was_terminated(s), "and its script is terminated when it has started");
	end("gone");

	begin();
	settings.on_abort = ON_ABORT_IGNORE;
	client_open(&settings);
	client_ask(1, 0, 0);
	leave();
	ok(world.slots_taken[SLOT_RUNNING] == 1 && world.slots_taken[SLOT_BACKGROUND] == 0,
	   "with --on-abort=ignore, too, as the starter marks it");
	world_start();
	world_run();
	ok(world.slots_taken[SLOT_RUNNING] == 0 && world.slots_taken[SLOT_BACKGROUND] == 1,
	   "until the script has started");
	world_exit(&world.scripts[0], 0);
	end("gone");

	begin();
	s = begin_running();
	leave();
	ok(was_terminated(s), "client gone: its script is terminated");
	end("gone");

	begin();
	settings.on_abort = ON_ABORT_IGNORE;
	s = begin_running();
	leave();
	ok(!was_terminated(s) && world.slots_taken[SLOT_BACKGROUND] == 1,
	   "with --on-abort=ignore it goes on in the background");
	world_put(s->ends[1], "X: 1\n\nnobody reads this", 23);
	world_pass(100);
	ok(world_room(s->ends[1]) == WORLD_PIPE_SIZE, "and its output is read and discarded");
	ok(world_put(s->ends[1], "nor this", 8) == 8, "again and again");
	end("gone");

	begin();
	settings.on_abort = ON_ABORT_IGNORE;
	settings.background_timeout = 60000;
	client_open(&settings);
	client_ask(1, 0, 0);
	s = world_spawn(world_job(0));
	leave();
	ok_after(60000, !was_terminated(s), was_terminated(s),
		 "a start that hangs in the background is ended after --background-timeout");
	end("gone, start");

	begin();
	settings.on_abort = ON_ABORT_IGNORE;
	s = begin_uploading(10);
	client_body(1, "half", 4);
	leave();
	ok(was_terminated(s), "but not without the rest of its body");
	end("gone");

	begin();
	s = begin_running();
	script_says(s, "Content-Length: 4\n\nbody");
	leave();
	ok(!was_terminated(s), "a script whose client has got all of the response is not abandoned");
	end("gone");

	begin();
	s = begin_running();
	script_says(s, "Content-Length: 4\n\nbod");
	leave();
	ok(was_terminated(s), "one whose client has got a part of it is");
	end("gone");

	begin();
	s = begin_running();
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_run();
	for (int i = 0; i < 10; i++) {
		world_put(s->ends[1], large, sizeof large);
		world_run();
	}
	world_exit(s, 0);
	world_run();
	leave();
	end("client gone at the end of a response");
}

static void abort_request(uint16_t id)
{
	client_record(FCGI_ABORT_REQUEST, id, "", 0);
	client_run();
}

static void test_abort(void)
{
	static const unsigned char keep[RECORD_BODY_SIZE] = { 0, FCGI_RESPONDER, FCGI_KEEP_CONN };
	struct world_script *s, *other;

	begin();
	client_open(&settings);
	client_record(FCGI_BEGIN_REQUEST, 1, keep, sizeof keep);
	abort_request(1);
	ok(ends_with(1, ""), "aborted within FCGI_PARAMS: it ends");

	client_ask(2, -1, CLIENT_KEEP);
	abort_request(2);
	ok(ends_with(2, ""), "aborted within a body of unknown length: it ends");

	client_ask(3, 0, CLIENT_KEEP);
	abort_request(3);
	ok(ends_with(3, ""), "aborted during its start: it ends");
	s = world_start();
	world_run();
	ok(was_terminated(s), "and its script is terminated when it has started");

	s = client_start(4, CLIENT_KEEP);
	script_says(s, "X: 1\n\npart");
	abort_request(4);
	ok(client_answer(4)->ends == 1 && was_terminated(s), "aborted while it runs: it ends, and "
	   "its script is terminated");
	abort_request(4);
	ok(client_answer(4)->ends == 1, "an abort that comes too late is ignored");
	end("abort");

	begin();
	client_open(&settings);
	s = client_start(1, CLIENT_KEEP);
	other = client_start(2, CLIENT_KEEP);
	s->own_group = other->group;
	abort_request(1);
	ok(was_terminated(s) && !was_terminated(other),
	   "a script that has gone to another's group is terminated, and nobody else of that");
	end("abort");
}

/* A response whose body is spliced, up to a record that waits in the pipe for the client: what
 * becomes of its descriptor when the script is let go of. */

static void fill_client(struct world_script *s)
{
	world.can_splice = true;
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_run();
	for (int i = 0; i < 10; i++) {
		world_put(s->ends[1], large, 50000);
		world_run();
	}
	if (world.service.connections == NULL)
		world_expect(false, "the client has been lost");
}

static void test_spliced(void)
{
	struct world_script *s;

	begin();
	settings.timeout = TIME;
	s = begin_running();
	fill_client(s);
	world_pass(TIME);
	client_run();
	ok(client.closed && client_answer(1)->ends == 0 && client_answer(1)->size > 100000,
	   "a spliced response that is cut is sent as far as it has come");
	end("spliced and cut");

	begin();
	s = begin_uploading(100);
	client_body(1, "some", 4);
	world_pass(500);
	fill_client(s);
	world_shut(client.fd);
	world_run();
	ok(was_terminated(s), "a half-closed client that owes a part of the body has left");
	client_run();
	ok(client.closed && client_answer(1)->ends == 0, "and its spliced response is cut");
	end("spliced and half-closed");

	begin();
	client_open(&settings);
	s = client_start(1, CLIENT_KEEP);
	fill_client(s);
	client_record(FCGI_ABORT_REQUEST, 1, "", 0);
	world_run();
	ok(!was_terminated(s), "an abort waits for a record that has begun");
	client_run();
	ok(was_terminated(s) && client_answer(1)->ends == 1 && !client.closed, "and no longer");
	end("spliced and aborted");
}

/* Starts. */

static void test_starts(void)
{
	static const struct {
		enum launch_step step;
		int error, found, status;
		const char *what;
	} rows[] = {
		{ LAUNCH_RESOLVE, 0, 404, 404, "a script that is not there: 404" },
		{ LAUNCH_RESOLVE, 0, 403, 403, "a script that may not be run: 403" },
		{ LAUNCH_CHDIR, EACCES, 0, 403, "a directory that cannot be entered: 403" },
		{ LAUNCH_EXEC, ENOEXEC, 0, 502, "a file that cannot be executed: 502" },
		{ LAUNCH_LIMITS, EPERM, 0, 503, "limits that cannot be set: 503" },
	};
	static const char *const reasons[] = {
		[LAUNCH_RESOLVE] = "cannot be found",
		[LAUNCH_CHDIR] = "cannot change to its directory",
		[LAUNCH_EXEC] = "cannot be executed",
		[LAUNCH_LIMITS] = "cannot be started",
	};
	struct world_script *s;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin();
		client_open(&settings);
		client_ask(1, 0, 0);
		world_fail(world_job(0), rows[i].step, rows[i].error, rows[i].found);
		ok(is_document(1, rows[i].status), "%s", rows[i].what);
		ok(was_reported(reasons[rows[i].step]) && strstr(text_of(1), reasons[rows[i].step]),
		   "and log and client are told why");
		ok(!world_find_remains() || client.closed, "and nothing runs");
		end("failed start");
	}

	begin();
	client_open(&settings);
	client_ask(1, 0, 0);
	s = world_spawn(world_job(0));
	world_put(s->ends[1], "X: 1\n\nquick", 11);
	world_exit(s, 0);
	world_run();
	ok(!is_answered(1), "a script that has ended before its starter tells of it");
	world_tell(s);
	ok(ends_with(1, "X: 1\r\n\r\nquick"), "has its response sent");
	end("early end");

	begin();
	client_open(&settings);
	client_ask(1, 0, 0);
	s = world_spawn(world_job(0));
	world_exit(s, 0);
	world_run();
	world_pass(START_TIME);
	world_tell(s);
	ok(!was_terminated(s), "a script that has ended before it is terminated");
	end("is not signalled");
}

/* A start that went well wakes nobody: the loop asks when it has a reason to. */
static struct world_script *finish_start(const char *body)
{
	struct world_script *s;

	begin();
	client_open(&settings);
	client_ask(1, (long)strlen(body), 0);
	client_body(1, body, strlen(body));
	s = world_spawn(world_job(0));
	world_finish(s);
	world_run();
	return s;
}

static void test_unheard_starts(void)
{
	struct world_script *s = finish_start("");

	ok(world.launches == 1, "a start that went well is not heard of");
	world_pass(50);
	ok(world.launches == 0, "until some time has passed");
	script_exits(s, 0);
	end("unheard start");

	s = finish_start("");
	script_says(s, "X: 1\n\nhello");
	ok(world.launches == 0, "or its script writes");
	script_exits(s, 0);
	ok(ends_with(1, "X: 1\r\n\r\nhello"), "which loses nothing");
	end("unheard start, output");

	s = finish_start("");
	world_put(s->ends[2], "oh\n", 3);
	client_run();
	ok(world.launches == 0, "or complains");
	script_exits(s, 0);
	end("unheard start, errors");

	s = finish_start("");
	s->helpers = 1;
	world_exit(s, 0);
	world_run();
	ok(world.launches == 0, "or exits");
	world_end_helpers(s);
	world_run();
	end("unheard start, exit");

	s = finish_start("");
	s->deaf = true;
	abort_request(1);
	ok(world.launches == 0 && was_terminated(s), "or is to be ended");
	end("unheard start, abort");

	s = finish_start("");
	s->helpers = 1;
	process_kill_all();
	ok(world.launches == 0, "or when all are killed");
	world_end_helpers(s);
	end("unheard start, kill");

	s = finish_start("body");
	ok(world.launches == 0, "and at once if there is a body for it");
	script_exits(s, 0);
	end("unheard start, body");

	begin();
	settings.start_timeout = 20;
	client_open(&settings);
	client_ask(1, 0, 0);
	s = world_spawn(world_job(0));
	world_finish(s);
	world_pass(30);
	ok(world.launches == 0 && !was_terminated(s), "it is not given up by --start-timeout");
	script_says(s, "X: 1\n\nhello");
	script_exits(s, 0);
	ok(ends_with(1, "X: 1\r\n\r\nhello"), "and serves");
	end("unheard start, time");
}

/* Ends of children that nobody asks for are remembered as long as a start hangs. */
static void test_strangers(void)
{
	struct world_script *s;

	begin();
	client_open(&settings);
	client_ask(1, 0, CLIENT_KEEP);
	for (int i = 0; i < STRANGERS; i++) {
		world_end_stranger();
		world_run();
	}
	client_ask(3, 0, CLIENT_KEEP);
	s = world_spawn(world_job(1));
	world_tell(s);
	world_run();
	ok(!is_answered(3), "a script with the number of a child that has ended");
	script_says(s, "X: 1\n\nalive");
	script_exits(s, 3 << 8);
	ok(ends_with(3, "X: 1\r\n\r\nalive") && client_answer(3)->app_status == 3,
	   "is not taken for that");
	client_ask(5, 0, CLIENT_KEEP);
	s = world_spawn(world_job(1));
	world_put(s->ends[1], "X: 1\n\nquick", 11);
	world_exit(s, 5 << 8);
	world_run();
	world_tell(s);
	ok(ends_with(5, "X: 1\r\n\r\nquick") && client_answer(5)->app_status == 5,
	   "nor is its own end lost, however many others there were");
	script_exits(world_start(), 0);
	end("strangers");
}

/* Scripts are found by their numbers, which may be alike. */
static void test_numbers(void)
{
	struct world_script *first, *second = NULL;

	begin();
	client_open(&settings);
	first = client_start(1, CLIENT_KEEP);
	for (int i = 0; i < STRANGERS; i++) {
		second = client_start(2, CLIENT_KEEP);
		if (second->pid % NUMBERS == first->pid % NUMBERS)
			break;
		script_exits(second, 0);
	}
	ok(second->pid % NUMBERS == first->pid % NUMBERS, "of two scripts that are looked for in one place");
	script_says(first, "X: 1\n\n");
	script_exits(first, 3 << 8);
	ok(ends_with(1, "X: 1\r\n\r\n") && client_answer(1)->app_status == 3 && !second->reaped,
	   "the right one is found");
	end("numbers");
}

/* Ends. */

static void test_long_header(void)
{
	struct world_script *s;
	size_t size = 0;

	begin();
	s = begin_running();
	while (size < 200 * 1024)
		size += (size_t)sprintf(large + size, "X-Line: %05zu\n", size);
	large[size++] = '\n';
	for (size_t at = 0; at < size; at += 50000) {
		world_put(s->ends[1], large + at, size - at < 50000 ? size - at : 50000);
		client_run();
	}
	ok(client_answer(1)->size > size, "a header block larger than the buffer comes while the "
	   "script runs");
	script_says(s, "body");
	script_exits(s, 0);
	ok(client_answer(1)->ends == 1 && strcmp(text_of(1) + client_answer(1)->size - 4, "body") == 0,
	   "and its body behind it");
	end("long header");
	memset(large, 'x', sizeof large);
}

static void test_ends(void)
{
	struct world_script *s;

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\nbody");
	ok(client_answer(1)->ends == 0, "a script that runs on has not ended");
	script_exits(s, 7 << 8);
	ok(ends_with(1, "X: 1\r\n\r\nbody") && client_answer(1)->app_status == 7,
	   "the end of a request has the script's exit status");
	ok(client.closed, "and the connection, if it is not kept, is closed");
	end("end");

	begin();
	s = begin_running();
	script_exits(s, 0);
	ok(is_document(1, 502) && strstr(text_of(1), "exited with status 0"),
	   "a script without an answer: 502");
	end("end");

	begin();
	s = begin_running();
	world_put(s->ends[2], "what went wrong\n", 16);
	script_exits(s, 1 << 8);
	ok(is_document(1, 502) && strstr(text_of(1), "it said: what went wrong"),
	   "and what it said last is told");
	end("end");

	begin();
	s = begin_running();
	script_says(s, "X: 1\n");
	script_exits(s, 0);
	ok(ends_with(1, "X: 1\r\n\r\n"), "a header block without an empty line is taken for whole");
	end("end");

	begin();
	s = begin_running();
	script_says(s, "X: 1\n");
	script_exits(s, 1 << 8);
	ok(is_document(1, 502), "but not of a script that has failed");
	end("end");

	begin();
	s = begin_running();
	script_says(s, "X: 1\nX-Cu");
	script_exits(s, 0);
	ok(is_document(1, 502) && strstr(text_of(1), "within its header"),
	   "nor if its last line has no end");
	end("end");

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\nbody");
	script_exits(s, SIGSEGV);
	ok(client.closed && client_answer(1)->ends == 0 && strstr(text_of(1), "body"),
	   "a response whose script was killed is cut");
	end("end");

	begin();
	s = begin_running();
	script_says(s, "Content-Length: 4\n\nbody");
	script_exits(s, SIGSEGV);
	ok(client_answer(1)->ends == 1 && client_answer(1)->app_status == 128 + SIGSEGV,
	   "unless all of it was there");
	end("end");

	begin();
	client_open(&settings);
	s = client_start(1, CLIENT_KEEP);
	client_ask(2, 0, CLIENT_KEEP);
	script_says(s, "X: 1\n\nbody");
	script_exits(s, SIGSEGV);
	ok(client_answer(1)->ends == 1 && client_answer(1)->protocol_status == FCGI_OVERLOADED &&
	   client_answer(1)->app_status == 128 + SIGSEGV && !client.closed,
	   "where others share the connection, the end says so, and they go on");
	s = world_start();
	script_says(s, "X: 2\n\n");
	script_exits(s, 0);
	ok(ends_with(2, "X: 2\r\n\r\n"), "to their ends");
	end("end");

	begin();
	s = begin_running();
	script_says(s, "no header at all\n\n");
	ok(is_document(1, 502) && was_terminated(s), "what is no header block: 502");
	end("end");

	begin();
	client_open(&settings);
	s = client_start(1, CLIENT_HEAD);
	script_says(s, "X: 1\n\nbody");
	script_exits(s, 0);
	ok(ends_with(1, "X: 1\r\n\r\n"), "a HEAD request gets no body");
	end("end");

	begin();
	settings.stderr_to_client = true;
	s = begin_running();
	script_says(s, "Content-Type: a/b\n\n");
	world_put(s->ends[2], "a line\nhalf", 11);
	script_exits(s, 0);
	ok(ends_with(1, "Content-Type: a/b\r\n\r\n") && strcmp(client_answer(1)->error, "a line\nhalf\n") == 0,
	   "with --stderr-to-client standard error comes before the end");
	end("end");

	begin();
	settings.stderr_to_client = true;
	s = begin_running();
	world_put(s->ends[2], "one\n", 4);
	client_run();
	world.refuse = world_refuse_memory;
	world_put(s->ends[2], "two\n", 4);
	client_run();
	world.refuse = NULL;
	script_says(s, "Content-Type: a/b\n\n");
	script_exits(s, 0);
	ok(ends_with(1, "Content-Type: a/b\r\n\r\n") && strcmp(client_answer(1)->error, "one\n") == 0 &&
	   !client_answer(1)->error_open && was_reported(": two"),
	   "a line that finds no memory goes to the log, and the stream ends all the same");
	end("end");

	begin();
	s = begin_running();
	world_put(s->ends[2], "to the log\n", 11);
	client_run();
	ok(was_reported("]: to the log") && client_answer(1)->error_size == 0,
	   "without it standard error goes to the log, under the script's name");
	end("end");
}

static bool is_page(uint16_t id)
{
	const struct answer *a = client_answer(id);
	bool same = a->ends == 1 && a->size == WORLD_PAGE_SIZE;

	for (size_t i = 0; same && i < a->size; i++)
		same = a->out[i] == (char)('a' + i % 23);
	return same;
}

static void test_page(void)
{
	begin();
	client_open(&settings);
	client_ask(1, 0, CLIENT_KEEP | CLIENT_PAGE);
	client_ask(2, 100000, CLIENT_KEEP | CLIENT_PAGE);
	client_body(2, large, 1000);
	client_run();
	ok(is_page(1) && is_page(2), "a page of our own comes whole, in as many records as it needs, "
	   "also if a body was announced");
	end("pages");

	begin();
	settings.max_scripts = 1;
	settings.queue = 0;
	begin_running();
	client_ask(2, 0, CLIENT_KEEP | CLIENT_PAGE);
	client_run();
	ok(is_page(2), "it needs no slot, and no place in the queue");
	end("a page while all slots are taken");

	begin();
	client_open(&settings);
	client_ask(1, 0, CLIENT_KEEP | CLIENT_PAGE);
	ok(true, "a client that leaves in the middle of it leaves nothing behind");
	end("a page to nobody");
}

static void test_end_without_memory(void)
{
	begin();
	client_open(&settings);
	client_ask(1, 0, CLIENT_KEEP);
	world.refuse = world_refuse_memory;
	world_fail(world_job(0), LAUNCH_FORK, ENOSYS, 0);
	world_run();
	world.refuse = NULL;
	client_run();
	ok(client.closed && was_reported("no memory for the end of a request"),
	   "an end for which there is no memory closes the connection, and is reported");
	end("end without memory");
}

/* Standard error that cannot be read is closed; the rest of the response is not lost. */
static void test_unreadable_errors(void)
{
	struct world_script *s;

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\n");
	world_put(s->ends[2], "lost\n", 5);
	world.refuse = world_refuse_reading;
	world_turn();
	world.refuse = NULL;
	ok(world_put(s->ends[2], "more\n", 5) < 0, "standard error that cannot be read is closed");
	script_says(s, "body");
	script_exits(s, 0);
	ok(ends_with(1, "X: 1\r\n\r\nbody"), "and the response goes on");
	end("unreadable errors");
}

static void test_long_messages(void)
{
	struct client of_log = { .service = &world.service };
	struct request_log log = { .client = &of_log, .id = 1 };
	char text[2000];
	bool fine = true;

	begin();
	settings.stderr_to_client = true;
	client_open(&settings);
	for (size_t size = 1000; size < 1050; size++) {
		size_t at = of_log.out.end;

		memset(text, 'x', size);
		text[size] = '\0';
		request_log_tell(&log, NULL, text);
		fine &= of_log.out.end > at && !memchr(of_log.out.bytes + at + RECORD_HEADER_SIZE, '?',
						       of_log.out.end - at - RECORD_HEADER_SIZE);
	}
	ok(fine, "a long message is cut, and nothing is added to it");
	buffer_free(&of_log.out);
	end("long messages");
}

/* The turns of one request are short, for the sake of the others. */
static void test_turns(void)
{
	struct world_script *s;

	begin();
	s = begin_running();
	world_put(s->ends[1], "X: 1\n\n", 6);
	world_put(s->ends[1], large, 60000);
	world_turn();
	ok(world_room(s->ends[1]) < WORLD_PIPE_SIZE, "output of a script is read once in a turn");
	end("turns");
}

/* Scripts in the background. */

static int refuse_spool(enum world_call call, int fd)
{
	(void)fd;
	return call == WORLD_SPOOL_READ ? EIO : 0;
}

static void test_body_in_background(void)
{
	struct world_script *s;

	begin();
	settings.on_abort = ON_ABORT_IGNORE;
	s = begin_uploading(290000);
	s->deaf = true;
	for (int i = 0; i < 4; i++)
		client_body(1, large, 60000);
	world_pass(100);
	client_body(1, large, 50000);
	world.refuse = refuse_spool;
	world_close(client.fd);
	client.fd = -1;
	for (char bytes[4096]; world_get(s->ends[0], bytes, sizeof bytes) > 0;)
		world_run();
	ok(was_terminated(s) && was_reported("the rest of its request body"),
	   "a script in the background is terminated when its body cannot be read back");
	ok(world_get(s->ends[0], large, 1) < 0, "and sees no end of what it has read");
	end("body in the background");
}

static void test_background(void)
{
	struct world_script *s;

	begin();
	settings.on_abort = ON_ABORT_IGNORE;
	s = begin_running();
	leave();
	world_put(s->ends[1], "nobody reads this", 17);
	world.refuse = world_refuse_reading;
	world_run();
	world.refuse = NULL;
	ok(world_put(s->ends[1], "nor this", 8) < 0,
	   "output in the background that cannot be read is closed");
	end("background");

	begin();
	settings.background_timeout = 60000;
	s = begin_running();
	script_says(s, "X: 1\n\n");
	script_closes(s, 1);
	script_closes(s, 2);
	s->deaf = true;
	world_pass(100);
	ok_after(60000, !was_terminated(s), s->signals == 1u << SIGTERM,
		 "a script in the background gets TERM after --background-timeout");
	ok_after(KILL_AFTER, !s->exited, s->exited, "and KILL after --kill-after");
	end("background");

	begin();
	settings.max_background = 0;
	s = begin_running();
	script_says(s, "X: 1\n\n");
	script_closes(s, 1);
	script_closes(s, 2);
	world_pass(100);
	ok(world.slots_taken[SLOT_RUNNING] == 1, "beyond --max-background it keeps its slot");
	end("background");

	begin();
	s = begin_running();
	script_says(s, "X: 1\n\n");
	s->helpers = 1;
	script_exits(s, 0);
	world_pass(1000);
	ok(world.slots_taken[SLOT_BACKGROUND] == 1, "what a script leaves behind is in the background");
	world_pass(1000);
	ok(s->helpers == 1, "where it may work");
	world_end_helpers(s);
	world_pass(1100);
	ok(world.slots_taken[SLOT_BACKGROUND] == 0, "until it ends");
	end("background");

	begin();
	settings.on_abort = ON_ABORT_IGNORE;
	settings.background_timeout = 0;
	s = begin_running();
	leave();
	s->helpers = 1;
	world_exit(s, 0);
	world_pass(1000);
	ok(world.slots_taken[SLOT_BACKGROUND] == 1 && s->helpers == 1,
	   "also if the script itself was there first");
	world_end_helpers(s);
	end("background");
}

/* Limits of a client and of a script. */

static void ask_from(const char *address, uint16_t id)
{
	client.address = address;
	client_ask(id, 0, CLIENT_KEEP);
}

/* The oldest job's script, as the starter finds it, is one of which enough run. */
static void refuse_place(void)
{
	world_job(0)->asking->script.key = 7;
	world_fail(world_job(0), LAUNCH_PLACE, 0, 0);
	world_run();
}

static void test_client_limit(void)
{
	struct world_script *s;

	begin();
	settings.max_per_client = 1;
	client_open(&settings);
	ask_from("192.0.2.1", 2);
	s = world_start();
	ask_from("198.51.100.1", 3);
	ok(world_start(), "--max-per-client leaves others alone");
	ask_from("192.0.2.77", 1);
	ok(!world_job(0) && world.slots_taken[SLOT_WAITING] == 1,
	   "a client with --max-per-client scripts waits, however many slots are free");
	ok_answer_after(QUEUE_TIME, 429, "--max-per-client, --queue-timeout",
			"after --queue-timeout that is 429");
	ask_from("192.0.2.1", 4);
	script_exits(s, 0);
	ok(world_start(), "before, it goes on when its script has ended");
	world.slots_most[SLOT_WAITING] = 0;
	ask_from("192.0.2.1", 5);
	client_run();
	ok(is_document(5, 429) && strstr(text_of(5), "--max-per-client, --queue"),
	   "without room in the queue it is refused with 429");
	ok(strstr(text_of(5), "\r\nRetry-After: "), "and told when to come again");
	end("limit of a client");

	begin();
	settings.max_per_client = 1;
	client_open(&settings);
	ask_from("unix:", 1);
	ok(world_start() != NULL, "who is not known by an address");
	ask_from("unix:", 2);
	ok(!world_job(0), "goes by the connection");
	end("limit of a connection");

	begin();
	settings.max_per_client = 1;
	settings.fair_by = "REQUEST_METHOD";
	client_open(&settings);
	ask_from("192.0.2.1", 1);
	ask_from("198.51.100.1", 2);
	ok(world_start() && !world_job(0), "--fair-by names another parameter");
	end("another parameter");
}

static void test_script_limit(void)
{
	long slot;

	begin();
	settings.max_per_script = 1;
	client_open(&settings);
	ask_from("192.0.2.1", 1);
	slots_mark(SLOT_RUNNING, world_job(0)->slot, SLOT_SCRIPT, 7);
	world_start();
	ask_from("192.0.2.1", 2);
	refuse_place();
	ok(!world_job(0) && world.slots_taken[SLOT_RUNNING] == 1 &&
	   world.slots_taken[SLOT_WAITING] == 1, "what is found to be one too many of a script waits");
	ask_from("192.0.2.1", 3);
	ok(world_job(0) != NULL, "others of its client pass it");
	script_exits(&world.scripts[0], 0);
	ok(world_job(1) && slots_key(world_job(1)->slot, SLOT_SCRIPT) == 7,
	   "when one of them has ended, it starts and is counted");
	end("limit of a script");

	begin();
	settings.max_per_script = 1;
	client_open(&settings);
	ask_from("192.0.2.1", 2);
	slots_mark(SLOT_RUNNING, world_job(0)->slot, SLOT_SCRIPT, 7);
	world_start();
	ask_from("192.0.2.1", 1);
	refuse_place();
	ok_answer_after(QUEUE_TIME, 503, "--max-per-script, --queue-timeout",
			"after --queue-timeout that is 503");
	world.slots_most[SLOT_WAITING] = 0;
	ask_from("192.0.2.1", 3);
	refuse_place();
	client_run();
	ok(is_document(3, 503) && strstr(text_of(3), "--max-per-script, --queue"),
	   "without room in the queue as well");
	end("limit of a script");

	begin();
	settings.max_per_script = 1;
	client_open(&settings);
	world.slots_most[SLOT_RUNNING] = 1;
	ask_from("192.0.2.1", 2);
	world_start();
	ask_from("192.0.2.1", 1);
	world_pass(QUEUE_TIME - 1);
	script_exits(&world.scripts[0], 0);
	ok(world_job(0) != NULL, "a start on its way when --queue-timeout passes");
	world_pass(2);
	world.slots_most[SLOT_RUNNING] = 2;
	slot = slots_take(SLOT_RUNNING);
	slots_mark(SLOT_RUNNING, slot, SLOT_SCRIPT, 7);
	refuse_place();
	client_run();
	ok(is_document(1, 503), "is given up if there is no place for its script");
	slots_give(SLOT_RUNNING, slot);
	end("late place");
}

static void test_full_queue(void)
{
	begin();
	settings.max_scripts = 1;
	settings.queue = 2;
	client_open(&settings);
	for (uint16_t id = 1; id <= 3; id++)
		ask_from("192.0.2.1", id);
	ask_from("192.0.2.1", 4);
	client_run();
	ok(is_document(4, 503) && !is_answered(3), "a full queue has no room for more of one client");
	ask_from("198.51.100.1", 5);
	client_run();
	ok(!is_answered(5) && world.slots_taken[SLOT_WAITING] == 2, "but for another one");
	ok(is_document(3, 503) && strstr(text_of(3), "in favour of another client"),
	   "in the place of the newest of who has most there");
	ok(!is_answered(2), "and of no other");
	end("full queue");

	begin();
	settings.queue = 2;
	settings.max_per_client = 1;
	client_open(&settings);
	for (uint16_t id = 1; id <= 3; id++)
		ask_from("192.0.2.1", id);
	world.slots_most[SLOT_RUNNING] = 1;
	ask_from("198.51.100.1", 4);
	client_run();
	ok(is_document(3, 429), "with 429 if a limit of its own kept it waiting");
	end("full queue");
}

int main(void)
{
	memset(large, 'x', sizeof large);
	test_client_limit();
	test_script_limit();
	test_full_queue();
	test_queue_timer();
	test_launch_timer();
	test_time_timer();
	test_silence_timer();
	test_client_timer();
	test_exit_timer();
	test_drain_timer();
	test_more_timer();
	test_lag_timer();
	test_no_disk();
	test_gone();
	test_abort();
	test_spliced();
	test_starts();
	test_unheard_starts();
	test_strangers();
	test_numbers();
	test_long_header();
	test_ends();
	test_page();
	test_end_without_memory();
	test_unreadable_errors();
	test_long_messages();
	test_turns();
	test_body_in_background();
	test_background();
	return tap_done();
}
