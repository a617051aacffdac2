/* What a request asks for: its parameters piece by piece, what is read of them, and the script. */
#include <config.h>

#include "../wrapper/asking.h"
#include "params.h"
#include "record.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define THESE(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct settings settings = { .clear_env = true };
static const struct option_list none;
static char folder[] = "/tmp/unit-asking.XXXXXX";

/* The pairs of "NAME=value" strings, as they come over the wire. */
static size_t encode(unsigned char *out, const char *const *strings)
{
	size_t size = 0;

	for (; *strings; strings++) {
		char name[256];
		const char *value = strchr(*strings, '=') + 1;

		snprintf(name, sizeof name, "%.*s", (int)(value - *strings) - 1, *strings);
		size += params_put(out + size, name, value);
	}
	return size;
}

static struct asking *ask_as(uint8_t role, const char *const *strings)
{
	unsigned char bytes[4096];
	struct asking *a = asking_new(role);

	if (asking_take(a, bytes, encode(bytes, strings), sizeof bytes) != ASKING_OK ||
	    asking_end(a) != ASKING_OK)
		abort();
	return a;
}

/* A path in the folder of the test. */
static const char *in_folder(const char *name)
{
	static char paths[4][128];
	static int next;

	next = (next + 1) % 4;
	snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
	return paths[next];
}

static const char *pair(const char *name, const char *value)
{
	static char pairs[8][256];
	static int next;

	next = (next + 1) % 8;
	snprintf(pairs[next], sizeof pairs[next], "%s=%s", name, value);
	return pairs[next];
}

static void make_file(const char *name, mode_t mode)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (fd < 0 || write(fd, "#!/bin/sh\n", 10) != 10 || fchmod(fd, mode) < 0 || close(fd) < 0)
		abort();
}

static void pieces(void)
{
	unsigned char bytes[4096];
	size_t size = encode(bytes, THESE("A=1", "BB=22", "REQUEST_METHOD=HEAD"));
	struct asking *a;
	bool sound = true;

	for (size_t piece = 1; piece <= size; piece++) {
		a = asking_new(FCGI_RESPONDER);
		for (size_t at = 0; at < size; at += piece)
			sound &= asking_take(a, bytes + at, piece < size - at ? piece : size - at,
					     size) == ASKING_OK;
		sound &= asking_end(a) == ASKING_OK && a->environment.count == 3 && a->head_only &&
			 !strcmp(environment_get(&a->environment, "BB"), "22");
		asking_free(a);
	}
	ok(sound, "parameters may come in pieces of any size");
	a = asking_new(FCGI_RESPONDER);
	ok(asking_take(a, bytes, size - 1, size) == ASKING_OK && asking_end(a) == ASKING_INCOMPLETE,
	   "parameters that end within a pair are incomplete");
	asking_free(a);
	a = asking_new(FCGI_RESPONDER);
	ok(asking_take(a, bytes, size, size) == ASKING_OK &&
	   asking_take(a, bytes, 1, size) == ASKING_TOO_LARGE &&
	   asking_take(a, bytes, SIZE_MAX, size) == ASKING_TOO_LARGE, "more than allowed is too large");
	ok(a->params_room < 2048, "few parameters take little memory");
	asking_free(a);
	asking_free(NULL);
}

/* The length of the body, as far as these parameters tell. */
static int64_t length_by(uint8_t role, const char *const *strings)
{
	struct asking *a = ask_as(role, strings);
	int64_t length = a->content_length;

	asking_free(a);
	return length;
}

static void lengths(void)
{
	static const char *const unknown[] = { "", "-1", "+5", " 5", "5 ", "0x5", "x",
					       "99999999999999999999" };

	ok(length_by(FCGI_RESPONDER, THESE("CONTENT_LENGTH=0", "REQUEST_METHOD=POST")) == 0 &&
	   length_by(FCGI_RESPONDER, THESE("CONTENT_LENGTH=007")) == 7 &&
	   length_by(FCGI_RESPONDER, THESE("CONTENT_LENGTH=9223372036854775807")) == INT64_MAX,
	   "a number is the length");
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		ok(length_by(FCGI_RESPONDER, THESE(pair("CONTENT_LENGTH", unknown[i]))) == -1,
		   "\"%s\" is no length", unknown[i]);
	ok(length_by(FCGI_RESPONDER, THESE("REQUEST_METHOD=GET")) == 0 &&
	   length_by(FCGI_RESPONDER, THESE("REQUEST_METHOD=HEAD")) == 0 &&
	   length_by(FCGI_RESPONDER, THESE("A=b")) == 0, "GET, HEAD and no method have no body");
	ok(length_by(FCGI_RESPONDER, THESE("REQUEST_METHOD=POST")) == -1 &&
	   length_by(FCGI_RESPONDER, THESE("REQUEST_METHOD=get")) == -1,
	   "other methods have one of unknown length");
	ok(length_by(FCGI_RESPONDER, THESE("REQUEST_METHOD=GET", "HTTP_TRANSFER_ENCODING=chunked")) == -1,
	   "and so has a GET with a transfer coding");
	ok(length_by(FCGI_AUTHORIZER, THESE("REQUEST_METHOD=POST", "CONTENT_LENGTH=7")) == 0,
	   "an authorizer has none");
}

static bool is_named(const char *name, const char *const *strings)
{
	struct asking *a = ask_as(FCGI_RESPONDER, strings);
	bool is = strcmp(a->name, name) == 0;

	if (!is)
		printf("# %s\n", a->name);
	asking_free(a);
	return is;
}

static void names(void)
{
	unsigned char bytes[1024] = { 15, 0x80, 0, 2, 0x58 }; /* 600 bytes */
	struct asking *a = asking_new(FCGI_RESPONDER);

	ok(strcmp(a->name, "a request") == 0, "a request has a name from the beginning");
	memcpy(bytes + 5, "SCRIPT_FILENAME", 15);
	memset(bytes + 20, 'x', 600);
	ok(asking_take(a, bytes, 620, 1024) == ASKING_OK && asking_end(a) == ASKING_OK &&
	   strlen(a->name) == strlen("script ") + SCRIPT_SHOWN_MOST + strlen("...") &&
	   strcmp(a->name + strlen(a->name) - 4, "x...") == 0, "a long name is cut");
	asking_free(a);
	ok(is_named("script /a", THESE("SCRIPT_FILENAME=/a", "DOCUMENT_ROOT=/r", "SCRIPT_NAME=/n")),
	   "it is that of its script");
	ok(is_named("script /r/n", THESE("DOCUMENT_ROOT=/r", "SCRIPT_NAME=/n")), "also if that is joined");
	ok(is_named("script /r/i", THESE("DOCUMENT_ROOT=/r", "PATH_INFO=/i")), "or found by PATH_INFO");
	ok(is_named("a request", THESE("DOCUMENT_ROOT=/r")), "or none");
}

static const char *variable(const struct asking *a, const char *name)
{
	const char *value = environment_get(&a->environment, name);

	return value ? value : "unset";
}

static void resolving(void)
{
	struct asking *a = ask_as(FCGI_RESPONDER,
				  THESE(pair("SCRIPT_FILENAME", in_folder("s.sh/rest")),
				       "SCRIPT_NAME=/s.sh/rest", "REQUEST_METHOD=POST",
				       "HTTP_TRANSFER_ENCODING=chunked"));

	ok(!asking_resolve(a, &settings, 0) && a->script.status == 404 &&
	   strncmp(a->script.reason, "no such script: ", 16) == 0, "a script that is missing is 404");
	make_file("s.sh", 0755);
	for (int64_t round = 5; round < 7; round++) {
		char length[8];

		snprintf(length, sizeof length, "%d", (int)round);
		ok(asking_resolve(a, &settings, round) &&
		   strcmp(a->script.path, in_folder("s.sh")) == 0 &&
		   strcmp(a->script.called, in_folder("s.sh")) == 0 && a->script.home == -1 &&
		   a->script.file == -1 && !a->script.interpreter &&
		   strcmp(a->script.directory, folder) == 0 &&
		   strcmp(variable(a, "SCRIPT_NAME"), "/s.sh") == 0 &&
		   strcmp(variable(a, "PATH_INFO"), "/rest") == 0 &&
		   strcmp(variable(a, "CONTENT_LENGTH"), length) == 0 &&
		   strcmp(variable(a, "HTTP_TRANSFER_ENCODING"), "unset") == 0,
		   "a script is found with its path info, time %d", (int)round - 4);
	}
	make_file("s.sh", 0644);
	ok(!asking_resolve(a, &settings, 0) && a->script.status == 403,
	   "what has changed meanwhile counts");
	unlink(in_folder("s.sh"));
	asking_free(a);
}

/* Whether that is found in the folder, for a SCRIPT_NAME as it is decoded. */
static bool finds(const char *name, const char *sent, const char *decoded)
{
	struct asking *a = ask_as(FCGI_RESPONDER, THESE(pair("SCRIPT_FILENAME", in_folder(sent)),
							pair("SCRIPT_NAME", decoded)));
	bool found = asking_resolve(a, &settings, 0) && strcmp(a->script.path, in_folder(name)) == 0;

	asking_free(a);
	return found;
}

static void encoded(void)
{
	make_file("a b.sh", 0755);
	make_file("a%20b.sh", 0755);
	ok(finds("a b.sh", "a%20b.sh/x", "/pp/a b.sh/x"), "an encoded path is decoded");
	ok(finds("a%20b.sh", "a%20b.sh/x", "/pp/a%20b.sh/x"), "one that is not encoded is left alone");
	ok(finds("a%20b.sh", "a%20b.sh/x", "/pp/a b.sh/y"), "and so is one with another tail");
	unlink(in_folder("a b.sh"));
	unlink(in_folder("a%20b.sh"));
}

static bool is_no_script(const char *name)
{
	struct asking *a = ask_as(FCGI_RESPONDER, THESE(pair("SCRIPT_FILENAME", in_folder(name))));
	bool refused = !asking_resolve(a, &settings, 0) && a->script.status == 403 &&
		       !a->script.shortage;

	asking_free(a);
	return refused;
}

/* From here on only what is in two folders may be run, of which one is a link, and *.x is given to
 * an interpreter. */
static void restrict_scripts(void)
{
	static char in[128], now[128];
	static const char *root[] = { in, now }, *rule[] = { ".x=/bin/sh" };
	static const struct option_list roots = { root, 2 }, rules = { rule, 1 };

	strcpy(in, in_folder("in"));
	strcpy(now, in_folder("now"));
	if (mkdir(in, 0755) < 0 || mkdir(in_folder("a"), 0755) < 0 ||
	    mkdir(in_folder("b"), 0755) < 0 || symlink("a", now) < 0)
		abort();
	ok(script_open(&none, &roots, &rules), "roots are opened");
}

static void confined(void)
{
	struct script script = SCRIPT_NONE;
	struct asking *a;
	struct stat st, opened;
	char text[512];

	make_file("in/page.x", 0644);
	if (symlink("page.x", in_folder("in/link.x")) < 0)
		abort();
	a = ask_as(FCGI_RESPONDER, THESE(pair("SCRIPT_FILENAME", in_folder("in/link.x"))));
	ok(asking_resolve(a, &settings, 0) && strcmp(a->script.path, in_folder("in/page.x")) == 0 &&
	   strcmp(a->script.called, in_folder("in/link.x")) == 0 &&
	   strcmp(variable(a, "SCRIPT_FILENAME"), in_folder("in/link.x")) == 0 && a->script.home >= 0 &&
	   strcmp(a->script.interpreter, "/bin/sh") == 0 && !a->script.directory,
	   "a link is followed, and called by its name");
	stat(in_folder("in/page.x"), &st);
	ok(fstat(a->script.file, &opened) == 0 && opened.st_ino == st.st_ino &&
	   (fcntl(a->script.file, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_RDONLY,
	   "the interpreter's input is opened");
	/* What a name means may change at any time. */
	unlink(in_folder("in/page.x"));
	mkfifo(in_folder("in/page.x"), 0755);
	script_explain_exec(&a->script, EACCES, text, sizeof text);
	ok(strstr(text, "page.x: Permission denied"), "a FIFO holds up no explanation");
	script_explain_exec(&a->script, E2BIG, text, sizeof text);
	ok(strstr(text, "parameters are too long"), "too many parameters are one");
	script_explain_exec(&a->script, ELOOP, text, sizeof text);
	ok(strstr(text, "symbolic link"), "and so is a link that was put in its place");
	ok(is_no_script("in/page.x"), "nor a search");
	asking_free(a);
	unlink(in_folder("in/page.x"));
	unlink(in_folder("in/link.x"));
	script_free(&script);
	ok(script.home == -1 && script.file == -1, "nothing is freed as nothing");
}

enum { THREADS = 4, ROUNDS = 50 };

struct seeker {
	pthread_t thread;
	struct asking *asking;
	atomic_int searches;
	int failures;
};

static atomic_bool is_enough;

static void *seek(void *context)
{
	struct seeker *s = context;

	for (; !is_enough; s->searches++)
		s->failures += !asking_resolve(s->asking, &settings, 0);
	return NULL;
}

/* Every thread ends two searches meanwhile, so that none sees more than one switch. */
static void await_searches(struct seeker *seekers)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	int before[THREADS];

	for (int i = 0; i < THREADS; i++)
		before[i] = seekers[i].searches;
	for (int i = 0; i < THREADS; i++)
		while (seekers[i].searches < before[i] + 2)
			nanosleep(&pause, NULL);
}

/* While a root that is a link is switched. */
static void threads(void)
{
	struct seeker seekers[THREADS];
	int failures = 0;

	make_file("a/s.sh", 0755);
	make_file("b/s.sh", 0755);
	for (int i = 0; i < THREADS; i++) {
		seekers[i] = (struct seeker){
			.asking = ask_as(FCGI_RESPONDER,
					 THESE(pair("SCRIPT_FILENAME", in_folder("now/s.sh")))),
		};
		if (pthread_create(&seekers[i].thread, NULL, seek, &seekers[i]) != 0)
			abort();
	}
	for (int round = 0; round < ROUNDS; round++) {
		if (symlink(round % 2 ? "a" : "b", in_folder("next")) < 0 ||
		    rename(in_folder("next"), in_folder("now")) < 0)
			abort();
		await_searches(seekers);
	}
	is_enough = true;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(seekers[i].thread, NULL);
		failures += seekers[i].failures;
		asking_free(seekers[i].asking);
	}
	ok(failures == 0, "%d threads find scripts while a root is switched", THREADS);
	unlink(in_folder("a/s.sh"));
	unlink(in_folder("b/s.sh"));
}

static void remove_folders(void)
{
	unlink(in_folder("now"));
	rmdir(in_folder("a"));
	rmdir(in_folder("b"));
	rmdir(in_folder("in"));
	rmdir(folder);
}

int main(void)
{
	if (!mkdtemp(folder) || !script_open(&none, &none, &none))
		return 1;
	pieces();
	lengths();
	names();
	resolving();
	encoded();
	ok(is_no_script(""), "a directory is no script");
	restrict_scripts();
	confined();
	threads();
	remove_folders();
	return tap_done();
}
