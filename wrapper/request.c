/*
 * The phases of a request, and what may happen in each.
 */
#include <config.h>

#include "request-parts.h"

#include "params.h"
#include "places.h"
#include "reply.h"
#include "report.h"
#include "rlimits.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
	PARAMS_FIRST = 4096,
	COMPLAINT_MOST = 1024,
	/* Milliseconds that a program which has closed its output gets to exit, so
	 * that its status can be told; and that output may be missing which others
	 * hold open after the program has exited. */
	EXIT_GRACE = 100,
	OUTPUT_GRACE = 1000,
	/* Milliseconds in which more of a body is expected after each part. */
	MORE_SOON = 500,
	/* Milliseconds before another try, when the system has no room for a program. */
	START_PAUSE = 200,
	COMPLAIN_EVERY = 10000,
	/* And before another look for a place that only other workers can give back. */
	LOOK_AGAIN = 5,
	WHOLE_READS_MOST = 4 /* of output that is known to end, in one turn */
};

const struct settings *request_settings;

static struct queue queue;
static struct deadline start_again; /* set: no program can be started just now */
static struct deadline look_again;  /* whether another worker has given a place back */

void request_open(const struct settings *settings)
{
	request_settings = settings;
	body_set_directory(settings->spool_directory);
}

struct request *request_new(uint16_t id, uint8_t role, bool keep_connection, struct buffer *out,
			    struct queue_party *party, void (*changed)(void *), void *owner)
{
	struct request *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->id = id;
	r->role = role;
	r->keep_connection = keep_connection;
	r->out = out;
	r->party = party;
	r->changed = changed;
	r->owner = owner;
	r->body = BODY_EMPTY;
	r->place = PLACE_NONE;
	r->script.home = -1;
	r->content_length = -1;
	return r;
}

/* Saying what went wrong. */

static void tell(struct request *r, char *text)
{
	size_t size = strlen(text);

	report_tame(text, size);
	if (!request_settings->stderr_to_client || !request_has_room(r, REQUEST_RESERVE)) {
		report("%s", text);
		return;
	}
	request_put_record(r, FCGI_STDERR, text, size);
	r->errors_sent = true;
}

void request_complain(struct request *r, const char *format, ...)
{
	char text[COMPLAINT_MOST];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	tell(r, text);
}

void request_fail(struct request *r, int status, const char *format, ...)
{
	char text[COMPLAINT_MOST];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	tell(r, text);
	if (request_settings->errors_to_client && !r->reason)
		r->reason = strdup(text);
	request_conclude(r, status);
}

/* Ends of requests. */

static void clear_deadlines(struct request *r)
{
	deadline_clear(&r->lag);
	deadline_clear(&r->patience);
	deadline_clear(&r->time);
	deadline_clear(&r->silence);
	deadline_clear(&r->stall);
	deadline_clear(&r->more_soon);
}

/* Whether bytes that a record has promised are still in the program's pipe. */
static bool is_passing(const struct request *r)
{
	return r->program && buffer_is_passing(r->out) &&
	       r->out->pass_from == r->program->output.fd;
}

static void leave_queue(struct request *r)
{
	queue_leave(&queue, &r->turn);
	if (r->place != PLACE_NONE)
		places_give(PLACE_WAITING, r->place);
	r->place = PLACE_NONE;
}

void request_conclude(struct request *r, int status)
{
	bool broken = is_passing(r);

	if (r->program)
		cgi_stop(r->program);
	r->program = NULL;
	r->phase = REQUEST_ENDING;
	r->status = status;
	r->cut = broken || (status && r->replied);
	leave_queue(r);
	clear_deadlines(r);
	body_free(&r->body);
}

void request_dismiss(struct request *r)
{
	cgi_release(r->program);
	r->program = NULL;
}

static enum request_state end(struct request *r)
{
	if (r->cut)
		return REQUEST_CUT;
	if (!request_has_room(r, REPLY_DOCUMENT_MOST + 5 * RECORD_HEADER_SIZE))
		return REQUEST_GOES_ON;
	request_put_end(r);
	return r->cut ? REQUEST_CUT : REQUEST_ENDED;
}

/* Params. */

static bool get_params(struct request *r, const unsigned char *bytes, size_t size)
{
	size_t room = r->params_room ? r->params_room : PARAMS_FIRST;
	char *grown;

	if (r->params_size + size > (size_t)request_settings->max_params) {
		request_fail(r, 431, "request with more than %ld bytes of parameters refused "
			     "(--max-params)", request_settings->max_params);
		return true;
	}
	while (room < r->params_size + size)
		room *= 2;
	if (room != r->params_room) {
		grown = realloc(r->params, room);
		if (!grown) {
			request_fail(r, 503, "no memory for a request's parameters");
			return true;
		}
		r->params = grown;
		r->params_room = room;
	}
	memcpy(r->params + r->params_size, bytes, size);
	r->params_size += size;
	return true;
}

/* RFC 3875, section 4.1.2; what is no number is not known. */
static int64_t content_length_of(const char *text)
{
	char *last;
	long long length;

	if (!text || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	length = strtoll(text, &last, 10);
	return errno || *last ? -1 : length;
}

static bool make_environment(struct request *r, bool *complete)
{
	size_t count;

	if (r->params_size == 0 && !(r->params = malloc(1)))
		return false;
	params_to_strings(r->params, r->params_size, &count, complete);
	return environment_make(&r->environment, r->params, count);
}

static void read_environment(struct request *r)
{
	const char *method = environment_get(&r->environment, "REQUEST_METHOD");
	const char *length = environment_get(&r->environment, "CONTENT_LENGTH");

	r->head_only = method && strcmp(method, "HEAD") == 0;
	/* FastCGI 1.0, section 6.3: an Authorizer gets no STDIN. */
	r->content_length = r->role == FCGI_AUTHORIZER ? 0 : content_length_of(length);
}

static bool end_params(struct request *r, const unsigned char *bytes, size_t size)
{
	bool complete;

	(void)bytes, (void)size;
	r->phase = REQUEST_STARTING;
	if (!make_environment(r, &complete)) {
		request_fail(r, 503, "no memory for a request's parameters");
		return true;
	}
	if (!complete) {
		request_fail(r, 400, "a request's parameters end in the middle of a pair");
		return true;
	}
	read_environment(r);
	if (!script_find(&r->script, &r->environment))
		request_fail(r, r->script.status, "%s", r->script.reason);
	else if (r->content_length > request_settings->max_body)
		request_fail(r, 413, "%s: request body of %lld bytes refused (--max-body is %ld)",
			     r->script.path, (long long)r->content_length,
			     request_settings->max_body);
	return true;
}

/* Time. */

static double seconds_run(const struct request *r)
{
	return (double)(loop_now() - r->program->started) / 1000;
}

/* Whether output is there that has not been read: the client may be slow. */
static bool output_waits(const struct request *r)
{
	struct pollfd output = { .fd = r->program->output.fd, .events = POLLIN };

	return !request_has_room_for_output(r) || poll(&output, 1, 0) > 0;
}

static void on_patience_end(struct deadline *d)
{
	struct request *r = LOOP_OWNER(d, struct request, patience);

	if (r->phase == REQUEST_RUNNING && r->exited && !r->output_ended && output_waits(r)) {
		deadline_set(d, OUTPUT_GRACE, on_patience_end);
		return;
	}
	r->out_of_patience = true;
	if (r->phase == REQUEST_WAITING && places_taken(PLACE_RUNNING) < places_most(PLACE_RUNNING))
		request_fail(r, 503, "%s: not started within %g s, for want of processes, "
			     "descriptors or memory (--queue-timeout)", r->script.path,
			     (double)request_settings->queue_timeout / 1000);
	else if (r->phase == REQUEST_WAITING)
		request_fail(r, 503, "%s: not started, since %zu scripts run already and none "
			     "ended within %g s (--max-scripts, --queue-timeout)", r->script.path,
			     places_taken(PLACE_RUNNING),
			     (double)request_settings->queue_timeout / 1000);
	r->changed(r->owner);
}

/* Whether all of the output has been written: what is left is up to the client. */
static bool is_output_whole(const struct request *r)
{
	struct pollfd output = { .fd = r->program->output.fd, .events = POLLIN };

	return poll(&output, 1, 0) > 0 && output.revents & POLLHUP;
}

static void on_time_end(struct deadline *d)
{
	struct request *r = LOOP_OWNER(d, struct request, time);

	/* Those that a script leaves behind have no more time than the script. */
	if (r->exited && (r->output_ended || is_output_whole(r)))
		return;
	request_fail(r, 504, "%s[%ld]: ended after %.3g s (--timeout)%s%s", r->script.path,
		     (long)r->program->pid, seconds_run(r), r->errors.last[0] ? "; it said: " : "",
		     r->errors.last);
	r->changed(r->owner);
}

static void on_silence_end(struct deadline *d)
{
	struct request *r = LOOP_OWNER(d, struct request, silence);

	request_fail(r, 504, "%s[%ld]: ended after %.3g s, of which %g s without a byte to or from "
		     "its client (--silence-timeout)", r->script.path, (long)r->program->pid,
		     seconds_run(r), (double)request_settings->silence_timeout / 1000);
	r->changed(r->owner);
}

void request_stir(struct request *r)
{
	if (request_settings->silence_timeout)
		deadline_set(&r->silence, request_settings->silence_timeout, on_silence_end);
}

static void on_no_more_soon(struct deadline *d)
{
	struct request *r = LOOP_OWNER(d, struct request, more_soon);

	r->changed(r->owner);
}

/* What the program does. */

static void on_input(void *owner)
{
	struct request *r = owner;

	r->full = false;
	r->changed(r->owner);
}

/* All that is there is taken at once if it is the end, so that the last of the
 * output leaves together with the end of the request. */
static void on_output(void *owner, bool whole)
{
	struct request *r = owner;

	for (int reads = whole ? WHOLE_READS_MOST : 1; reads > 0; reads--)
		if (r->program && !r->output_ended && request_has_room_for_output(r))
			request_read_output(r);
	if (r->program && r->exited && !r->output_ended)
		deadline_set(&r->patience, OUTPUT_GRACE, on_patience_end);
	r->changed(r->owner);
}

static void on_errors(void *owner)
{
	struct request *r = owner;

	if (request_has_room_for_errors(r))
		request_read_errors(r);
	r->changed(r->owner);
}

static void on_exited(void *owner)
{
	struct request *r = owner;
	int status = r->program->status;

	r->exited = true;
	r->app_status = (uint32_t)(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	deadline_set(&r->patience, OUTPUT_GRACE, on_patience_end);
	r->changed(r->owner);
}

static const struct cgi_events program_events = { on_input, on_output, on_errors, on_exited };

/* Starting the program. */

/* RFC 3875, section 4.1.2: the length is that of what the script can read. */
static bool set_true_length(struct request *r)
{
	char text[24];

	if (r->content_length >= 0 || (r->received == 0 &&
	    !environment_get_text(&r->environment, "CONTENT_LENGTH")))
		return true;
	r->content_length = r->received;
	snprintf(text, sizeof text, "%lld", (long long)r->received);
	return environment_set(&r->environment, "CONTENT_LENGTH", text);
}

static bool finish_environment(struct request *r)
{
	const char *role = r->role == FCGI_AUTHORIZER ? "AUTHORIZER" : "RESPONDER";
	const struct option_list *own = &request_settings->env;

	r->prepared = true;
	return set_true_length(r) && environment_set(&r->environment, "FCGI_ROLE", role) &&
	       environment_override(&r->environment, own->texts, own->count) &&
	       (request_settings->clear_env || environment_inherit(&r->environment)) &&
	       environment_complete(&r->environment);
}

static bool is_shortage(enum launch_step step, int error)
{
	return step <= LAUNCH_FORK && (error == EAGAIN || error == ENOMEM || error == EMFILE ||
				    error == ENFILE || error == ENOSPC);
}

static void wait_for_place(struct request *r)
{
	r->place = places_take(PLACE_WAITING);
	if (r->place == PLACE_NONE) {
		request_fail(r, 503, "%s: not started, since %zu scripts run and %zu requests wait "
			     "already (--max-scripts, --queue)", r->script.path,
			     places_taken(PLACE_RUNNING), places_taken(PLACE_WAITING));
		return;
	}
	queue_enter(&queue, &r->turn, r->party);
	r->phase = REQUEST_WAITING;
	if (!r->patience.lane)
		deadline_set(&r->patience, request_settings->queue_timeout, on_patience_end);
}

/* The queue is served at the end of the turn. */
static void on_start_again(struct deadline *d)
{
	(void)d;
}

static void explain_failed_start(struct request *r, enum launch_step step, int error)
{
	static int64_t last_shortage;
	char text[512];

	if (is_shortage(step, error)) {
		if (loop_is_time(&last_shortage, COMPLAIN_EVERY))
			report("%s: cannot be started: %s (trying again)", r->script.path,
			       strerror(error));
		deadline_set(&start_again, START_PAUSE, on_start_again);
		wait_for_place(r);
	} else if (step == LAUNCH_CHDIR) {
		request_fail(r, 403, "%s: cannot change to its directory %s: %s", r->script.path,
			     r->script.directory ? r->script.directory : "", strerror(error));
	} else if (step == LAUNCH_EXEC) {
		script_explain_exec(&r->script, error, text, sizeof text);
		request_fail(r, 502, "%s", text);
	} else {
		request_fail(r, 503, "%s: cannot be started: %s", r->script.path, strerror(error));
	}
}

static void start(struct request *r, long place)
{
	struct launch_plan plan = {
		.path = r->script.path,
		.interpreter = r->script.interpreter,
		.file = -1,
		.home = r->script.home,
		.directory = r->script.directory,
		.wants_input = r->content_length > 0 || r->received > 0,
	};
	enum launch_step failed;

	if (!r->prepared && !finish_environment(r)) {
		places_give(PLACE_RUNNING, place);
		request_fail(r, 503, "%s: no memory for its environment", r->script.path);
		return;
	}
	plan.environment = r->environment.variables;
	r->program = cgi_start(&plan, place, &program_events, r, &failed);
	if (!r->program) {
		explain_failed_start(r, failed, errno);
		return;
	}
	r->phase = REQUEST_RUNNING;
	r->stdin_refused = !plan.wants_input;
	deadline_clear(&r->patience);
	if (!request_has_all_stdin(r))
		deadline_set(&r->more_soon, MORE_SOON, on_no_more_soon);
	if (request_settings->timeout)
		deadline_set(&r->time, request_settings->timeout, on_time_end);
	request_stir(r);
	/* The program has its copy. */
	environment_free(&r->environment);
	free(r->params);
	r->params = NULL;
}

static long take_place(void)
{
	return start_again.lane ? PLACE_NONE : places_take(PLACE_RUNNING);
}

void request_serve_queue(void)
{
	long place;

	while (queue.waiting > 0 && (place = take_place()) != PLACE_NONE) {
		struct request *r = LOOP_OWNER(queue_next(&queue), struct request, turn);

		leave_queue(r);
		start(r, place);
		r->changed(r->owner);
	}
	if (queue.waiting > 0 && places_are_shared() && !look_again.lane)
		deadline_set(&look_again, LOOK_AGAIN, on_start_again);
}

static void start_when_due(struct request *r)
{
	long place;

	if (r->content_length < 0 && !r->stdin_ended)
		return;
	place = queue.waiting == 0 ? take_place() : PLACE_NONE;
	if (place == PLACE_NONE)
		wait_for_place(r);
	else
		start(r, place);
}

/* Ending it. */

/* What became of the program, in words. */
static void describe_end(const struct request *r, char *out, size_t size)
{
	int status = r->program->status;
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	const char *limit = rlimits_explain(number);

	if (!r->exited)
		snprintf(out, size, "closed its output");
	else if (number)
		snprintf(out, size, "was killed by signal %d (%s)%s%s", number, strsignal(number),
			 limit ? ", " : "", limit ? limit : "");
	else
		snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

/* A program that has not answered may still be at work on purpose. */
static void finish_without_reply(struct request *r)
{
	double seconds = seconds_run(r);
	char what[160];

	describe_end(r, what, sizeof what);
	request_dismiss(r);
	request_fail(r, 502, "%s: %s after %.3g s without an answer%s%s", r->script.path, what,
		     seconds, r->errors.last[0] ? "; it said: " : "", r->errors.last);
}

static void finish_reply(struct request *r)
{
	char what[160];

	if (r->exited && WIFSIGNALED(r->program->status)) {
		describe_end(r, what, sizeof what);
		request_complain(r, "%s[%ld]: %s in the middle of its answer", r->script.path,
				 (long)r->program->pid, what);
	}
	request_dismiss(r);
	request_conclude(r, 0);
}

/* A reply ends with its output and the program's exit; either may be missing for
 * a while, since other processes may hold the output open, and a program that
 * has closed it may go on working. */
static bool is_over(struct request *r)
{
	if (is_passing(r))
		return false;
	if (r->head_size > 0 && !request_has_room_for_output(r))
		return false;
	if (r->exited)
		return (r->output_ended || r->out_of_patience) && request_drain_errors(r);
	return r->output_ended && r->errors_ended && r->out_of_patience && request_drain_errors(r);
}

static void finish(struct request *r)
{
	if (!r->output_ended)
		request_end_output(r);
	if (r->phase != REQUEST_RUNNING)
		return;
	if (r->replied)
		finish_reply(r);
	else
		finish_without_reply(r);
}

/* Its client wants it no longer. */
static void abandon(struct request *r)
{
	if (r->program && strcmp(request_settings->on_abort, "ignore") == 0)
		request_dismiss(r);
	request_conclude(r, 0);
}

static void run(struct request *r)
{
	if (r->aborted && !is_passing(r)) {
		abandon(r);
		return;
	}
	request_feed(r);
	if (r->phase != REQUEST_RUNNING)
		return;
	if (r->output_ended && r->errors_ended && !r->exited && !r->patience.lane &&
	    !r->out_of_patience)
		deadline_set(&r->patience, EXIT_GRACE, on_patience_end);
	/* Looking takes what is left on standard error, for which there may be no
	 * memory. */
	if (is_over(r) && r->phase == REQUEST_RUNNING)
		finish(r);
}

static bool abort_request(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)bytes, (void)size;
	/* What a record has promised must come first, for the sake of other
	 * requests on the connection. */
	r->aborted = is_passing(r);
	if (!r->aborted)
		abandon(r);
	return true;
}

static bool ignore(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)r, (void)bytes, (void)size;
	return true;
}

/* What the client may say when; an empty cell is its mistake. */
static bool (*const on[REQUEST_PHASES][REQUEST_EVENTS])(struct request *, const unsigned char *,
							size_t) = {
	[REQUEST_PARAMS][REQUEST_GETS_PARAMS] = get_params,
	[REQUEST_PARAMS][REQUEST_ENDS_PARAMS] = end_params,
	[REQUEST_PARAMS][REQUEST_ABORT] = abort_request,
	[REQUEST_STARTING][REQUEST_GETS_STDIN] = request_take_stdin,
	[REQUEST_STARTING][REQUEST_ENDS_STDIN] = request_end_stdin,
	[REQUEST_STARTING][REQUEST_ABORT] = abort_request,
	[REQUEST_WAITING][REQUEST_GETS_STDIN] = request_take_stdin,
	[REQUEST_WAITING][REQUEST_ENDS_STDIN] = request_end_stdin,
	[REQUEST_WAITING][REQUEST_ABORT] = abort_request,
	[REQUEST_RUNNING][REQUEST_GETS_STDIN] = request_take_stdin,
	[REQUEST_RUNNING][REQUEST_ENDS_STDIN] = request_end_stdin,
	[REQUEST_RUNNING][REQUEST_ABORT] = abort_request,
	/* It does not know yet that the end is near. */
	[REQUEST_ENDING][REQUEST_GETS_PARAMS] = ignore,
	[REQUEST_ENDING][REQUEST_ENDS_PARAMS] = ignore,
	[REQUEST_ENDING][REQUEST_GETS_STDIN] = ignore,
	[REQUEST_ENDING][REQUEST_ENDS_STDIN] = ignore,
	[REQUEST_ENDING][REQUEST_ABORT] = ignore,
};

/* Its client has gone on with its request. */
static void note_client(struct request *r, bool with_body)
{
	deadline_clear(&r->stall);
	if (with_body && r->phase == REQUEST_RUNNING)
		deadline_set(&r->more_soon, MORE_SOON, on_no_more_soon);
}

ssize_t request_move_stdin(struct request *r, int socket, size_t size)
{
	ssize_t n = request_fill(r, socket, size);

	if (n > 0)
		note_client(r, true);
	return n;
}

bool request_tell(struct request *r, enum request_event event, const unsigned char *bytes,
		  size_t size)
{
	note_client(r, event == REQUEST_GETS_STDIN);
	return on[r->phase][event] && on[r->phase][event](r, bytes, size);
}

enum request_state request_settle(struct request *r)
{
	if (r->phase == REQUEST_STARTING)
		start_when_due(r);
	if (r->phase == REQUEST_RUNNING)
		run(r);
	return r->phase == REQUEST_ENDING ? end(r) : REQUEST_GOES_ON;
}

bool request_waits_for_buffer(const struct request *r)
{
	return r->phase == REQUEST_ENDING || r->aborted;
}

/* Whether only the client can bring it on. */
static bool waits_for_client(const struct request *r)
{
	switch (r->phase) {
	case REQUEST_PARAMS:
	case REQUEST_STARTING:
		return true;
	case REQUEST_RUNNING:
		return !r->stdin_refused && body_is_empty(&r->body) && !request_has_all_stdin(r);
	default:
		return false;
	}
}

static void on_stall_end(struct deadline *d)
{
	struct request *r = LOOP_OWNER(d, struct request, stall);

	request_fail(r, 408, "%s: the client sent nothing more of its request for %g s "
		     "(--client-timeout)", r->script.path ? r->script.path : "a request",
		     (double)request_settings->client_timeout / 1000);
	r->changed(r->owner);
}

/* nginx stops sending a stored body as soon as an answer begins: so the answer
 * waits while a body keeps coming, unless the program wants no more of it. A
 * client that pauses may be waiting for an answer to the first part. */
static bool may_answer(const struct request *r)
{
	return r->replied || request_has_all_stdin(r) || r->stdin_refused || r->exited ||
	       !r->more_soon.lane;
}

void request_want(struct request *r)
{
	if (!waits_for_client(r))
		deadline_clear(&r->stall);
	else if (!r->stall.lane)
		deadline_set(&r->stall, request_settings->client_timeout, on_stall_end);
	if (!r->program)
		return;
	loop_want(&r->program->input, body_is_empty(&r->body) && !r->full ? 0 : LOOP_WRITE);
	loop_want(&r->program->output,
		  request_has_room_for_output(r) && may_answer(r) && !r->aborted ? LOOP_READ : 0);
	loop_want(&r->program->errors, request_has_room_for_errors(r) ? LOOP_READ : 0);
}

void request_refuse(struct request *r)
{
	request_fail(r, 503, "more than %d requests at once on one connection", REQUEST_MOST);
}

void request_free(struct request *r)
{
	abandon(r);
	environment_free(&r->environment);
	script_free(&r->script);
	lines_free(&r->errors);
	free(r->params);
	free(r->head);
	free(r->reason);
	free(r);
}
