#include <config.h>

#include "request.h"

#include "params.h"
#include "reply.h"
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum {
	PARAMS_FIRST = 4096,
	OUTPUT_LEAST = 4096,   /* room that makes reading output worth while */
	ERRORS_AT_ONCE = 1024, /* bytes of standard error read in one go */
	ERRORS_READS_MOST = 64 * 1024 / ERRORS_AT_ONCE,
	LINE_MOST = 1024,      /* a longer line of standard error is broken */
	/* what ERRORS_AT_ONCE can become as records of a line each */
	ERRORS_ROOM = ERRORS_AT_ONCE * (RECORD_HEADER_SIZE + 1) + LINE_MOST,
	/* Milliseconds that a program which has closed its output gets to exit, so
	 * that its status can be told, and that output may be missing which others
	 * hold open after the program has exited. */
	EXIT_GRACE = 100,
	OUTPUT_GRACE = 1000
};

static const struct settings *settings;

void request_open(const struct settings *s)
{
	settings = s;
	body_set_directory(s->spool_directory);
}

struct request *request_new(uint16_t id, uint8_t role, bool keep_connection, struct buffer *out,
			    void (*changed)(void *), void *owner)
{
	struct request *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->id = id;
	r->role = role;
	r->keep_connection = keep_connection;
	r->out = out;
	r->changed = changed;
	r->owner = owner;
	r->body = BODY_EMPTY;
	r->content_length = -1;
	return r;
}

/* Records to the client. The caller has seen to the room. */

static bool has_room(const struct request *r, size_t size)
{
	return buffer_room(r->out) >= size;
}

/* Where the next record goes. If there is no memory even for that, nothing can
 * be said any more: NULL, and the request is cut off. */
static unsigned char *next_record(struct request *r)
{
	unsigned char *tail = buffer_tail(r->out);

	if (!tail) {
		r->phase = REQUEST_ENDING;
		r->cut = true;
	}
	return tail;
}

static void put_record(struct request *r, enum record_type type, const char *bytes, size_t size)
{
	unsigned char *tail = next_record(r);

	if (!tail)
		return;
	record_put_header(tail, type, r->id, size);
	memcpy(tail + RECORD_HEADER_SIZE, bytes, size);
	buffer_grow(r->out, RECORD_HEADER_SIZE + size);
}

/* Ends of requests. */

/* Says what went wrong, in the log or, if asked for, to the client. */
static void complain(struct request *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(struct request *r, const char *format, ...)
{
	char text[LINE_MOST];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (!settings->stderr_to_client || !has_room(r, REQUEST_RESERVE)) {
		report("%s", text);
		return;
	}
	n = n < (int)sizeof text ? n : (int)sizeof text - 1;
	report_tame(text, (size_t)n);
	put_record(r, FCGI_STDERR, text, (size_t)n);
	r->errors_sent = true;
}

/* Nothing more will happen to the request but its end. An error status makes a
 * document if nothing was sent yet; else the connection is cut, so that the
 * client does not take a part for the whole. A program that runs is stopped. */
static void conclude(struct request *r, int status)
{
	if (r->program)
		cgi_stop(r->program);
	r->program = NULL;
	r->phase = REQUEST_ENDING;
	r->status = status;
	r->cut = status && r->replied;
	deadline_clear(&r->patience);
	body_free(&r->body);
}

static void put_document(struct request *r)
{
	char document[REPLY_DOCUMENT_MOST];

	put_record(r, FCGI_STDOUT, document, reply_document(document, r->status, r->head_only));
}

static void put_end(struct request *r)
{
	unsigned char *tail;

	put_record(r, FCGI_STDOUT, "", 0);
	if (r->errors_sent)
		put_record(r, FCGI_STDERR, "", 0);
	tail = next_record(r);
	if (!tail)
		return;
	record_put_end(tail, r->id, r->app_status, r->protocol_status);
	buffer_grow(r->out, RECORD_HEADER_SIZE + RECORD_BODY_SIZE);
}

static enum request_state end(struct request *r)
{
	if (r->cut)
		return REQUEST_CUT;
	if (!has_room(r, REPLY_DOCUMENT_MOST + 5 * RECORD_HEADER_SIZE))
		return REQUEST_GOES_ON;
	if (r->status)
		put_document(r);
	put_end(r);
	return r->cut ? REQUEST_CUT : REQUEST_ENDED;
}

/* Params. */

static bool get_params(struct request *r, const unsigned char *bytes, size_t size)
{
	size_t room = r->params_room ? r->params_room : PARAMS_FIRST;
	char *grown;

	if (r->params_size + size > REQUEST_PARAMS_MOST) {
		complain(r, "request with more than %d bytes of parameters refused",
			 REQUEST_PARAMS_MOST);
		conclude(r, 431);
		return true;
	}
	while (room < r->params_size + size)
		room *= 2;
	if (room != r->params_room) {
		grown = realloc(r->params, room);
		if (!grown) {
			complain(r, "no memory for a request's parameters");
			conclude(r, 503);
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
	if (!make_environment(r, &complete)) {
		complain(r, "no memory for a request's parameters");
		conclude(r, 503);
	} else if (!complete) {
		complain(r, "a request's parameters end in the middle of a pair");
		conclude(r, 400);
	} else {
		read_environment(r);
		r->phase = REQUEST_STARTING;
		if (!script_find(&r->script, &r->environment, &settings->scripts)) {
			complain(r, "%s", r->script.reason);
			conclude(r, r->script.status);
		} else if (r->content_length > settings->max_body) {
			complain(r, "%s: request body of %lld bytes refused (--max-body is %ld)",
				 r->script.path, (long long)r->content_length, settings->max_body);
			conclude(r, 413);
		}
	}
	return true;
}

/* The body. */

static void refuse_stdin(struct request *r)
{
	r->stdin_refused = true;
	body_free(&r->body);
	if (r->program)
		loop_close(&r->program->input);
}

/* Writes to the program what it takes now: the number of bytes. */
static size_t offer(struct request *r, const unsigned char *bytes, size_t size)
{
	ssize_t n;

	do
		n = write(r->program->input.fd, bytes, size);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		refuse_stdin(r); /* it has closed its input, or is gone */
	return 0;
}

static bool get_stdin(struct request *r, const unsigned char *bytes, size_t size)
{
	if (r->content_length >= 0 && (int64_t)size > r->content_length - r->received)
		size = (size_t)(r->content_length - r->received);
	r->received += (int64_t)size;
	if (r->phase == REQUEST_RUNNING && body_is_empty(&r->body) && !r->stdin_refused) {
		size_t taken = offer(r, bytes, size);

		bytes += taken;
		size -= taken;
	}
	if (size == 0 || r->stdin_refused)
		return true;
	if (r->received > settings->max_body) {
		complain(r, "%s: request body of more than %ld bytes refused (--max-body)",
			 r->script.path, settings->max_body);
		conclude(r, 413);
	} else if (!body_append(&r->body, bytes, size)) {
		complain(r, "%s: cannot keep the request body in %s: %s", r->script.path,
			 settings->spool_directory, strerror(errno));
		conclude(r, 503);
	}
	return true;
}

static bool end_stdin(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)bytes, (void)size;
	r->stdin_ended = true;
	return true;
}

static bool ignore(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)r, (void)bytes, (void)size;
	return true;
}

static bool all_received(const struct request *r)
{
	return r->stdin_ended || r->received == r->content_length;
}

/* Passes on what has been kept, and closes the program's input behind the last
 * byte. */
static void feed(struct request *r)
{
	while (!r->stdin_refused && !body_is_empty(&r->body)) {
		size_t size, taken;
		const unsigned char *bytes = body_peek(&r->body, &size);

		if (!bytes) {
			complain(r, "%s: cannot read the request body back: %s", r->script.path,
				 strerror(errno));
			conclude(r, 500);
			return;
		}
		taken = offer(r, bytes, size);
		if (taken == 0)
			return;
		body_consume(&r->body, taken);
	}
	if (all_received(r))
		loop_close(&r->program->input);
}

/* What the program says on standard error. */

static void end_line(struct request *r)
{
	size_t size = r->line_size;

	if (size > 0 && r->line[size - 1] == '\r')
		size--;
	report_tame(r->line, size);
	if (size > 0)
		snprintf(r->last_line, sizeof r->last_line, "%.*s", (int)size, r->line);
	if (settings->stderr_to_client && has_room(r, RECORD_HEADER_SIZE + size)) {
		if (size > 0)
			put_record(r, FCGI_STDERR, r->line, size);
		r->errors_sent |= size > 0;
	} else {
		report("%s[%ld]: %.*s", r->script.path, (long)r->program->pid, (int)size, r->line);
	}
	r->line_size = 0;
}

static void take_errors(struct request *r, const char *bytes, size_t size)
{
	if (!r->line && !(r->line = malloc(LINE_MOST)))
		return;
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != '\n')
			r->line[r->line_size++] = bytes[i];
		if (bytes[i] == '\n' || r->line_size == LINE_MOST)
			end_line(r);
	}
}

static bool has_room_for_errors(struct request *r)
{
	return !settings->stderr_to_client || has_room(r, ERRORS_ROOM + REQUEST_RESERVE);
}

/* Reads a piece: false if there is nothing now, or no more. */
static bool read_errors(struct request *r)
{
	char bytes[ERRORS_AT_ONCE];
	ssize_t n;

	do
		n = read(r->program->errors.fd, bytes, sizeof bytes);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		take_errors(r, bytes, (size_t)n);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	loop_close(&r->program->errors);
	r->errors_ended = true;
	return false;
}

/* After the program's exit: whether all that it said has been taken. */
static bool drain_errors(struct request *r)
{
	/* Bounded, since a process that it left behind may go on talking. */
	for (int i = 0; i < ERRORS_READS_MOST && !r->errors_ended; i++) {
		if (!has_room_for_errors(r))
			return false;
		if (!read_errors(r))
			break;
	}
	if (r->line_size > 0)
		end_line(r);
	return true;
}

static void on_errors(void *owner)
{
	struct request *r = owner;

	if (has_room_for_errors(r))
		read_errors(r);
	r->changed(r->owner);
}

/* What the program answers. */

static void end_output(struct request *r)
{
	loop_close(&r->program->output);
	r->output_ended = true;
}

/* The program can no longer answer this request: it may go on without us, and
 * learns from its broken pipe. */
static void dismiss(struct request *r)
{
	cgi_release(r->program);
	r->program = NULL;
}

/* Sends the mended header block, and what came of the body along with it. */
static bool put_reply_head(struct request *r, const char *block, size_t block_size,
			   const char *rest, size_t rest_size)
{
	struct reply_notes notes;
	unsigned char *tail = next_record(r);
	unsigned char *content;
	size_t size;

	if (!tail)
		return false;
	content = tail + RECORD_HEADER_SIZE;
	size = reply_mend(block, block_size, (char *)content, &notes);
	if (size == 0) {
		complain(r, "%s: %s", r->script.path, notes.fault);
		dismiss(r);
		conclude(r, 502);
		return false;
	}
	if (!r->head_only) {
		memcpy(content + size, rest, rest_size);
		size += rest_size;
	}
	record_put_header(tail, FCGI_STDOUT, r->id, size);
	buffer_grow(r->out, RECORD_HEADER_SIZE + size);
	r->replied = true;
	if (notes.warning)
		complain(r, "%s: %s", r->script.path, notes.warning);
	return true;
}

static void forget_head(struct request *r)
{
	free(r->head);
	r->head = NULL;
	r->head_size = 0;
}

/* Looks at what has come so far of the reply's header block. */
static void take_head(struct request *r, const char *bytes, size_t size)
{
	size_t block_size;

	if (reply_find_end(bytes, size, &block_size)) {
		put_reply_head(r, bytes, block_size, bytes + block_size, size - block_size);
		forget_head(r);
	} else if (size == REPLY_HEADER_MOST) {
		complain(r, "%s: no empty line ends its header within %d bytes", r->script.path,
			 REPLY_HEADER_MOST);
		dismiss(r);
		conclude(r, 502);
	} else if (!r->head) {
		r->head = malloc(REPLY_HEADER_MOST);
		if (!r->head) {
			complain(r, "%s: no memory for its reply", r->script.path);
			dismiss(r);
			conclude(r, 503);
			return;
		}
		memcpy(r->head, bytes, size);
		r->head_size = size;
	} else {
		r->head_size = size;
	}
}

/* The output ended in the header block: enough of one is taken as a whole. */
static void end_head(struct request *r)
{
	end_output(r);
	if (r->head_size == 0)
		return;
	if (put_reply_head(r, r->head, r->head_size, "", 0))
		complain(r, "%s: its output ends within the header", r->script.path);
	forget_head(r);
}

/* Most header blocks come in one piece and are looked at where they are read. */
static void read_head(struct request *r)
{
	static char first[REPLY_HEADER_MOST];
	char *bytes = r->head ? r->head : first;
	ssize_t n = read(r->program->output.fd, bytes + r->head_size,
			 REPLY_HEADER_MOST - r->head_size);

	if (n > 0)
		take_head(r, bytes, r->head_size + (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		end_head(r);
}

/* The body is read to where it is sent from, its record's header put in front. */
static void read_body(struct request *r)
{
	size_t most = buffer_room(r->out) - REQUEST_RESERVE - RECORD_HEADER_SIZE;
	unsigned char *tail = next_record(r);
	ssize_t n;

	if (!tail)
		return;
	n = read(r->program->output.fd, tail + RECORD_HEADER_SIZE,
			 most < RECORD_CONTENT_MOST ? most : RECORD_CONTENT_MOST);

	if (n > 0 && !r->head_only) {
		record_put_header(tail, FCGI_STDOUT, r->id, (size_t)n);
		buffer_grow(r->out, RECORD_HEADER_SIZE + (size_t)n);
	} else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
		end_output(r);
	}
}

static bool has_room_for_output(struct request *r)
{
	size_t least = r->replied ? OUTPUT_LEAST : REPLY_MENDED_MOST + 2 * RECORD_HEADER_SIZE;

	return has_room(r, least + REQUEST_RESERVE);
}

static void on_patience_end(struct deadline *d)
{
	struct request *r = (struct request *)(void *)((char *)d - offsetof(struct request, patience));

	r->out_of_patience = true;
	r->changed(r->owner);
}

static void on_output(void *owner)
{
	struct request *r = owner;

	if (has_room_for_output(r)) {
		if (r->replied)
			read_body(r);
		else
			read_head(r);
		if (r->program && r->exited && !r->output_ended)
			deadline_set(&r->patience, OUTPUT_GRACE, on_patience_end);
	}
	r->changed(r->owner);
}

static void on_input(void *owner)
{
	struct request *r = owner;

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

	return set_true_length(r) && environment_set(&r->environment, "FCGI_ROLE", role) &&
	       environment_inherit(&r->environment, environ) &&
	       environment_complete(&r->environment);
}

static void explain_failed_start(struct request *r, enum cgi_step step, int error)
{
	char text[512];

	switch (step) {
	case CGI_CHDIR:
		complain(r, "%s: cannot change to its directory %s: %s", r->script.path,
			 r->script.directory, strerror(error));
		conclude(r, 403);
		break;
	case CGI_EXEC:
		script_explain_exec(r->script.path, error, text, sizeof text);
		complain(r, "%s", text);
		conclude(r, 502);
		break;
	default:
		complain(r, "%s: cannot start it: %s", r->script.path, strerror(error));
		conclude(r, 503);
	}
}

static void start(struct request *r)
{
	struct cgi_plan plan = { .path = r->script.path, .directory = r->script.directory };
	enum cgi_step failed;

	if (!finish_environment(r)) {
		complain(r, "%s: no memory for its environment", r->script.path);
		conclude(r, 503);
		return;
	}
	plan.environment = r->environment.variables;
	plan.wants_input = r->content_length > 0 || r->received > 0;
	r->program = cgi_start(&plan, &program_events, r, &failed);
	if (!r->program) {
		explain_failed_start(r, failed, errno);
		return;
	}
	r->phase = REQUEST_RUNNING;
	r->stdin_refused = !plan.wants_input;
	/* The program has its copy. */
	environment_free(&r->environment);
	free(r->params);
	r->params = NULL;
}

static void start_when_due(struct request *r)
{
	if (r->stdin_ended && r->received < r->content_length) {
		complain(r, "%s: the request body has %lld bytes instead of %lld", r->script.path,
			 (long long)r->received, (long long)r->content_length);
		conclude(r, 400);
	} else if (r->content_length >= 0 || r->stdin_ended) {
		start(r);
	}
}

/* Ending it. */

static void explain_no_reply(struct request *r)
{
	double seconds = (double)(loop_now() - r->program->started) / 1000;
	const char *said = r->last_line[0] ? "; it said: " : "";
	int status = r->program->status;

	if (!r->exited)
		complain(r, "%s: closed its output after %.3g s without an answer%s%s",
			 r->script.path, seconds, said, r->last_line);
	else if (WIFSIGNALED(status))
		complain(r, "%s: killed by signal %d (%s) after %.3g s without an answer%s%s",
			 r->script.path, WTERMSIG(status), strsignal(WTERMSIG(status)), seconds, said,
			 r->last_line);
	else
		complain(r, "%s: exited with status %d after %.3g s without an answer%s%s",
			 r->script.path, WEXITSTATUS(status), seconds, said, r->last_line);
}

/* A reply ends with its output and the program's exit; either may be missing for
 * a while, since other processes may hold the output open, and a program that
 * has closed it may go on working. */
static bool is_over(struct request *r)
{
	if (r->exited)
		return (r->output_ended || r->out_of_patience) && drain_errors(r);
	return r->output_ended && r->errors_ended && r->out_of_patience && drain_errors(r);
}

static void finish(struct request *r)
{
	if (r->exited && WIFSIGNALED(r->program->status) && r->replied)
		complain(r, "%s: killed by signal %d (%s) while answering", r->script.path,
			 WTERMSIG(r->program->status), strsignal(WTERMSIG(r->program->status)));
	if (!r->output_ended && !r->replied && r->head_size > 0)
		end_head(r);
	if (r->phase == REQUEST_RUNNING && !r->replied)
		explain_no_reply(r);
	if (r->program)
		dismiss(r);
	if (r->phase == REQUEST_RUNNING)
		conclude(r, r->replied ? 0 : 502);
}

static void run(struct request *r)
{
	feed(r);
	if (r->phase != REQUEST_RUNNING)
		return;
	if (r->output_ended && r->errors_ended && !r->exited && !r->patience.lane &&
	    !r->out_of_patience)
		deadline_set(&r->patience, EXIT_GRACE, on_patience_end);
	if (is_over(r))
		finish(r);
}

static bool abort_request(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)bytes, (void)size;
	if (r->program)
		cgi_stop(r->program);
	r->program = NULL;
	conclude(r, 0);
	return true;
}

/* What the client may say when; an empty cell is its mistake. */
static bool (*const on[REQUEST_PHASES][REQUEST_EVENTS])(struct request *, const unsigned char *,
							size_t) = {
	[REQUEST_PARAMS][REQUEST_GETS_PARAMS] = get_params,
	[REQUEST_PARAMS][REQUEST_ENDS_PARAMS] = end_params,
	[REQUEST_PARAMS][REQUEST_ABORT] = abort_request,
	[REQUEST_STARTING][REQUEST_GETS_STDIN] = get_stdin,
	[REQUEST_STARTING][REQUEST_ENDS_STDIN] = end_stdin,
	[REQUEST_STARTING][REQUEST_ABORT] = abort_request,
	[REQUEST_RUNNING][REQUEST_GETS_STDIN] = get_stdin,
	[REQUEST_RUNNING][REQUEST_ENDS_STDIN] = end_stdin,
	[REQUEST_RUNNING][REQUEST_ABORT] = abort_request,
	/* It does not know yet that the end is near. */
	[REQUEST_ENDING][REQUEST_GETS_PARAMS] = ignore,
	[REQUEST_ENDING][REQUEST_ENDS_PARAMS] = ignore,
	[REQUEST_ENDING][REQUEST_GETS_STDIN] = ignore,
	[REQUEST_ENDING][REQUEST_ENDS_STDIN] = ignore,
	[REQUEST_ENDING][REQUEST_ABORT] = ignore,
};

bool request_tell(struct request *r, enum request_event event, const unsigned char *bytes,
		  size_t size)
{
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

void request_want(struct request *r)
{
	if (!r->program)
		return;
	loop_want(&r->program->input, body_is_empty(&r->body) ? 0 : LOOP_WRITE);
	loop_want(&r->program->output, has_room_for_output(r) ? LOOP_READ : 0);
	loop_want(&r->program->errors, has_room_for_errors(r) ? LOOP_READ : 0);
}

void request_free(struct request *r)
{
	if (r->program)
		cgi_stop(r->program);
	deadline_clear(&r->patience);
	environment_free(&r->environment);
	script_free(&r->script);
	body_free(&r->body);
	free(r->params);
	free(r->head);
	free(r->line);
	free(r);
}
