#include <config.h>

#include "try.h"

#include "exchange.h"
#include "explain.h"
#include "reply.h"
#include "report.h"
#include "text.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	BACKGROUND_AFTER = 300, /* milliseconds from the end of the request */
	REQUEST_ERROR = 500     /* the least HTTP status that is a failure */
};

/* The response, as it comes. */
static struct {
	struct text head; /* the header, until it is whole */
	size_t searched;
	bool has_head;
	int64_t body; /* bytes */
	double first; /* when the first byte came; 0: not yet */
} response;

static int connection = -1, worker_pipe = -1;
static volatile sig_atomic_t interrupted; /* the signal, or 0 */

/* Ends the wait for the worker, and tells it to end; async-signal-safe. */
static void on_interrupt(int signal)
{
	interrupted = signal;
	shutdown(connection, SHUT_RDWR);
	shutdown(worker_pipe, SHUT_RDWR);
}

/* What is tried. */

static void explain_user(void)
{
	const struct passwd *user = getpwuid(geteuid());
	const struct group *group = getgrgid(getegid());

	explain("run as", "user %s (uid %ld), group %s (gid %ld)%s",
		user ? user->pw_name : "without a name", (long)geteuid(),
		group ? group->gr_name : "without a name", (long)getegid(),
		geteuid() == 0 ? "; who serves may not do all that root may: see runuser(1)" : "");
}

static void explain_list(struct text *out, const char *option, const struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		text_format(out, " --%s %s", option, list->texts[i]);
}

/* The limits that are not those of every script. */
static void explain_limits(const struct settings *s)
{
	struct text limits = { .bytes = NULL };

	explain_list(&limits, "limit", &s->limits);
	if (s->nice)
		text_format(&limits, " --nice %ld", s->nice);
	if (s->timeout)
		text_format(&limits, " --timeout %gs", (double)s->timeout / 1000);
	if (limits.size > 0)
		explain("limits", "%.*s", (int)limits.size - 1, limits.bytes + 1);
	free(limits.bytes);
}

/* Returns an absolute path without "." as a component, to be freed; NULL with errno: a web server
 * sends no other. What follows a question mark stays. */
static char *absolute_path(const char *path)
{
	char *here = *path == '/' ? strdup("") : getcwd(NULL, 0);
	char *out = here ? malloc(strlen(here) + strlen(path) + 2) : NULL;

	if (out) {
		char *end = stpcpy(out, strcmp(here, "/") == 0 ? "" : here);

		while (*path && *path != '?') {
			size_t size = strcspn(path, "/?");

			if (size > 0 && (size != 1 || *path != '.'))
				end += sprintf(end, "/%.*s", (int)size, path);
			path += size;
			if (*path == '/' && (path[1] == '\0' || path[1] == '?'))
				end = stpcpy(end, "/");
			path += *path == '/';
		}
		strcpy(end, path);
	}
	free(here);
	return out;
}

/* Returns the --root that the path is below, or "/". */
static const char *document_root(const struct settings *s, const char *path)
{
	for (size_t i = 0; i < s->roots.count; i++) {
		const char *root = s->roots.texts[i];
		size_t size = strlen(root);

		if (size > 1 && root[size - 1] != '/' && strncmp(path, root, size) == 0 &&
		    path[size] == '/')
			return root;
	}
	return "/";
}

/* False after reporting. */
static bool set_parameters(struct exchange *x, const struct settings *s)
{
	char *path = absolute_path(s->try_script);

	if (!path) {
		report("cannot make the request: %s", strerror(errno));
		return false;
	}
	x->parameters = (struct parameters){
		.agent = "fcgiwrap",
		.script = path,
		.pairs = s->try_pairs,
		.root = document_root(s, path),
	};
	return true;
}

/* The response. */

static void explain_head(const char *bytes, size_t size)
{
	while (size > 2) {
		const char *end = memchr(bytes, '\r', size);
		size_t length = end ? (size_t)(end - bytes) : size;

		explain("header", "%.*s", (int)length, bytes);
		bytes += length + 2;
		size -= length + 2;
	}
}

/* The header goes to the explanation, the body to standard output. */
static void show_response(struct exchange *x, const unsigned char *piece, size_t size)
{
	size_t head, before = response.head.size;

	if (response.first <= 0)
		response.first = explain_time();
	if (!response.has_head) {
		text_put(&response.head, (const char *)piece, size);
		if (!reply_find_end(response.head.bytes, response.head.size, &response.searched, &head))
			return;
		response.has_head = true;
		explain_head(response.head.bytes, head);
		piece += head - before;
		size -= head - before;
	}
	response.body += (int64_t)size;
	exchange_put_output(x, piece, size);
}

/* True for a whole response below 500. */
static bool explain_answer(const struct exchange *x)
{
	const struct verdict *v = &x->verdict;

	if (response.has_head)
		explain("body", "%lld bytes", (long long)response.body);
	if (response.has_head)
		explain("time", "the first byte after %.1f ms, the end after %.1f ms", response.first,
			explain_time());
	if (v->ended)
		explain("status", "%s", v->reason[0] ? v->reason : "200 (the header has none)");
	else if (!interrupted)
		explain("status", "the connection is cut: a web server does not take the response for "
			"whole");
	return v->ended && v->header == VERDICT_HEADER_WHOLE && v->status < REQUEST_ERROR;
}

/* The worker. */

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* Returns its pid; -1 after reporting. */
static pid_t start_worker(const struct settings *settings)
{
	int ends[2], pipe[2];
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 &&
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pipe) == 0) {
		for (int i = 0; i < 2; i++) {
			fcntl(ends[i], F_SETFD, FD_CLOEXEC);
			fcntl(ends[i], F_SETFL, O_NONBLOCK);
			fcntl(pipe[i], F_SETFD, FD_CLOEXEC);
		}
		fcntl(pipe[1], F_SETFL, O_NONBLOCK);
		pid = fork();
	}
	if (pid < 0) {
		report("cannot start a worker: %s", strerror(errno));
		return -1;
	}
	close(pid == 0 ? ends[0] : ends[1]);
	close(pid == 0 ? pipe[0] : pipe[1]);
	if (pid == 0) {
		explain_open();
		_exit(worker_run_once(settings, ends[1], pipe[1]));
	}
	connection = ends[0];
	worker_pipe = pipe[0];
	return pid;
}

/* Waits until the worker has taken the connection: templates are loaded. False if it ends. */
static bool await_worker(void)
{
	ssize_t n;
	char what;

	do
		n = read(worker_pipe, &what, 1);
	while (n < 0 && errno == EINTR && !interrupted);
	return n == 1;
}

/* The script may work on when its request is over. True if the worker has ended well. */
static bool await_end(const struct settings *s, pid_t pid)
{
	struct pollfd end = { .fd = worker_pipe, .events = POLLIN };
	pid_t ended;
	int status;

	if (!interrupted && poll(&end, 1, BACKGROUND_AFTER) == 0)
		explain("background", "processes of the script go on after its request, which is waited "
			"for (%g s at most, by --background-timeout)",
			(double)s->background_timeout / 1000);
	do
		ended = waitpid(pid, &status, 0);
	while (ended < 0 && errno == EINTR);
	return ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Ends as a program does that is interrupted. */
static void heed_interrupt(void)
{
	if (!interrupted)
		return;
	signal(interrupted, SIG_DFL);
	raise(interrupted);
}

static bool try_script(const struct settings *settings, struct exchange *x)
{
	pid_t pid = start_worker(settings);
	enum exchange_outcome outcome = EXCHANGE_FAILED;
	bool good = false;

	if (pid < 0)
		return false;
	catch_signals();
	x->socket = connection;
	if (await_worker()) {
		explain_clock();
		outcome = exchange_run(x);
	}
	if (outcome == EXCHANGE_OVER)
		good = explain_answer(x);
	/* A client that leaves. */
	shutdown(connection, SHUT_RDWR);
	return await_end(settings, pid) && good;
}

int try_run(const struct settings *settings)
{
	static struct exchange x;
	bool good;

	x.peer = "the script";
	x.take = show_response;
	if (!set_parameters(&x, settings) || exchange_prepare(&x) != EXCHANGE_GOES_ON)
		return STATUS_FAILURE;
	explain_user();
	explain_limits(settings);
	good = try_script(settings, &x);
	exchange_free(&x);
	heed_interrupt();
	return good ? 0 : STATUS_FAILURE;
}
