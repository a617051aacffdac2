#include <config.h>

#include "status.h"

#include "loop.h"
#include "scoreboard.h"
#include "slots.h"
#include "status-page.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_at(const char *path, const char *name)
{
	return path && name && strcmp(path, name) == 0;
}

bool status_is_at(const struct settings *s, const char *name)
{
	return is_at(s->status, name) || is_at(s->ping, name);
}

/* Values of our own. */

static const char responses_help[] = "Responses with a regular status, by its first digit.",
		  lost_help[] = "Requests without a whole response.",
		  refused_help[] = "Error responses to requests whose script was not run, by reason.",
		  failed_help[] = "Error responses about scripts that were run, by reason.",
		  starts_help[] = "Scripts started, from a template (warm) or not (cold).",
		  ends_help[] = "Scripts ended, by how.",
		  cpu_help[] = "Processor time of scripts that have ended.",
		  bytes_help[] = "Bytes of request bodies (in) and of bodies of responses (out).";

/* Counts as values. Those with trouble are added up, so that none counts what another does. */
static const struct count_row {
	enum score_count count;
	double unit;
	struct status_value value;
} count_rows[] = {
#define RESPONSES(digit) \
	{ SCORE_STATUS + (digit) - 1, 1, \
	  { "responses " #digit "xx", "responses", "code=\"" #digit "xx\"", responses_help, \
	    STATUS_COUNTER } }
	RESPONSES(1), RESPONSES(2), RESPONSES(3), RESPONSES(4), RESPONSES(5),
	{ SCORE_SCRIPT_5XX, 1, { "scripts answer 5xx", "script_errors", NULL,
				 "Responses 5xx made by scripts.", STATUS_COUNTER,
				 .trouble = true } },
	{ SCORE_ABORTED, 1, { "aborted", "lost", "how=\"aborted\"", lost_help, STATUS_COUNTER } },
	{ SCORE_CUT, 1, { "cut", "lost", "how=\"cut\"", lost_help, STATUS_COUNTER,
			  .trouble = true } },
	{ SCORE_CONNECTIONS, 1, { "connections", "connections", NULL,
				  "Connections of web servers accepted.", STATUS_COUNTER } },
	{ SCORE_COLD, 1, { "cold starts", "starts", "how=\"cold\"", starts_help, STATUS_COUNTER } },
	{ SCORE_WARM, 1, { "warm starts", "starts", "how=\"warm\"", starts_help, STATUS_COUNTER } },
	{ SCORE_EXITED_0, 1, { "scripts exit 0", "script_ends", "how=\"exit0\"", ends_help,
			       STATUS_COUNTER } },
	{ SCORE_EXITED, 1, { "scripts exit else", "script_ends", "how=\"exit\"", ends_help,
			     STATUS_COUNTER } },
	{ SCORE_KILLED, 1, { "scripts killed", "script_ends", "how=\"signal\"", ends_help,
			     STATUS_COUNTER } },
	{ SCORE_CPU_USER, 1e6, { "cpu user", "script_cpu_seconds", "mode=\"user\"", cpu_help,
				 STATUS_COUNTER, "seconds" } },
	{ SCORE_CPU_SYSTEM, 1e6, { "cpu system", "script_cpu_seconds", "mode=\"system\"", cpu_help,
				   STATUS_COUNTER, "seconds" } },
	{ SCORE_RECEIVED, 1, { "bytes in", "body_bytes", "direction=\"in\"", bytes_help,
			       STATUS_COUNTER, "bytes" } },
	{ SCORE_SENT, 1, { "bytes out", "body_bytes", "direction=\"out\"", bytes_help,
			   STATUS_COUNTER, "bytes" } },
};

#define REFUSED(name, reason, is_trouble) \
	{ name, "refused", "reason=\"" reason "\"", refused_help, STATUS_COUNTER, \
	  .trouble = (is_trouble) }
#define FAILED(name, reason) \
	{ name, "failed", "reason=\"" reason "\"", failed_help, STATUS_COUNTER, .trouble = true }

/* No trouble is what only the client can mend. */
static const struct status_value cause_rows[SCORE_CAUSES] = {
	[CAUSE_CONNECTION] = REFUSED("refused connection", "connection", true),
	[CAUSE_UNFINISHED] = REFUSED("refused unfinished", "unfinished", true),
	[CAUSE_PARAMS] = REFUSED("refused params", "params", false),
	[CAUSE_BODY] = REFUSED("refused body", "body", false),
	[CAUSE_SPOOL] = REFUSED("refused spool", "spool", true),
	[CAUSE_CLIENT_TIME] = REFUSED("refused client", "client_timeout", false),
	[CAUSE_PER_CLIENT] = REFUSED("refused per client", "max_per_client", false),
	[CAUSE_PER_SCRIPT] = REFUSED("refused per script", "max_per_script", true),
	[CAUSE_DISPLACED] = REFUSED("refused displaced", "displaced", false),
	[CAUSE_QUEUE] = REFUSED("refused queue", "queue_full", true),
	[CAUSE_QUEUE_TIME] = REFUSED("refused wait", "queue_timeout", true),
	[CAUSE_SCRIPT] = REFUSED("refused script", "script", false),
	[CAUSE_START] = REFUSED("refused start", "start", true),
	[CAUSE_START_TIME] = REFUSED("refused slow start", "start_timeout", true),
	[CAUSE_TIME] = FAILED("failed time", "timeout"),
	[CAUSE_SILENCE] = FAILED("failed silence", "silence_timeout"),
	[CAUSE_RESPONSE] = FAILED("failed response", "response"),
	[CAUSE_SYSTEM] = FAILED("failed system", "system"),
};

static const struct slot_row {
	enum slot_kind kind;
	struct status_value value;
} slot_rows[] = {
	{ SLOT_BACKGROUND, { "background", "scripts_background", NULL,
			     "Scripts that work on after their response.", STATUS_GAUGE } },
	{ SLOT_UNFINISHED, { "unfinished", "requests_unfinished", NULL,
			     "Requests that are not whole yet.", STATUS_GAUGE } },
};

enum {
	COUNT_ROWS = sizeof count_rows / sizeof *count_rows,
	SLOT_ROWS = sizeof slot_rows / sizeof *slot_rows,
	VALUES_MOST = COUNT_ROWS + SCORE_CAUSES + SLOT_ROWS,
	SERIES = 4
};

static size_t fill_values(struct status_value *out, const struct score_sums *sums)
{
	size_t count = 0;

	for (size_t i = 0; i < SLOT_ROWS; i++) {
		out[count] = slot_rows[i].value;
		out[count].value = (double)slots_taken(slot_rows[i].kind);
		out[count++].limit = (double)slots_most(slot_rows[i].kind);
	}
	for (size_t i = 0; i < COUNT_ROWS; i++) {
		out[count] = count_rows[i].value;
		out[count++].value = (double)sums->counts[count_rows[i].count] / count_rows[i].unit;
	}
	for (size_t i = CAUSE_NONE + 1; i < SCORE_CAUSES; i++) {
		out[count] = cause_rows[i];
		out[count++].value = (double)sums->causes[i];
	}
	return count;
}

static struct status_histogram histogram(const char *label, const char *family, const char *help,
					 const struct score_histogram *h)
{
	return (struct status_histogram){ .label = label, .family = family, .help = help,
					  .bounds = score_bounds, .counts = h->counts,
					  .count = SCORE_BOUNDS, .sum = (double)h->sum / 1000 };
}

static void fill_series(struct status_series series[SERIES], double values[SERIES][SCORE_STEPS],
			const struct score_sums *sums)
{
	static const struct status_series rows[SERIES] = {
		{ .title = "Requests", .unit = "per second" },
		{ .title = "Responses 5xx", .unit = "per second" },
		{ .title = "Run time", .unit = "seconds, mean" },
		{ .title = "Waiting", .unit = "requests, most" },
	};

	for (int i = 0; i < SCORE_STEPS; i++) {
		const struct score_step *s = &sums->steps[i];

		values[0][i] = (double)s->requests / SCORE_STEP;
		values[1][i] = (double)s->errors / SCORE_STEP;
		values[2][i] = s->requests ? (double)s->run / 1000 / (double)s->requests : 0;
		values[3][i] = (double)s->waiting;
	}
	for (int i = 0; i < SERIES; i++) {
		series[i] = rows[i];
		series[i].values = values[i];
		series[i].count = SCORE_STEPS - 1; /* the last step is not over */
		series[i].step = SCORE_STEP;
	}
}

static int64_t milliseconds_since_1970(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is shown, copied, since other workers change it meanwhile. NULL without memory, or if
 * there is nothing. */
static struct score_shown *copy_shown(size_t *count)
{
	size_t most = slots_taken(SLOT_SHOWN);
	struct score_shown *shown = most > 0 ? calloc(most, sizeof *shown) : NULL;

	*count = 0;
	for (size_t i = 0; shown && i < slots_most(SLOT_SHOWN) && *count < most; i++)
		*count += scoreboard_read(i, &shown[*count]);
	return shown;
}

static void fill_process(struct status_process *out, const struct score_shown *shown, int64_t now)
{
	*out = (struct status_process){
		.pid = shown->pid,
		.state = (enum status_state)shown->state,
		.start_time = now - (loop_now() - (shown->started ? shown->started : shown->begun)),
		.requests = 1,
		.duration = (loop_now() - shown->begun) * 1000,
		.method = shown->texts.method,
		.uri = shown->texts.uri,
		.query = shown->texts.query,
		.user = shown->texts.user,
		.script = shown->texts.script,
		.client = shown->texts.client,
		.content_length = shown->content_length < 0 ? 0 : shown->content_length,
		.bytes_in = shown->received,
		.bytes_out = shown->sent,
	};
}

static char *respond_status(const struct settings *s, const char *query, const char *accept,
			    bool head_only, size_t *size)
{
	static struct score_sums sums;
	static double points[SERIES][SCORE_STEPS];
	struct status_value values[VALUES_MOST];
	struct status_histogram histograms[2];
	struct status_series series[SERIES];
	size_t shown_count = 0;
	struct score_shown *shown = status_page_asks(query, "full") ? copy_shown(&shown_count) : NULL;
	struct status_process *processes = shown ? calloc(shown_count + 1, sizeof *processes) : NULL;
	uint64_t running = slots_taken(SLOT_RUNNING), most = slots_most(SLOT_RUNNING);
	struct status_page page = {
		.program = "fcgiwrap", .version = PACKAGE_VERSION, .pool = s->pool_name,
		.manager = "static", .now = milliseconds_since_1970(),
		.start_time = scoreboard_opened(),
		.queue = slots_taken(SLOT_WAITING), .queue_limit = slots_most(SLOT_WAITING),
		.idle = most - running, .active = running, .total = most,
		.values = values, .histograms = histograms, .histogram_count = 2,
		.series = series, .series_count = SERIES,
		.processes = processes, .process_count = processes ? shown_count : 0,
	};
	char *response;

	scoreboard_sum(&sums);
	page.accepted = sums.counts[SCORE_REQUESTS];
	page.queue_max = sums.waiting_most;
	page.active_max = sums.running_most;
	page.limit_reached = sums.counts[SCORE_WAITED];
	page.slow = s->slow_log > 0 ? sums.counts[SCORE_SLOW]
				    : sums.causes[CAUSE_TIME] + sums.causes[CAUSE_SILENCE];
	page.memory_peak = (int64_t)sums.memory_most;
	page.value_count = fill_values(values, &sums);
	histograms[0] = histogram("queue time", "queue_seconds",
				  "Time that requests have waited for a slot.", &sums.queued);
	histograms[1] = histogram("run time", "script_seconds",
				  "Time from the start of scripts to the end of their requests.",
				  &sums.ran);
	fill_series(series, points, &sums);
	for (size_t i = 0; i < page.process_count; i++)
		fill_process(&processes[i], &shown[i], page.now);
	response = status_page_render(&page, query, accept, head_only, size);
	free(processes);
	free(shown);
	return response;
}

char *status_respond(const struct settings *s, const char *name, const char *query,
		     const char *accept, bool head_only, size_t *size)
{
	return is_at(s->ping, name) ? status_page_pong(head_only, size)
				    : respond_status(s, query, accept, head_only, size);
}
