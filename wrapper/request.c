#include <config.h>

#include "request.h"

#include "explain.h"
#include "fair.h"
#include "os.h"
#include "report.h"
#include "rlimits.h"
#include "status.h"
#include "status-page.h"
#include "tag.h"
#include "timing.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
	/* Milliseconds for a script to exit after closing output and error, so that its
	 * status is known; and for output to end after the script's exit, if others hold
	 * the pipe open. */
	EXIT_GRACE = 100,
	DRAIN_GRACE = 1000,
	/* Milliseconds in which more of a body is expected after each part; and after
	 * which a script that takes nothing lags, so that its body is stored. */
	MORE_SOON = 500,
	LAG = 100,
	COMPLAIN_EVERY = 10000,
	STATUS_CLIENT_LEFT = 499, /* nginx's, for its log alone; readers want a number */
	WHOLE_READS_MOST = 4 /* of output without a writer left, in one turn */
};

static const struct settings *settings_of(const struct request *r)
{
	return r->client->service->settings;
}

static void request_changed(struct request *r)
{
	r->client->changed(r->client);
}

static void touch(struct request *r, enum request_timer timer)
{
	r->touched |= 1u << timer;
}

void request_touch(struct request *r)
{
	touch(r, TIMER_SILENCE);
}

static const char *seconds(const struct request *r, char out[32])
{
	snprintf(out, 32, "%.3g s", (double)(loop_now() - r->process->started) / 1000);
	return out;
}

struct request *request_new(struct client *client, uint16_t id, uint8_t role, bool keep_connection)
{
	struct request *r = calloc(1, sizeof *r);

	if (!r || !(r->asking = asking_new(role))) {
		free(r);
		return NULL;
	}
	r->client = client;
	r->id = r->response.id = r->log.id = id;
	r->log.client = client;
	r->keep_connection = keep_connection;
	scoreboard_begin(&r->score);
	r->ticket = TICKET_NONE;
	r->unfinished = slots_take(SLOT_UNFINISHED);
	for (int i = 0; i < REQUEST_TIMERS; i++)
		r->timers[i].request = r;
	return r;
}

/* What a phase is called on the status page. */
static const enum status_state shown[REQUEST_PHASES] = {
	[REQUEST_PARAMS] = STATUS_READING,
	[REQUEST_BODY] = STATUS_READING,
	[REQUEST_DUE] = STATUS_ASKING,
	[REQUEST_WAITING] = STATUS_ASKING,
	[REQUEST_LAUNCHING] = STATUS_RUNNING,
	[REQUEST_RUNNING] = STATUS_RUNNING,
	[REQUEST_ENDING] = STATUS_FINISHING,
};

static void enter(struct request *r, enum request_phase phase)
{
	r->phase = phase;
	scoreboard_move(&r->score, shown[phase]);
	if (phase == REQUEST_DUE)
		scoreboard_due(&r->score);
}

/* Ends. */

/* True if the buffer has a gap for bytes still in this script's pipe. */
static bool is_in_gap(const struct request *r)
{
	return r->process && buffer_has_gap(&r->client->out) &&
	       r->client->out.gap_pipe == r->process->output.fd;
}

static void request_leave_queues(struct request *r)
{
	admission_leave(&r->client->service->admission, &r->ticket);
	if (r->unfinished != SLOT_NONE)
		slots_give(SLOT_UNFINISHED, r->unfinished);
	r->unfinished = SLOT_NONE;
}

/* Detaches or terminates the script, which keeps the upload. */
static void request_let_go(struct request *r, bool terminate)
{
	struct process *p = r->process;

	if (!p)
		return;
	if (r->upload)
		r->score.received = r->upload->received;
	if (is_in_gap(r))
		buffer_lose_gap(&r->client->out);
	r->process = NULL;
	r->upload = NULL;
	if (terminate)
		process_terminate(p);
	else
		process_detach(p);
}

/*
 * Moves the request to REQUEST_ENDING, and terminates the script. An error status makes
 * an error response if nothing was sent yet. A response with an error, or with bytes not
 * in the buffer yet, is cut, so that the client does not take a part for the whole.
 */
static void request_conclude(struct request *r, int status, enum score_cause cause)
{
	bool broken = is_in_gap(r);

	r->score.cause = cause;
	if (status)
		explain_failure();
	if (r->upload)
		r->score.received = r->upload->received;
	request_let_go(r, true);
	request_leave_queues(r);
	upload_free(r->upload);
	r->upload = NULL;
	enter(r, REQUEST_ENDING);
	r->end.status = status;
	r->end.cut = broken || r->response.pending || (status && r->response.started);
}

static char **reason_of(struct request *r)
{
	return settings_of(r)->errors_to_client && !r->end.reason ? &r->end.reason : NULL;
}

/* Logs a text, and concludes the request with the same text as reason (--errors-to-client). */
#define request_fail(r, status_, cause, ...) \
	do { \
		(r)->log.status = (status_); \
		request_log_say(&(r)->log, reason_of(r), __VA_ARGS__); \
		request_conclude(r, status_, cause); \
	} while (0)

/* The same for a text that names the script. */
static void request_fail_bare(struct request *r, int status, enum score_cause cause,
			      const char *text)
{
	r->log.status = status;
	request_log_tell(&r->log, reason_of(r), text);
	request_conclude(r, status, cause);
}

void request_refuse_beyond(struct request *r, size_t on_connection)
{
	if (on_connection >= REQUEST_MOST)
		request_fail(r, 503, CAUSE_CONNECTION,
			     "refused, since more than %d are at once on one connection",
			     REQUEST_MOST);
	else if (r->unfinished == SLOT_NONE)
		request_fail(r, 503, CAUSE_UNFINISHED,
			     "refused, since too many requests are not whole yet "
			     "(--max-unfinished)");
}

static bool request_put(struct request *r, enum record_type type, const char *bytes, size_t size)
{
	return response_put(&r->client->out, type, r->id, bytes, size);
}

static bool request_put_end(struct request *r, enum record_end protocol_status)
{
	unsigned char *tail = buffer_tail(&r->client->out);

	if (!tail)
		return false;
	record_put_end(tail, r->id, r->end.app_status, protocol_status);
	buffer_grow(&r->client->out, RECORD_HEADER_SIZE + RECORD_BODY_SIZE);
	return true;
}

/* Puts as much of our own response as the buffer takes. False without memory. */
static bool request_put_page(struct request *r)
{
	while (r->end.page_at < r->end.page_size &&
	       response_has_room(&r->response, &r->client->out)) {
		size_t left = r->end.page_size - r->end.page_at;
		size_t most = buffer_space(&r->client->out) - RESPONSE_RESERVE;
		size_t size = left < most ? left : most;

		if (size > RECORD_CONTENT_MOST)
			size = RECORD_CONTENT_MOST;
		if (!request_put(r, FCGI_STDOUT, r->end.page + r->end.page_at, size))
			return false;
		r->end.page_at += size;
	}
	return true;
}

static const char *request_timing(const struct request *r, char out[TIMING_SIZE])
{
	return settings_of(r)->server_timing ? timing_line(&r->score, loop_now(), out) : NULL;
}

/* Counts the body of a response of ours as sent. */
static void request_note_own(struct request *r, const char *response, size_t size)
{
	size_t from = 0, header;

	if (reply_find_end(response, size, &from, &header))
		r->response.sent = (int64_t)(size - header);
}

/* Puts the records that end the request, once there is room for all. */
static enum request_state request_end(struct request *r)
{
	char document[REPLY_DOCUMENT_MOST], timing[TIMING_SIZE];
	struct reply_error error = { .status = r->end.status, .tag = r->log.tag,
				     .reason = r->end.reason, .head_only = r->response.head_only };
	size_t size = 0;

	if (r->end.cut)
		return REQUEST_CUT;
	if (!request_put_page(r)) {
		report("no memory for a status page; closing its connection");
		return REQUEST_CUT;
	}
	if (r->end.page_at < r->end.page_size)
		return REQUEST_GOES_ON;
	if (buffer_has_gap(&r->client->out) ||
	    buffer_space(&r->client->out) < REPLY_DOCUMENT_MOST + 5 * RECORD_HEADER_SIZE)
		return REQUEST_GOES_ON;
	error.added = request_timing(r, timing);
	if (r->end.status)
		size = reply_document(document, &error);
	if ((!size || request_put(r, FCGI_STDOUT, document, size)) &&
	    request_put(r, FCGI_STDOUT, "", 0) &&
	    (!r->log.sent || request_put(r, FCGI_STDERR, "", 0)) &&
	    request_put_end(r, FCGI_REQUEST_COMPLETE)) {
		if (size || r->end.page)
			request_note_own(r, size ? document : r->end.page,
					 size ? size : r->end.page_size);
		return REQUEST_ENDED;
	}
	report("no memory for the end of a request; closing its connection");
	return REQUEST_CUT;
}

bool request_put_failed_end(struct request *r)
{
	if (buffer_has_gap(&r->client->out) ||
	    buffer_space(&r->client->out) < RECORD_HEADER_SIZE + RECORD_BODY_SIZE)
		return false;
	if (r->end.app_status == 0)
		r->end.app_status = 1;
	return request_put_end(r, FCGI_OVERLOADED);
}

/* Parameters. */

static bool on_params(struct request *r, const unsigned char *bytes, size_t size)
{
	switch (asking_take(r->asking, bytes, size, (size_t)settings_of(r)->max_params)) {
	case ASKING_TOO_LARGE:
		request_fail(r, 431, CAUSE_PARAMS,
			     "refused, with more than %ld bytes of parameters (--max-params)",
			     (long)settings_of(r)->max_params);
		break;
	case ASKING_OK:
		break;
	default:
		request_fail(r, 503, CAUSE_SYSTEM, "no memory for its parameters");
	}
	return true;
}

static void request_show(struct request *r)
{
	const struct environment *sent = &r->asking->sent;
	const char *name = environment_get_text(sent, "SCRIPT_NAME");
	const struct score_texts texts = {
		.method = environment_get(sent, "REQUEST_METHOD"),
		.uri = name ? name : environment_get(sent, "REQUEST_URI"),
		.query = environment_get(sent, "QUERY_STRING"),
		.user = environment_get(sent, "REMOTE_USER"),
		.script = environment_get(sent, "SCRIPT_FILENAME"),
		.client = environment_get(sent, "REMOTE_ADDR"),
		.content_length = r->asking->content_length,
	};

	scoreboard_show(&r->score, &texts);
}

/* Answers a request for the status page or a ping. False if the request is for a script. */
static bool request_answer(struct request *r)
{
	const struct environment *sent = &r->asking->sent;
	const char *name = environment_get(sent, "SCRIPT_NAME");

	if (!status_is_at(settings_of(r), name))
		return false;
	request_leave_queues(r);
	r->end.page = status_respond(settings_of(r), name, environment_get(sent, "QUERY_STRING"),
				     environment_get(sent, "HTTP_ACCEPT"), r->asking->head_only,
				     &r->end.page_size);
	if (r->end.page)
		request_conclude(r, 0, CAUSE_NONE);
	else
		request_fail(r, 503, CAUSE_SYSTEM, "no memory for the status page");
	return true;
}

/* Gives the request its id: the one that the web server sends, or, with --request-id, one of ours
 * in its place. False without memory. */
static bool request_name(struct request *r)
{
	const char *name = settings_of(r)->request_id ? settings_of(r)->request_id : TAG_USUAL;
	const char *sent = environment_get(&r->asking->sent, name);
	char made[TAG_MADE + 1];

	if (tag_is_usable(sent)) {
		request_log_tag(&r->log, sent);
		return true;
	}
	if (!settings_of(r)->request_id)
		return true;
	tag_make(made);
	request_log_tag(&r->log, made);
	return environment_set(&r->asking->sent, name, made);
}

static bool on_params_end(struct request *r, const unsigned char *bytes, size_t size)
{
	int64_t length;

	(void)bytes, (void)size;
	switch (asking_end(r->asking)) {
	case ASKING_OK:
		break;
	case ASKING_INCOMPLETE:
		request_fail(r, 400, CAUSE_PARAMS, "its parameters end in the middle of a pair");
		return true;
	default:
		request_fail(r, 503, CAUSE_SYSTEM, "no memory for its parameters");
		return true;
	}
	r->ticket.client = fair_client(&r->asking->sent, settings_of(r)->fair_by);
	if (!r->ticket.client)
		r->ticket.client = r->client->key;
	length = r->asking->content_length;
	r->response.head_only = r->asking->head_only;
	request_log_name(&r->log, r->asking->name);
	request_log_client(&r->log, environment_get(&r->asking->sent, "REMOTE_ADDR"));
	if (!request_name(r)) {
		request_fail(r, 503, CAUSE_SYSTEM, "no memory for its parameters");
		return true;
	}
	r->access.values = access_log_keep(&r->asking->sent);
	r->access.suppressed = access_log_suppresses(environment_get(&r->asking->sent,
								     "SCRIPT_NAME"));
	if (request_answer(r))
		return true;
	request_show(r);
	if (length > settings_of(r)->max_body)
		request_fail(r, 413, CAUSE_BODY,
			     "request body of %lld bytes refused (--max-body is %lld)",
			     (long long)length, (long long)settings_of(r)->max_body);
	else if (length != 0 && !(r->upload = upload_new(length)))
		request_fail(r, 503, CAUSE_SYSTEM, "no memory for its body");
	else
		enter(r, length < 0 ? REQUEST_BODY : REQUEST_DUE);
	return true;
}

/* The body. */

static void request_heed_upload(struct request *r, enum upload_outcome outcome)
{
	const struct settings *s = settings_of(r);

	switch (outcome) {
	case UPLOAD_OK:
		break;
	case UPLOAD_TOO_LARGE:
		request_fail(r, 413, CAUSE_BODY,
			     "request body of more than %lld bytes refused (--max-body)",
			     (long long)s->max_body);
		break;
	case UPLOAD_NO_SPACE:
		if (errno == ENOBUFS)
			request_fail(r, 503, CAUSE_SPOOL,
				     "cannot keep the request body: too many bytes of such "
				     "bodies in all (--max-spool)");
		else
			request_fail(r, 503, CAUSE_SPOOL, "cannot keep the request body in %s: %s",
				     s->spool_directory, strerror(errno));
		break;
	case UPLOAD_SHORT:
		request_fail(r, 400, CAUSE_BODY, "the request body has %lld bytes instead of %lld",
			     (long long)r->upload->received, (long long)r->upload->length);
		break;
	case UPLOAD_UNREADABLE:
		request_fail(r, 500, CAUSE_SYSTEM,
			     "cannot read the request body back: %s", strerror(errno));
		break;
	case UPLOAD_BROKEN:
		request_fail(r, 500, CAUSE_SYSTEM,
			     "cannot write to its standard input: %s", strerror(errno));
		break;
	}
}

static int stdin_of(const struct request *r)
{
	return r->phase == REQUEST_RUNNING ? r->process->input.fd : -1;
}

static bool on_stdin(struct request *r, const unsigned char *bytes, size_t size)
{
	if (r->upload)
		request_heed_upload(r, upload_take(r->upload, stdin_of(r), bytes, size,
						   settings_of(r)->max_body));
	return true;
}

static bool on_stdin_end(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)bytes, (void)size;
	if (r->upload)
		request_heed_upload(r, upload_end(r->upload));
	if (r->phase == REQUEST_BODY)
		enter(r, REQUEST_DUE);
	return true;
}

/* True if all of the body has come, or the script refuses the rest. */
static bool request_has_body(const struct request *r)
{
	return !r->upload || r->upload->refused || upload_has_all(r->upload);
}

bool request_is_received(const struct request *r)
{
	switch (r->phase) {
	case REQUEST_PARAMS:
	case REQUEST_BODY:
		return false;
	default:
		return request_has_body(r);
	}
}

/* True if the script runs, or is about to. */
static bool request_has_script(const struct request *r)
{
	return r->phase == REQUEST_LAUNCHING || r->phase == REQUEST_RUNNING;
}

bool request_can_splice(const struct request *r)
{
	return r->phase == REQUEST_RUNNING && r->upload && upload_can_splice(r->upload);
}

bool request_holds_back(const struct request *r)
{
	return r->upload && r->phase != REQUEST_ENDING &&
	       upload_holds_back(r->upload, request_has_script(r));
}

/* The script's side. */

static void on_process_started(void *owner)
{
	struct request *r = owner;

	enter(r, REQUEST_RUNNING);
	scoreboard_start(&r->score, r->process->pid, r->process->started);
	if (r->upload)
		upload_room(r->upload);
	request_log_found(&r->log, r->process->job.asking->script.path);
	r->log.pid = r->process->pid;
	r->access.warm = r->process->job.warm;
	request_log_say(&r->log, NULL, REPORT_DEBUG "started %s",
			r->process->job.warm ? "warm" : "cold");
	asking_free(r->process->job.asking);
	r->process->job.asking = NULL;
	touch(r, TIMER_SILENCE);
	touch(r, TIMER_MORE);
	request_changed(r);
}

static void on_process_failed(void *owner)
{
	static int64_t last_shortage;
	struct request *r = owner;
	struct launch_job *job = &r->process->job;
	struct script *script = &job->asking->script;

	r->asking = job->asking;
	job->asking = NULL;
	r->process->upload = NULL;
	r->process = NULL;
	if (job->step == LAUNCH_PLACE) {
		r->ticket.script = script->key;
		enter(r, REQUEST_DUE);
	} else if (job->step == LAUNCH_RESOLVE ? script->shortage
					: launch_is_shortage(job->step, job->error)) {
		if (loop_is_time(&last_shortage, COMPLAIN_EVERY))
			request_log_say(&r->log, NULL, "cannot be started: %s (trying again)",
					job->step == LAUNCH_RESOLVE ? script->reason
								    : strerror(job->error));
		admission_back_off(&r->client->service->admission);
		enter(r, REQUEST_DUE);
	} else if (job->step == LAUNCH_RESOLVE) {
		request_fail_bare(r, script->status, CAUSE_SCRIPT, script->reason);
	} else if (job->step == LAUNCH_CHDIR) {
		request_fail(r, 403, CAUSE_START, "cannot change to its directory %s: %s",
			     script->directory ? script->directory : "", strerror(job->error));
	} else if (job->step == LAUNCH_EXEC) {
		request_fail_bare(r, 502, CAUSE_START, job->reason);
	} else {
		request_fail(r, 503, CAUSE_START, "cannot be started: %s", strerror(job->error));
	}
	request_changed(r);
}

/* Room in the pipe again: the script has read. */
static void on_process_input(void *owner)
{
	struct request *r = owner;

	request_touch(r);
	request_changed(r);
}

/* Logs notes on an accepted header block. */
static void request_note_header(struct request *r, const struct reply_notes *notes)
{
	if (notes->dropped)
		request_log_say(&r->log, NULL,
				REPORT_WARNING "lines left out of its header: %u, the first is \"%s\"",
				notes->dropped, notes->first_dropped);
	if (notes->warning)
		request_log_say(&r->log, NULL, REPORT_WARNING "%s", notes->warning);
}

static void request_heed_response(struct request *r, enum response_outcome outcome,
				  const struct reply_notes *notes)
{
	switch (outcome) {
	case RESPONSE_MORE:
		break;
	case RESPONSE_END:
		loop_close(&r->process->output);
		break;
	case RESPONSE_HEADER:
		request_note_header(r, notes);
		break;
	case RESPONSE_BAD_HEADER:
		request_fail(r, 502, CAUSE_RESPONSE, "%s", notes->fault);
		break;
	case RESPONSE_NO_MEMORY:
		request_fail(r, 503, CAUSE_SYSTEM, "no memory for its response");
		break;
	case RESPONSE_UNREADABLE:
		request_fail(r, 502, CAUSE_SYSTEM, "cannot read its output: %s", strerror(errno));
		break;
	}
}

static void request_read_output(struct request *r)
{
	char timing[TIMING_SIZE];
	struct reply_notes notes = { .mended = explain_is_open() ? explain_mended : NULL,
				     .sent = r->access.values ? access_log_keep_header : NULL,
				     .context = r->access.values,
				     .added = request_timing(r, timing) };

	request_touch(r);
	request_heed_response(r, response_read(&r->response, r->process->output.fd,
					       &r->client->out, &notes), &notes);
}

/* Output without a writer left is read on at once, so that the last bytes leave together
 * with FCGI_END_REQUEST. */
static void on_process_output(void *owner, bool whole)
{
	struct request *r = owner;

	for (int reads = whole ? WHOLE_READS_MOST : 1; reads > 0; reads--)
		if (r->process && !r->response.ended &&
		    response_has_room(&r->response, &r->client->out))
			request_read_output(r);
	touch(r, TIMER_DRAIN);
	request_changed(r);
}

static void request_read_errors(struct request *r)
{
	if (request_log_read(&r->log, r->process->errors.fd))
		request_touch(r);
	if (r->log.ended)
		loop_close(&r->process->errors);
}

static void on_process_errors(void *owner)
{
	struct request *r = owner;

	if (request_log_has_room(&r->log))
		request_read_errors(r);
	request_changed(r);
}

static void describe_status(int status, char *out, size_t size)
{
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	const char *limit = rlimits_explain(number);

	if (number)
		snprintf(out, size, "was killed by signal %d (%s)%s%s", number, strsignal(number),
			 limit ? ", " : "", limit ? limit : "");
	else
		snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

static void request_describe_exit(const struct request *r, char *out, size_t size)
{
	if (r->exited)
		describe_status(r->process->status, out, size);
	else
		snprintf(out, size, "closed its output");
}

static void request_debug_exit(struct request *r)
{
	char what[160], after[32];

	if (!report_is_wanted(REPORT_IS_DEBUG))
		return;
	request_describe_exit(r, what, sizeof what);
	request_log_say(&r->log, NULL, REPORT_DEBUG "%s after %s", what, seconds(r, after));
}

static void on_process_exited(void *owner)
{
	struct request *r = owner;
	int status = r->process->status;

	r->exited = r->access.ended = true;
	r->access.how = status;
	r->access.usage = r->process->usage;
	r->end.app_status = (uint32_t)(WIFSIGNALED(status) ? 128 + WTERMSIG(status)
							    : WEXITSTATUS(status));
	request_debug_exit(r);
	request_changed(r);
}

static const struct process_events process_events = {
	.started = on_process_started,
	.failed = on_process_failed,
	.input = on_process_input,
	.output = on_process_output,
	.errors = on_process_errors,
	.exited = on_process_exited,
};

/* Starting the script. */

static void request_launch(struct request *r)
{
	static int64_t last_shortage;
	long slot = r->ticket.running;

	r->ticket.running = SLOT_NONE;
	if (r->upload && r->upload->received == 0 && upload_has_all(r->upload)) {
		upload_free(r->upload);
		r->upload = NULL;
	}
	r->process = process_start(r->asking, r->upload, slot, &process_events, r);
	if (r->process) {
		r->asking = NULL;
		enter(r, REQUEST_LAUNCHING);
		scoreboard_launch(&r->score);
		if (r->upload)
			upload_wait(r->upload);
		return;
	}
	if (loop_is_time(&last_shortage, COMPLAIN_EVERY))
		request_log_say(&r->log, NULL, "cannot be started: %s (trying again)",
				strerror(errno));
	admission_back_off(&r->client->service->admission);
	enter(r, REQUEST_DUE);
}

static void on_granted(struct ticket *ticket)
{
	struct request *r = LOOP_OWNER(ticket, struct request, ticket);

	request_launch(r);
	request_changed(r);
}

void request_serve_queue(struct service *service)
{
	admission_serve(&service->admission, on_granted);
}

/* Refusals by the queue. */

static enum admission_limit limit_of(const struct request *r)
{
	return admission_find_limit(&r->client->service->admission, &r->ticket);
}

static void request_refuse_full(struct request *r)
{
	const struct settings *s = settings_of(r);
	size_t waiting = slots_taken(SLOT_WAITING);

	switch (limit_of(r)) {
	case ADMISSION_BY_CLIENT:
		request_fail(r, 429, CAUSE_PER_CLIENT,
			     "refused, since %ld scripts of its client run and %zu requests "
			     "wait already (--max-per-client, --queue)", s->max_per_client, waiting);
		break;
	case ADMISSION_BY_SCRIPT:
		request_fail(r, 503, CAUSE_PER_SCRIPT,
			     "refused, since %ld of this script run and %zu requests wait "
			     "already (--max-per-script, --queue)", s->max_per_script, waiting);
		break;
	case ADMISSION_BY_SLOTS:
		if (slots_taken(SLOT_RUNNING) < slots_most(SLOT_RUNNING))
			request_fail(r, 503, CAUSE_QUEUE,
				     "cannot be started for want of processes, descriptors or "
				     "memory, and %zu requests wait already (--queue)", waiting);
		else
			request_fail(r, 503, CAUSE_QUEUE,
				     "not started, since %zu scripts run and %zu requests "
				     "wait already (--max-scripts, --queue)",
				     slots_taken(SLOT_RUNNING), waiting);
	}
}

static void request_refuse_displaced(struct request *r)
{
	request_fail(r, limit_of(r) == ADMISSION_BY_CLIENT ? 429 : 503, CAUSE_DISPLACED,
		     "refused in favour of another client, since %zu requests wait and most are of "
		     "its own (--queue)", slots_taken(SLOT_WAITING));
}

static void request_refuse_overdue(struct request *r)
{
	const struct settings *s = settings_of(r);
	double after = (double)s->queue_timeout / 1000;

	switch (limit_of(r)) {
	case ADMISSION_BY_CLIENT:
		request_fail(r, 429, CAUSE_PER_CLIENT,
			     "not started within %g s, since %ld scripts of its client run "
			     "already (--max-per-client, --queue-timeout)", after, s->max_per_client);
		break;
	case ADMISSION_BY_SCRIPT:
		request_fail(r, 503, CAUSE_PER_SCRIPT,
			     "not started within %g s, since %ld of this script run already "
			     "(--max-per-script, --queue-timeout)", after, s->max_per_script);
		break;
	case ADMISSION_BY_SLOTS:
		if (slots_taken(SLOT_RUNNING) < slots_most(SLOT_RUNNING))
			request_fail(r, 503, CAUSE_QUEUE_TIME,
				     "not started within %g s, for want of processes, "
				     "descriptors or memory (--queue-timeout)", after);
		else
			request_fail(r, 503, CAUSE_QUEUE_TIME,
				     "not started, since %zu scripts run already and none "
				     "ended within %g s (--max-scripts, --queue-timeout)",
				     slots_taken(SLOT_RUNNING), after);
	}
}

static void on_displaced(struct ticket *ticket)
{
	struct request *r = LOOP_OWNER(ticket, struct request, ticket);

	request_refuse_displaced(r);
	request_changed(r);
}

static void request_ask_admission(struct request *r)
{
	request_leave_queues(r);
	switch (admission_ask(&r->client->service->admission, &r->ticket, on_displaced)) {
	case ADMISSION_GRANTED:
		request_launch(r);
		break;
	case ADMISSION_WAITS:
		enter(r, REQUEST_WAITING);
		if (!r->waited)
			scoreboard_wait();
		r->waited = true;
		if (r->overdue)
			request_refuse_overdue(r);
		break;
	case ADMISSION_FULL:
		request_refuse_full(r);
		break;
	case ADMISSION_NO_MEMORY:
		request_fail(r, 503, CAUSE_SYSTEM, "no memory for its place in the queue");
	}
}

/* The end of the response. */

/* True if the output has no writer any more: the rest is up to the client. */
static bool output_is_whole(const struct request *r)
{
	return r->response.ended || os_poll(r->process->output.fd, POLLIN) & POLLHUP;
}

static bool was_killed(const struct request *r)
{
	return r->exited && WIFSIGNALED(r->process->status);
}

/* A script without a response may still be at work on purpose, and is detached; a script
 * whose output ends within the header block has failed, and is terminated. */
static void request_finish_without_response(struct request *r)
{
	char what[160], said[200], after[32];
	bool in_header = response_ends_in_header(&r->response);

	request_describe_exit(r, what, sizeof what);
	seconds(r, after);
	request_log_last(&r->log, said, sizeof said);
	if (!in_header)
		request_let_go(r, false);
	request_fail(r, 502, CAUSE_RESPONSE, "%s after %s %s%s", what, after,
		     in_header ? "within its header" : "without a response", said);
}

static void request_finish_response(struct request *r)
{
	char what[160];
	bool cut = was_killed(r) && !response_is_whole(&r->response);

	if (was_killed(r)) {
		request_describe_exit(r, what, sizeof what);
		request_log_say(&r->log, NULL, "%s in the middle of its response", what);
	}
	request_let_go(r, false);
	request_conclude(r, 0, CAUSE_NONE);
	/* The client must not take a part for the whole. */
	r->end.cut |= cut;
}

/* Takes a header block without an empty line for whole if the last line ends in LF, and
 * the script has not failed. Else false. */
static bool request_ends_header(struct request *r)
{
	char timing[TIMING_SIZE];
	struct reply_notes notes = { .mended = explain_is_open() ? explain_mended : NULL,
				     .sent = r->access.values ? access_log_keep_header : NULL,
				     .context = r->access.values,
				     .added = request_timing(r, timing) };

	if (!response_ends_in_header(&r->response) ||
	    (r->exited && r->process->status != 0) ||
	    !reply_ends_with_line(r->response.head, r->response.head_size))
		return false;
	request_heed_response(r, response_end_header(&r->response, &r->client->out, &notes),
			      &notes);
	if (r->phase == REQUEST_RUNNING)
		request_log_say(&r->log, NULL, REPORT_WARNING "its output ends within the header");
	return true;
}

/* A response ends with the end of output and the script's exit. Either may be missing
 * for a while: other processes may hold the output open, and a script that has closed
 * its output may go on working. */
static bool request_is_over(struct request *r)
{
	if (is_in_gap(r) || response_is_pending(&r->response))
		return false;
	if (response_ends_in_header(&r->response) &&
	    !response_has_room(&r->response, &r->client->out))
		return false;
	if (r->exited ? !r->response.ended : !(r->response.ended && r->log.ended && r->exit_waited))
		return false;
	return request_log_drain(&r->log, r->process->errors.fd);
}

static void request_run(struct request *r)
{
	if (r->upload) {
		request_heed_upload(r, upload_feed(r->upload, r->process->input.fd));
		if (r->phase != REQUEST_RUNNING)
			return;
		if (upload_is_done(r->upload))
			loop_close(&r->process->input);
	}
	while (response_is_pending(&r->response) &&
	       response_has_room(&r->response, &r->client->out) && r->phase == REQUEST_RUNNING)
		request_read_output(r);
	if (r->phase != REQUEST_RUNNING || !request_is_over(r))
		return;
	if (!r->response.started && request_ends_header(r) && r->phase != REQUEST_RUNNING)
		return;
	if (response_is_pending(&r->response))
		return;
	if (r->response.started)
		request_finish_response(r);
	else
		request_finish_without_response(r);
}

/* The client. */

static bool keeps_scripts(const struct request *r)
{
	return settings_of(r)->on_abort == ON_ABORT_IGNORE;
}

/*
 * The client is gone, or has aborted the request. The script is detached if the client has
 * the whole response already, or by --on-abort ignore; but terminated in any case if a part
 * of the body is missing.
 */
static void request_abandon(struct request *r)
{
	bool done = response_is_whole(&r->response) && buffer_is_empty(&r->client->out);

	r->score.abandoned = !done;
	request_let_go(r, !(done || keeps_scripts(r)) || !request_has_body(r));
	request_conclude(r, 0, CAUSE_NONE);
	r->end.cut = false;
}

/* FCGI_ABORT_REQUEST has to wait until a started record or header block is sent, for the sake
 * of other requests on the connection. */
static bool on_abort(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)bytes, (void)size;
	r->aborted = is_in_gap(r) || response_is_pending(&r->response);
	if (!r->aborted)
		request_abandon(r);
	return true;
}

static bool on_client_gone(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)bytes, (void)size;
	request_abandon(r);
	return true;
}

static bool on_nothing(struct request *r, const unsigned char *bytes, size_t size)
{
	(void)r, (void)bytes, (void)size;
	return true;
}

/* Functions for the client's events in each phase; NULL: a breach of protocol. */
static bool (*const on[REQUEST_PHASES][REQUEST_EVENTS])(struct request *, const unsigned char *,
							size_t) = {
	[REQUEST_PARAMS][REQUEST_GETS_PARAMS] = on_params,
	[REQUEST_PARAMS][REQUEST_ENDS_PARAMS] = on_params_end,
	[REQUEST_PARAMS][REQUEST_ABORT] = on_abort,
	[REQUEST_PARAMS][REQUEST_CLIENT_GONE] = on_client_gone,
	[REQUEST_BODY][REQUEST_GETS_STDIN] = on_stdin,
	[REQUEST_BODY][REQUEST_ENDS_STDIN] = on_stdin_end,
	[REQUEST_BODY][REQUEST_ABORT] = on_abort,
	[REQUEST_BODY][REQUEST_CLIENT_GONE] = on_client_gone,
	[REQUEST_DUE][REQUEST_GETS_STDIN] = on_stdin,
	[REQUEST_DUE][REQUEST_ENDS_STDIN] = on_stdin_end,
	[REQUEST_DUE][REQUEST_ABORT] = on_abort,
	[REQUEST_DUE][REQUEST_CLIENT_GONE] = on_client_gone,
	[REQUEST_WAITING][REQUEST_GETS_STDIN] = on_stdin,
	[REQUEST_WAITING][REQUEST_ENDS_STDIN] = on_stdin_end,
	[REQUEST_WAITING][REQUEST_ABORT] = on_abort,
	[REQUEST_WAITING][REQUEST_CLIENT_GONE] = on_client_gone,
	[REQUEST_LAUNCHING][REQUEST_GETS_STDIN] = on_stdin,
	[REQUEST_LAUNCHING][REQUEST_ENDS_STDIN] = on_stdin_end,
	[REQUEST_LAUNCHING][REQUEST_ABORT] = on_abort,
	[REQUEST_LAUNCHING][REQUEST_CLIENT_GONE] = on_client_gone,
	[REQUEST_RUNNING][REQUEST_GETS_STDIN] = on_stdin,
	[REQUEST_RUNNING][REQUEST_ENDS_STDIN] = on_stdin_end,
	[REQUEST_RUNNING][REQUEST_ABORT] = on_abort,
	[REQUEST_RUNNING][REQUEST_CLIENT_GONE] = on_client_gone,
	/* The client does not know yet that the request ends. */
	[REQUEST_ENDING][REQUEST_GETS_PARAMS] = on_nothing,
	[REQUEST_ENDING][REQUEST_ENDS_PARAMS] = on_nothing,
	[REQUEST_ENDING][REQUEST_GETS_STDIN] = on_nothing,
	[REQUEST_ENDING][REQUEST_ENDS_STDIN] = on_nothing,
	[REQUEST_ENDING][REQUEST_ABORT] = on_nothing,
	[REQUEST_ENDING][REQUEST_CLIENT_GONE] = on_nothing,
};

/* Touches timers: the client has gone on with the request. */
static void request_note_client(struct request *r, bool with_body)
{
	touch(r, TIMER_CLIENT);
	if (with_body) {
		touch(r, TIMER_MORE);
		touch(r, TIMER_LAG);
		touch(r, TIMER_SILENCE);
	}
}

ssize_t request_splice_stdin(struct request *r, int socket, size_t size)
{
	ssize_t n = upload_splice(r->upload, socket, r->process->input.fd, size);

	if (n > 0)
		request_note_client(r, true);
	return n;
}

bool request_tell(struct request *r, enum request_event event, const unsigned char *bytes,
		  size_t size)
{
	request_note_client(r, event == REQUEST_GETS_STDIN);
	r->stdin_ended |= event == REQUEST_ENDS_STDIN;
	return on[r->phase][event] && on[r->phase][event](r, bytes, size);
}

enum request_state request_update(struct request *r)
{
	/* A start that the system refuses leaves REQUEST_DUE: ask again, to wait. */
	while (r->phase == REQUEST_DUE)
		request_ask_admission(r);
	if (r->aborted && r->phase == REQUEST_RUNNING && !is_in_gap(r) &&
	    !response_is_pending(&r->response))
		request_abandon(r);
	if (r->phase == REQUEST_RUNNING)
		request_run(r);
	return r->phase == REQUEST_ENDING ? request_end(r) : REQUEST_GOES_ON;
}

bool request_waits_for_buffer(const struct request *r)
{
	return r->phase == REQUEST_ENDING || r->aborted || response_is_pending(&r->response) ||
	       (response_ends_in_header(&r->response) &&
		!response_has_room(&r->response, &r->client->out));
}

/* Timers: condition, duration, consequence. */

/* Starts that fail for a shortage are a part of the wait. */
static bool is_waiting(const struct request *r)
{
	return r->phase == REQUEST_WAITING ||
	       (r->waited && !r->overdue &&
		(r->phase == REQUEST_DUE || r->phase == REQUEST_LAUNCHING));
}

static bool is_launching(const struct request *r)
{
	return r->phase == REQUEST_LAUNCHING;
}

/* Also after the script's exit: processes left behind get no more time than the script. */
static bool is_running(const struct request *r)
{
	return r->phase == REQUEST_RUNNING;
}

static bool may_be_slow(const struct request *r)
{
	return r->phase == REQUEST_RUNNING && !r->slow && !r->exited;
}

static bool waits_for_client(const struct request *r)
{
	switch (r->phase) {
	case REQUEST_PARAMS:
	case REQUEST_BODY:
		return true;
	case REQUEST_RUNNING:
		return !request_has_body(r) && body_is_empty(&r->upload->body) &&
		       r->upload->flow != UPLOAD_FULL;
	default:
		return false;
	}
}

static bool waits_for_exit(const struct request *r)
{
	return r->phase == REQUEST_RUNNING && r->response.ended && r->log.ended && !r->exited &&
	       !r->exit_waited;
}

static bool waits_for_output(const struct request *r)
{
	return r->phase == REQUEST_RUNNING && r->exited && !r->response.ended;
}

static bool expects_more(const struct request *r)
{
	return r->phase == REQUEST_RUNNING && !request_has_body(r);
}

static bool is_full(const struct request *r)
{
	return request_has_script(r) && r->upload && r->upload->flow == UPLOAD_FULL;
}

static void on_queue_time(struct request *r)
{
	r->overdue = true;
	if (r->phase != REQUEST_LAUNCHING)
		request_refuse_overdue(r);
}

static void on_launch_time(struct request *r)
{
	if (launcher_take(&r->process->job))
		return;
	request_fail(r, 504, CAUSE_START_TIME,
		     "could not be started within %g s: %s (--start-timeout)",
		     (double)settings_of(r)->start_timeout / 1000,
		     launcher_is_queued(&r->process->job)
			     ? "all threads that start scripts wait for file systems that do not answer"
			     : "its file system, or who holds a lease on it, does not answer");
}

static void on_time(struct request *r)
{
	char said[200], after[32];

	if (r->exited && output_is_whole(r))
		return;
	request_log_last(&r->log, said, sizeof said);
	request_fail(r, 504, CAUSE_TIME, "ended after %s (--timeout)%s", seconds(r, after), said);
}

static void on_described(void *owner, const char *lines)
{
	struct request *r = owner;

	r->description = NULL;
	while (lines && *lines) {
		size_t length = strcspn(lines, "\n");

		request_log_say(&r->log, NULL, REPORT_WARNING "slow: %.*s", (int)length, lines);
		lines += length + (lines[length] == '\n');
	}
}

static void on_slow(struct request *r)
{
	char said[200], after[32];

	r->slow = true;
	scoreboard_add(SCORE_SLOW, 1);
	request_log_last(&r->log, said, sizeof said);
	request_log_say(&r->log, NULL, REPORT_WARNING "slow: runs for more than %s (--slow-log), with %lld "
			"bytes received and %lld sent%s", seconds(r, after),
			(long long)(r->upload ? r->upload->received : r->score.received),
			(long long)r->response.sent, said);
	r->description = describer_ask(r->process->pid, on_described, r);
}

/* The second line of a slow script: how it has ended, or that it was not waited for. */
static void request_tell_slow_end(struct request *r)
{
	char what[160] = "its request has ended";
	int64_t ran = loop_now() - r->score.started;

	if (!r->slow)
		return;
	r->slow = false;
	if (r->access.ended)
		describe_status(r->access.how, what, sizeof what);
	request_log_say(&r->log, NULL, REPORT_WARNING "slow: %s after %.3g s", what,
			(double)ran / 1000);
}

static void on_silence(struct request *r)
{
	char after[32];

	if (r->client->has_read(r->client))
		return;
	request_fail(r, 504, CAUSE_SILENCE,
		     "ended after %s, of which %g s without a byte to or from its client "
		     "(--silence-timeout)", seconds(r, after),
		     (double)settings_of(r)->silence_timeout / 1000);
}

static void on_client_time(struct request *r)
{
	request_fail(r, 408, CAUSE_CLIENT_TIME,
		     "the client sent nothing more of its request for %g s "
		     "(--client-timeout)", (double)settings_of(r)->client_timeout / 1000);
}

static void on_exit_time(struct request *r)
{
	r->exit_waited = true;
}

/* Output in the pipe, or a full buffer, means a slow client: waits again. */
static void on_drain_time(struct request *r)
{
	if (!response_has_room(&r->response, &r->client->out) ||
	    os_poll(r->process->output.fd, POLLIN) & POLLIN)
		return;
	r->response.ended = true;
	loop_close(&r->process->output);
}

static void on_no_more(struct request *r)
{
	(void)r;
}

static void on_lag(struct request *r)
{
	upload_lag(r->upload);
}

static const struct timer_row {
	bool (*runs)(const struct request *);
	int64_t fixed; /* milliseconds; 0: by setting, where 0 is never */
	size_t setting;
	void (*passed)(struct request *);
} timer_rows[REQUEST_TIMERS] = {
	[TIMER_QUEUE] = { is_waiting, 0, offsetof(struct settings, queue_timeout), on_queue_time },
	[TIMER_LAUNCH] = { is_launching, 0, offsetof(struct settings, start_timeout),
			   on_launch_time },
	[TIMER_TIME] = { is_running, 0, offsetof(struct settings, timeout), on_time },
	[TIMER_SLOW] = { may_be_slow, 0, offsetof(struct settings, slow_log), on_slow },
	[TIMER_SILENCE] = { is_running, 0, offsetof(struct settings, silence_timeout), on_silence },
	[TIMER_CLIENT] = { waits_for_client, 0, offsetof(struct settings, client_timeout),
			   on_client_time },
	[TIMER_EXIT] = { waits_for_exit, EXIT_GRACE, 0, on_exit_time },
	[TIMER_DRAIN] = { waits_for_output, DRAIN_GRACE, 0, on_drain_time },
	[TIMER_MORE] = { expects_more, MORE_SOON, 0, on_no_more },
	[TIMER_LAG] = { is_full, LAG, 0, on_lag },
};

/* Events earlier in the turn may have ended or touched the timer. */
static void on_timer(struct deadline *d)
{
	struct timer *timer = LOOP_OWNER(d, struct timer, deadline);
	struct request *r = timer->request;
	long i = timer - r->timers;

	if (timer_rows[i].runs(r) && !(r->touched & 1u << i))
		timer_rows[i].passed(r);
	request_changed(r);
}

static void request_derive_timers(struct request *r)
{
	for (int i = 0; i < REQUEST_TIMERS; i++) {
		const struct timer_row *row = &timer_rows[i];
		struct deadline *d = &r->timers[i].deadline;
		bool touched = r->touched & 1u << i;
		int64_t delay = row->fixed ? row->fixed
			: *(const int64_t *)(const void *)((const char *)settings_of(r) + row->setting);

		if (!delay || !row->runs(r))
			deadline_clear(d);
		else if (touched || (!deadline_is_set(d) && i != TIMER_MORE))
			deadline_set(d, delay, on_timer);
	}
	r->touched = 0;
}

/* nginx stops sending a stored body as soon as a response begins: so output is not read
 * while a body keeps coming, unless the script refuses the rest or has exited. A client
 * that pauses may be waiting for a response to the first part. */
static bool may_answer(const struct request *r)
{
	return r->response.started || request_has_body(r) || r->exited ||
	       !deadline_is_set(&r->timers[TIMER_MORE].deadline);
}

void request_derive(struct request *r)
{
	struct process *p = r->process;

	request_derive_timers(r);
	scoreboard_pass(&r->score, r->upload ? r->upload->received : r->score.received,
			r->response.sent);
	if (!p || p->launching)
		return;
	if (r->upload)
		loop_want(&p->input, upload_wants_room(r->upload) ? LOOP_WRITE : 0);
	loop_want(&p->output, response_has_room(&r->response, &r->client->out) && may_answer(r) &&
			      !r->aborted && !r->response.pending ? LOOP_READ : 0);
	loop_want(&p->errors, request_log_has_room(&r->log) ? LOOP_READ : 0);
}

static void request_write_access(struct request *r, int status)
{
	const struct score *s = &r->score;
	const int64_t took = loop_now() - s->begun;
	struct request_log_fields fields = { .pid = "" };
	struct access_facts facts = {
		.values = r->access.values,
		.script = r->log.pid > 0 ? request_log_script(&r->log) : NULL,
		.tag = r->log.tag,
		.status = status,
		.took = took,
		.queued = s->due ? (s->launched ? s->launched : loop_now()) - s->due : -1,
		.started = s->started ? s->started - s->launched : -1,
		.sent = r->response.sent,
		.received = s->received,
		.script_pid = r->log.pid,
		.was_warm = r->access.warm,
		.is_whole = !r->end.cut && !s->abandoned,
		.is_kept = r->keep_connection,
		.has_ended = r->access.ended,
		.how = r->access.how,
		.user = r->access.usage.user, .system = r->access.usage.system,
		.memory = r->access.usage.memory,
	};

	if (!access_log_is_open() || (r->access.suppressed && status > 0 && status < 400))
		return;
	if (facts.status == 0 && s->abandoned)
		facts.status = STATUS_CLIENT_LEFT;
	r->log.status = facts.status;
	request_log_fields(&r->log, &fields);
	access_log_write(&facts, fields.of, REQUEST_LOG_FIELDS);
}

void request_free(struct request *r)
{
	int status = r->response.started ? r->response.status : r->end.page ? 200 : r->end.status;

	scoreboard_end(&r->score, status, r->end.cut, r->response.sent);
	request_tell_slow_end(r);
	describer_forget(r->description);
	request_write_access(r, status);
	access_log_forget(r->access.values);
	for (int i = 0; i < REQUEST_TIMERS; i++)
		deadline_clear(&r->timers[i].deadline);
	request_leave_queues(r);
	asking_free(r->asking);
	upload_free(r->upload);
	response_free(&r->response);
	request_log_free(&r->log);
	free(r->end.reason);
	free(r->end.page);
	free(r);
}
