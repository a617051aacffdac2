/* A request body on its way to a script's standard input. */
#include <config.h>

#include "tap.h"
#include "world.h"

#include "../wrapper/os.h"
#include "../wrapper/upload.h"

#include <errno.h>
#include <string.h>

enum { MOST = 1000000, PIECE = 60000 };

static unsigned char bytes[400 * 1024]; /* a body */
static int script; /* the script's end of its standard input */
static int input;  /* ours */
static size_t taken, passed;
static enum world_call refused_call;
static int refused_error;

static int refuse(enum world_call call, int fd)
{
	(void)fd;
	return call == refused_call ? refused_error : 0;
}

static void refuse_from_now(enum world_call call, int error)
{
	refused_call = call;
	refused_error = error;
	world.refuse = refuse;
}

/* An upload of that length, and a pipe for it. */
static struct upload *begin(int64_t length)
{
	struct settings settings = world_settings();
	int ends[2];

	world_open(&settings);
	os_pipe(ends, 1);
	script = ends[0];
	input = ends[1];
	taken = passed = 0;
	return upload_new(length);
}

static enum upload_outcome take(struct upload *u, int fd, size_t size)
{
	enum upload_outcome outcome = upload_take(u, fd, bytes + taken, size, MOST);

	taken += size;
	return outcome;
}

/* What comes to the script: false if it is not what comes next. */
static bool read_input(void)
{
	static unsigned char got[WORLD_LARGE_PIPE];
	ssize_t n = os_read(script, got, sizeof got);
	bool right = n <= 0 || memcmp(got, bytes + passed, (size_t)n) == 0;

	passed += n > 0 ? (size_t)n : 0;
	return right;
}

static void end(struct upload *u, const char *what)
{
	upload_free(u);
	world.refuse = NULL;
	os_close(input);
	os_close(script);
	ok(world.descriptors == 0 && world.spooled == 0 && !world.fault, "%s: nothing is left", what);
}

static void test_flow(void)
{
	struct upload *u = begin(10);

	ok(take(u, input, 4) == UPLOAD_OK && read_input() && passed == 4,
	   "a piece goes to a script that runs at once");
	ok(!upload_has_all(u) && !upload_is_done(u), "and there is more to come");
	ok(take(u, input, 6) == UPLOAD_OK && read_input() && passed == 10, "so does the next");
	ok(upload_has_all(u) && upload_is_done(u), "with its announced length it is whole");
	end(u, "flow");

	u = begin(-1);
	take(u, -1, 10);
	ok(!upload_has_all(u), "without one it is not");
	ok(upload_end(u) == UPLOAD_OK && upload_has_all(u) && !upload_is_done(u),
	   "before the client ends it");
	upload_feed(u, input);
	ok(read_input() && passed == 10 && upload_is_done(u), "and is fed to a script that starts later");
	end(u, "length not known");

	u = begin(10);
	take(u, input, 10);
	taken = 0;
	ok(take(u, input, 5) == UPLOAD_OK && read_input() && passed == 10,
	   "what comes beyond the announced length is dropped");
	end(u, "too long");

	u = begin(0);
	upload_end(u);
	ok(take(u, input, 5) == UPLOAD_OK && read_input() && passed == 0,
	   "and so is what comes behind its end");
	end(u, "behind the end");
}

static void test_full(void)
{
	struct upload *u = begin(300000);

	take(u, input, PIECE);
	ok(!upload_wants_room(u) && !upload_holds_back(u, true), "a script whose pipe has room");
	take(u, input, PIECE);
	ok(upload_wants_room(u), "when the pipe is full, room is waited for");
	ok(upload_holds_back(u, true) && !upload_holds_back(u, false),
	   "and so is the client, while the script runs");
	upload_lag(u);
	ok(!upload_holds_back(u, true), "but not when the script has not read for a while");
	take(u, input, PIECE);
	take(u, input, PIECE);
	ok(world.spooled > 0, "what does not fit in memory goes to a file");
	for (int i = 0; i < 20 && !upload_is_done(u); i++) {
		read_input();
		upload_room(u);
		upload_feed(u, input);
		if (taken < 300000)
			take(u, input, PIECE);
	}
	while (passed < 300000 && read_input())
		;
	ok(passed == 300000 && upload_is_done(u), "and all of it comes in order");
	ok(world.spooled == 0, "and the disk is given back");
	end(u, "full");

	u = begin(300000);
	world.can_splice = true;
	take(u, input, PIECE);
	take(u, input, PIECE);
	upload_lag(u);
	take(u, input, 100);
	read_input();
	upload_feed(u, input);
	ok(u->flow != UPLOAD_LAGGING, "a script that reads again does not lag any more");
	end(u, "lag");
}

static void test_limits(void)
{
	struct upload *u = begin(-1);

	ok(upload_take(u, -1, bytes, 100, 100) == UPLOAD_OK, "as much as allowed");
	ok(upload_take(u, -1, bytes, 1, 100) == UPLOAD_TOO_LARGE, "and a byte more: too large");
	end(u, "too large");

	u = begin(10);
	take(u, input, 9);
	ok(upload_end(u) == UPLOAD_SHORT, "an end before the announced length: short");
	end(u, "short");

	u = begin(300000);
	refuse_from_now(WORLD_SPOOL_OPEN, EACCES);
	take(u, -1, PIECE);
	ok(take(u, -1, PIECE) == UPLOAD_OK && upload_holds_back(u, false),
	   "no room on disk, but the script is going to read: the client is held back");
	upload_feed(u, input);
	read_input();
	upload_feed(u, input);
	ok(!upload_holds_back(u, true) && read_input(), "until there is room again");
	ok(passed == 2 * PIECE, "and nothing is lost");
	end(u, "held");

	u = begin(300000);
	refuse_from_now(WORLD_SPOOL_OPEN, EACCES);
	take(u, -1, PIECE);
	take(u, -1, PIECE);
	ok(take(u, -1, PIECE) == UPLOAD_NO_SPACE, "and one that sends all the same fails");
	end(u, "held twice");

	u = begin(-1);
	refuse_from_now(WORLD_SPOOL_WRITE, ENOSPC);
	take(u, -1, PIECE);
	ok(take(u, -1, PIECE) == UPLOAD_NO_SPACE && errno == ENOSPC,
	   "no room on disk, and the script waits for the end: no space");
	end(u, "no space");

	u = begin(-1);
	world.spool_most = 1000;
	take(u, -1, PIECE);
	ok(take(u, -1, PIECE) == UPLOAD_NO_SPACE && errno == ENOBUFS,
	   "more on disk than --max-spool allows: no space, for another reason");
	end(u, "max-spool");
}

static void test_failures(void)
{
	struct upload *u = begin(300000);

	take(u, -1, PIECE);
	take(u, -1, PIECE);
	refuse_from_now(WORLD_SPOOL_READ, EIO);
	upload_feed(u, input);
	read_input();
	ok(upload_feed(u, input) == UPLOAD_UNREADABLE && errno == EIO,
	   "a file that cannot be read back: unreadable");
	end(u, "unreadable");

	u = begin(300000);
	os_close(script);
	ok(take(u, input, 10) == UPLOAD_OK && u->refused, "a script that has closed its input wants no more");
	ok(upload_is_done(u) && !upload_holds_back(u, true), "which is no error");
	ok(take(u, input, 10) == UPLOAD_OK && upload_end(u) == UPLOAD_OK,
	   "what still comes is dropped, and may end early");
	script = input;
	upload_free(u);
	os_close(input);
	ok(world.descriptors == 0, "refused: nothing is left");

	u = begin(300000);
	take(u, -1, PIECE);
	take(u, -1, PIECE);
	os_close(script);
	upload_feed(u, input);
	ok(world.spooled == 0 && body_is_empty(&u->body), "and what was kept of it is forgotten");
	upload_free(u);
	os_close(input);

	u = begin(300000);
	refuse_from_now(WORLD_WRITE, EIO);
	ok(take(u, input, 10) == UPLOAD_BROKEN && errno == EIO, "another error of the pipe: broken");
	end(u, "broken");
}

/* Bodies that are spliced: from a socket that is a pipe here. */

static void test_splicing(void)
{
	struct upload *u = begin(300000);
	int socket[2];

	ok(!upload_can_splice(u), "without splice(2) a body is copied");
	world.can_splice = true;
	ok(upload_can_splice(u), "with it a large one is not");
	os_pipe(socket, 0);
	os_write(socket[1], bytes, 50000);
	ok(upload_splice(u, socket[0], input, 50000) == 50000 && u->received == 50000 &&
	   read_input() && passed == 50000, "it goes from the socket to the script");
	os_write(socket[1], bytes, 60000);
	taken = 50000;
	refuse_from_now(WORLD_SPLICE, ENOTSUP);
	ok(upload_splice(u, socket[0], input, 60000) == -1 && errno == ENOTSUP && !upload_can_splice(u),
	   "once that is refused, the rest is copied");
	os_close(socket[0]);
	os_close(socket[1]);
	end(u, "splice");

	u = begin(300000);
	world.can_splice = true;
	take(u, input, WORLD_PIPE_SIZE);
	os_pipe(socket, 0);
	os_write(socket[1], bytes, 1000);
	ok(upload_splice(u, socket[0], input, 1000) == -1 && errno == EAGAIN && upload_wants_room(u),
	   "a pipe that is full is waited for");
	read_input();
	upload_room(u);
	ok(!upload_wants_room(u) && upload_can_splice(u), "until it has room");
	os_close(socket[0]);
	os_close(socket[1]);
	end(u, "splice");

	u = begin(300000);
	world.can_splice = true;
	take(u, -1, 10);
	ok(!upload_can_splice(u), "what waits must go first");
	end(u, "splice");
	u = begin(1000);
	world.can_splice = true;
	ok(!upload_can_splice(u), "a small body is not worth it");
	end(u, "splice");
	u = begin(-1);
	world.can_splice = true;
	ok(!upload_can_splice(u), "nor can one that must be whole first");
	end(u, "splice");
}

int main(void)
{
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	test_flow();
	test_full();
	test_limits();
	test_failures();
	test_splicing();
	return tap_done();
}
