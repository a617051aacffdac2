#include <config.h>

#include "upgrade.h"

#include "calls.h"
#include "children.h"
#include "journal.h"
#include "lines.h"
#include "loop.h"
#include "report.h"
#include "self.h"
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Milliseconds for the trial at least: looking up users may take long. */
enum { TRY_LEAST = 1000 };

/* As much as a pipe holds: processes left by the child may write on. */
enum { LAST_READS = 64 };

/* Time for refusals, which cannot be handed over, to end: see rests(). */
enum { REST_EVERY = 20, REST_TIMES = 50 };

static char **arguments;
static bool (*describe)(struct handover *);
static bool (*rests)(void);
static int rest_times;
static struct child attempt;
static struct watch words = { .fd = -1 }; /* output of the child */
static int child_words;                   /* write end, for the child alone */
static struct lines lines;
static struct handover state; /* for the trial */
static bool trying, cancelled;
static struct deadline due;

static void pass_descriptor_on(int fd, bool keep)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static void pass_all_on(const struct handover *h, bool keep)
{
	pass_descriptor_on(h->socket, keep);
	pass_descriptor_on(h->status_socket, keep);
	for (size_t i = 0; i < h->count; i++)
		pass_descriptor_on(h->workers[i].output, keep);
}

/* Returns only on failure, with errno; then everything is as before. */
static void execute_anew(const struct handover *h)
{
	char *text = handover_write(h, getpid());
	int error = ENOMEM;

	if (text && setenv(HANDOVER_VARIABLE, text, 1) == 0) {
		/* On failure, waiting times and counts merely begin anew. */
		if (h->waits)
			setenv(HANDOVER_WAITS_VARIABLE, h->waits, 1);
		setenv(HANDOVER_STATUS_VARIABLE, h->status, 1);
		setenv(HANDOVER_COUNTS_VARIABLE, h->counts, 1);
		pass_all_on(h, true);
		self_execute_anew(arguments);
		error = errno;
		pass_all_on(h, false);
	}
	unsetenv(HANDOVER_VARIABLE);
	unsetenv(HANDOVER_WAITS_VARIABLE);
	unsetenv(HANDOVER_STATUS_VARIABLE);
	unsetenv(HANDOVER_COUNTS_VARIABLE);
	free(text);
	errno = error;
}

/* In the child. */
static int try_out(struct child *child)
{
	(void)child;
	report_to(NULL);
	dup2(child_words, STDOUT_FILENO);
	dup2(child_words, STDERR_FILENO);
	execute_anew(&state);
	report("cannot execute %s: %s", arguments[0], strerror(errno));
	return EXIT_OWN_ERROR;
}

/* Called from the loop, after pending signals; those that come later are for the new program. */
static void on_time_to_execute(struct deadline *d)
{
	struct handover h = { .trial = false };
	int error;

	if (cancelled)
		return;
	if (!rests() && rest_times++ < REST_TIMES) {
		deadline_set(d, REST_EVERY, on_time_to_execute);
		return;
	}
	if (!describe(&h)) {
		report("cannot execute %s anew: %s (this one goes on)", arguments[0],
		       strerror(ENOMEM));
		handover_free(&h);
		return;
	}
	journal_flush();
	loop_hold_signals();
	loop_return_signals();
	execute_anew(&h);
	error = errno;
	loop_release_signals();
	errno = error;
	report("cannot execute %s anew: %s (this one goes on)", arguments[0], strerror(errno));
	handover_free(&h);
}

static void tell_words(void *context, const char *line, size_t size)
{
	(void)context;
	report("%s, tried by USR2, says: %.*s", arguments[0], (int)size, line);
}

static bool read_words(void)
{
	char bytes[1024];
	ssize_t n = read(words.fd, bytes, sizeof bytes);

	if (n > 0)
		lines_take(&lines, bytes, (size_t)n, loop_now(), tell_words, NULL);
	return n > 0;
}

static void on_words(struct watch *watch, unsigned events)
{
	(void)events;
	errno = 0;
	if (!read_words() && errno != EAGAIN)
		loop_close(watch);
}

static void on_try_ended(struct child *child, int status)
{
	char end[80];

	/* A program other than spawn-fcgi may have started processes. */
	child_signal_group(child, SIGKILL);
	for (int i = 0; i < LAST_READS && words.fd >= 0 && read_words(); i++) {
	}
	loop_close(&words);
	lines_end(&lines, tell_words, NULL);
	if (cancelled)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == UPGRADE_ACCEPTED) {
		rest_times = 0;
		deadline_set(&due, 1, on_time_to_execute);
		return;
	}
	child_describe_end(status, end, sizeof end);
	report("%s, tried by USR2, %s, and cannot take over (this one goes on)", arguments[0],
	       end);
}

/* on_try_ended() has killed the group. */
static bool leaves_nobody(const struct child *child)
{
	(void)child;
	return false;
}

static void on_try_gone(struct child *child)
{
	(void)child;
	trying = false;
}

static void on_too_long(struct deadline *d)
{
	report("%s, tried by USR2, does not say in time whether it can take over "
	       "(--stop-timeout); killing it", arguments[0]);
	child_signal_group(child_of_kill(d), SIGKILL);
}

static const struct child_owner owner = {
	.work = try_out, .ended = on_try_ended, .left = leaves_nobody, .gone = on_try_gone,
};

static bool start_try(void)
{
	int ends[2];
	bool started;
	int error;

	if (call_pipe(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	child_words = ends[1];
	started = loop_watch(&words, ends[0], LOOP_READ, on_words);
	if (!started) {
		error = errno;
		close(ends[0]);
		errno = error;
	}
	started = started && child_fork(&attempt, &owner, true);
	error = errno;
	close(ends[1]);
	if (!started)
		loop_close(&words);
	errno = error;
	return started;
}

void upgrade_begin(char **argv, int64_t within, bool (*describe_state)(struct handover *),
		   bool (*rest)(void))
{
	if (trying || cancelled)
		return;
	arguments = argv;
	describe = describe_state;
	rests = rest;
	state = (struct handover){ .trial = true };
	errno = ENOMEM;
	trying = describe(&state) && start_try();
	if (trying)
		child_kill_after(&attempt, within > TRY_LEAST ? within : TRY_LEAST, on_too_long);
	else
		report("cannot try %s: %s (this one goes on)", arguments[0], strerror(errno));
	handover_free(&state);
}

bool upgrade_is_on(void)
{
	return trying || deadline_is_set(&due);
}

void upgrade_cancel(void)
{
	cancelled = true;
	deadline_clear(&due);
	if (trying)
		child_signal_group(&attempt, SIGKILL);
}
