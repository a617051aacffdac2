#include <config.h>

#include "status-page.h"

#include "status-formats.h"
#include "text.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --------------------------------------------------------------------------- query */

bool status_page_asks(const char *query, const char *key)
{
	size_t size = strlen(key);

	while (query && *query) {
		size_t length = strcspn(query, "&");

		if (strncmp(query, key, size) == 0 && size <= length &&
		    (size == length || query[size] == '='))
			return true;
		query += length + (query[length] == '&');
	}
	return false;
}

enum { LABEL_MOST = 128 }; /* bytes of a label in text */

/* ---------------------------------------------- what all formats of php-fpm have in common */

/* Numbers of a pool, with php-fpm's words for them and its names of metrics. */
static const struct known {
	const char *label, *metric, *kind, *help;
} knowns[] = {
	{ "start since", "start_since", "counter", "Seconds since the start." },
	{ "accepted conn", "accepted_connections", "counter", "Requests accepted." },
	{ "listen queue", "listen_queue", "gauge", "Requests that wait for a process." },
	{ "max listen queue", "max_listen_queue", "counter", "Most requests that ever waited." },
	{ "listen queue len", "listen_queue_length", "gauge", "Most requests that can wait." },
	{ "idle processes", "idle_processes", "gauge", "Processes that serve nobody." },
	{ "active processes", "active_processes", "gauge", "Processes that serve a request." },
	{ "total processes", "total_processes", "gauge", "Processes, idle or active." },
	{ "max active processes", "max_active_processes", "counter",
	  "Most processes that were ever active." },
	{ "max children reached", "max_children_reached", "counter",
	  "Times that no further process was allowed." },
	{ "slow requests", "slow_requests", "counter", "Requests above the limit of time." },
	{ "memory peak", "memory_peak", "gauge", "Most memory used, in bytes." }
};
enum { KNOWN = sizeof knowns / sizeof *knowns };

static void known_numbers(const struct status_page *page, uint64_t numbers[KNOWN])
{
	const int64_t since = page->now - page->start_time;
	const uint64_t all[KNOWN] = {
		since > 0 ? (uint64_t)since / 1000 : 0, page->accepted,
		page->queue, page->queue_max, page->queue_limit,
		page->idle, page->active, page->total, page->active_max,
		page->limit_reached, page->slow,
		page->memory_peak > 0 ? (uint64_t)page->memory_peak : 0
	};

	memcpy(numbers, all, sizeof all);
}

const char *status_state_name(enum status_state state)
{
	static const char *const names[] = {
		[STATUS_IDLE] = "Idle",
		[STATUS_RUNNING] = "Running",
		[STATUS_FINISHING] = "Finishing",
		[STATUS_READING] = "Reading headers",
		[STATUS_ASKING] = "Getting request information",
		[STATUS_ENDING] = "Ending"
	};

	return names[state];
}

uint64_t status_histogram_total(const struct status_histogram *h)
{
	uint64_t total = 0;

	for (size_t i = 0; i <= h->count; i++)
		total += h->counts[i];
	return total;
}

/* --------------------------------------------------------------- text, JSON and XML alike */

enum style { STYLE_TEXT, STYLE_JSON, STYLE_XML };

struct writer {
	struct text *text;
	enum style style;
	bool follows; /* JSON: something stands before in this object or list */
};

/* A label as the name of an element: words with "-" between them. */
static void write_tag(struct text *text, const char *label)
{
	if (!isalpha((unsigned char)*label))
		text_add(text, "_");
	for (; *label; label++) {
		if (isalnum((unsigned char)*label))
			text_put(text, label, 1);
		else if (isalnum((unsigned char)label[1]))
			text_add(text, "-");
	}
}

static void write_separator(struct writer *w)
{
	if (w->style == STYLE_JSON && w->follows)
		text_add(w->text, ",");
	w->follows = true;
}

static void begin_field(struct writer *w, const char *label)
{
	write_separator(w);
	if (w->style == STYLE_TEXT) {
		text_format(w->text, "%s:%*s", label,
			    strlen(label) < 21 ? 21 - (int)strlen(label) : 1, "");
	} else if (w->style == STYLE_JSON) {
		text_add(w->text, "\"");
		text_string(w->text, TEXT_JSON, label, STATUS_STRING_MOST);
		text_add(w->text, "\":");
	} else {
		text_add(w->text, "<");
		write_tag(w->text, label);
		text_add(w->text, ">");
	}
}

static void end_field(struct writer *w, const char *label)
{
	if (w->style == STYLE_XML) {
		text_add(w->text, "</");
		write_tag(w->text, label);
		text_add(w->text, ">");
	}
	if (w->style != STYLE_JSON)
		text_add(w->text, "\n");
}

/* A string, and another behind a question mark if there is one. */
static void field_strings(struct writer *w, const char *label, const char *string,
			  const char *query)
{
	static const enum text_form forms[] = {
		[STYLE_TEXT] = TEXT_LINE, [STYLE_JSON] = TEXT_JSON, [STYLE_XML] = TEXT_XML
	};
	const enum text_form form = forms[w->style];

	begin_field(w, label);
	if (w->style == STYLE_JSON)
		text_add(w->text, "\"");
	text_string(w->text, form, string && *string ? string : "-", STATUS_STRING_MOST);
	if (query && *query) {
		text_add(w->text, "?");
		text_string(w->text, form, query, STATUS_STRING_MOST);
	}
	if (w->style == STYLE_JSON)
		text_add(w->text, "\"");
	end_field(w, label);
}

static void field_string(struct writer *w, const char *label, const char *string)
{
	field_strings(w, label, string, NULL);
}

static void field_count(struct writer *w, const char *label, int64_t number)
{
	begin_field(w, label);
	text_format(w->text, "%" PRId64, number);
	end_field(w, label);
}

/* A number that may be unknown, below 0. */
static void field_known(struct writer *w, const char *label, int64_t number)
{
	if (number >= 0) {
		field_count(w, label, number);
	} else if (w->style == STYLE_JSON) {
		begin_field(w, label);
		text_add(w->text, "null");
	} else {
		field_string(w, label, NULL);
	}
}

static void field_share(struct writer *w, const char *label, double percent)
{
	begin_field(w, label);
	text_format(w->text, "%.2f", isfinite(percent) ? percent : 0.0);
	end_field(w, label);
}

/* The moment of a start, and the seconds since. */
static void field_start(struct writer *w, int64_t start, int64_t now)
{
	const time_t seconds = (time_t)(start / 1000);
	struct tm local;
	char date[64];

	if (w->style != STYLE_TEXT) {
		field_count(w, "start time", seconds);
	} else if (localtime_r(&seconds, &local) &&
		   strftime(date, sizeof date, "%d/%b/%Y:%H:%M:%S %z", &local) > 0) {
		field_string(w, "start time", date);
	} else {
		field_string(w, "start time", NULL);
	}
	field_count(w, "start since", now > start ? (now - start) / 1000 : 0);
}

/* The keys of php-fpm in its order, between "request uri" and "content length" too, which one
 * exporter looks for; then ours. */
static void write_process(struct writer *w, const struct status_process *p, int64_t now)
{
	field_count(w, "pid", p->pid);
	field_string(w, "state", status_state_name(p->state));
	field_start(w, p->start_time, now);
	field_count(w, "requests", (int64_t)p->requests);
	field_count(w, "request duration", p->duration);
	field_string(w, "request method", p->method);
	field_strings(w, w->style == STYLE_TEXT ? "request URI" : "request uri", p->uri, p->query);
	field_count(w, "content length", p->content_length);
	field_string(w, "user", p->user);
	field_string(w, "script", p->script);
	field_share(w, "last request cpu", p->cpu);
	field_count(w, "last request memory", p->memory);
	field_string(w, "client", p->client);
	field_known(w, "bytes in", p->bytes_in);
	field_known(w, "bytes out", p->bytes_out);
}

static void write_knowns(struct writer *w, const struct status_page *page)
{
	uint64_t numbers[KNOWN];

	field_string(w, "pool", page->pool);
	field_string(w, "process manager", page->manager);
	field_start(w, page->start_time, page->now);
	known_numbers(page, numbers);
	for (size_t i = 1; i < KNOWN; i++)
		field_count(w, knowns[i].label, (int64_t)numbers[i]);
}

/* Many a reader of the text takes whole numbers only. */
static int64_t nearest(double number)
{
	if (!isfinite(number) || fabs(number) >= 9e18)
		return 0;
	return (int64_t)(number + (number < 0 ? -0.5 : 0.5));
}

/* In text, a time is in milliseconds. */
static void write_value(struct writer *w, const struct status_value *v)
{
	if (w->style == STYLE_TEXT) {
		const bool seconds = v->unit && strcmp(v->unit, "seconds") == 0;
		char label[LABEL_MOST];

		snprintf(label, sizeof label, seconds ? "%s ms" : "%s", v->label);
		field_count(w, label, nearest(seconds ? v->value * 1000 : v->value));
		return;
	}
	begin_field(w, v->label);
	if (isfinite(v->value))
		text_number(w->text, v->value);
	else if (w->style == STYLE_JSON)
		text_add(w->text, "null");
	end_field(w, v->label);
}

static void write_histogram_text(struct writer *w, const struct status_histogram *h)
{
	char label[LABEL_MOST];
	uint64_t below = 0;

	for (size_t i = 0; i < h->count; i++) {
		below += h->counts[i];
		snprintf(label, sizeof label, "%s up to %g s", h->label, h->bounds[i]);
		field_count(w, label, (int64_t)below);
	}
	snprintf(label, sizeof label, "%s count", h->label);
	field_count(w, label, (int64_t)status_histogram_total(h));
	snprintf(label, sizeof label, "%s sum ms", h->label);
	field_count(w, label, nearest(h->sum * 1000));
}

/* In JSON and XML: how many in all, the sum, and how many up to each bound. */
static void write_histogram(struct writer *w, const struct status_histogram *h)
{
	const bool json = w->style == STYLE_JSON;
	uint64_t below = 0;

	begin_field(w, h->label);
	text_format(w->text,
		    json ? "{\"count\":%" PRIu64 ",\"sum\":" : "<count>%" PRIu64 "</count><sum>",
		    status_histogram_total(h));
	text_number(w->text, isfinite(h->sum) ? h->sum : 0);
	text_add(w->text, json ? ",\"buckets\":[" : "</sum>");
	for (size_t i = 0; i < h->count; i++) {
		below += h->counts[i];
		text_add(w->text, !json ? "<bucket le=\"" : i > 0 ? ",{\"le\":" : "{\"le\":");
		text_number(w->text, h->bounds[i]);
		text_format(w->text, json ? ",\"count\":%" PRIu64 "}" : "\">%" PRIu64 "</bucket>",
			    below);
	}
	if (json)
		text_add(w->text, "]}");
	end_field(w, h->label);
}

static void write_ours(struct writer *w, const struct status_page *page)
{
	field_string(w, "program", page->program);
	field_string(w, "version", page->version);
	for (size_t i = 0; i < page->value_count; i++)
		write_value(w, &page->values[i]);
	for (size_t i = 0; i < page->histogram_count; i++) {
		if (w->style == STYLE_TEXT)
			write_histogram_text(w, &page->histograms[i]);
		else
			write_histogram(w, &page->histograms[i]);
	}
}

static void write_text(struct text *text, const struct status_page *page, bool full)
{
	struct writer w = { .text = text, .style = STYLE_TEXT };

	write_knowns(&w, page);
	write_ours(&w, page);
	for (size_t i = 0; full && i < page->process_count; i++) {
		text_add(text, "\n************************\n");
		write_process(&w, &page->processes[i], page->now);
	}
}

static void write_json(struct text *text, const struct status_page *page, bool full)
{
	struct writer w = { .text = text, .style = STYLE_JSON };

	text_add(text, "{");
	write_knowns(&w, page);
	if (full) {
		begin_field(&w, "processes");
		text_add(text, "[");
		w.follows = false;
		for (size_t i = 0; i < page->process_count; i++) {
			write_separator(&w);
			text_add(text, "{");
			w.follows = false;
			write_process(&w, &page->processes[i], page->now);
			text_add(text, "}");
		}
		text_add(text, "]");
		w.follows = true;
	}
	write_ours(&w, page);
	text_add(text, "}\n");
}

static void write_xml(struct text *text, const struct status_page *page, bool full)
{
	struct writer w = { .text = text, .style = STYLE_XML };

	text_add(text, "<?xml version=\"1.0\" ?>\n<status>\n");
	write_knowns(&w, page);
	if (full) {
		text_add(text, "<processes>\n");
		for (size_t i = 0; i < page->process_count; i++) {
			text_add(text, "<process>\n");
			write_process(&w, &page->processes[i], page->now);
			text_add(text, "</process>\n");
		}
		text_add(text, "</processes>\n");
	}
	write_ours(&w, page);
	text_add(text, "</status>\n");
}

/* What php-fpm calls OpenMetrics: its counters lack "_total", and its maxima are counters. */
static void write_phpfpm(struct text *text, const struct status_page *page)
{
	uint64_t numbers[KNOWN];

	text_add(text, "# HELP phpfpm_up Whether the pool ");
	text_string(text, TEXT_HELP, page->pool, STATUS_STRING_MOST);
	text_format(text, " (%s) answers.\n# TYPE phpfpm_up gauge\nphpfpm_up 1\n", page->manager);
	known_numbers(page, numbers);
	for (size_t i = 0; i < KNOWN; i++) {
		text_format(text,
			    "# HELP phpfpm_%s %s\n# TYPE phpfpm_%s %s\nphpfpm_%s %" PRIu64 "\n",
			    knowns[i].metric, knowns[i].help, knowns[i].metric, knowns[i].kind,
			    knowns[i].metric, numbers[i]);
	}
	text_add(text, "# EOF\n");
}

/* ------------------------------------------------------------------------- a response */

/* A header in front of the body, which is freed. */
static char *respond(struct text *body, const char *type, const char *more, bool head_only,
		     size_t *size)
{
	struct text out = { .bytes = NULL };

	text_format(&out,
		    "Content-Type: %s\r\n"
		    "Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
		    "Cache-Control: no-cache, no-store, must-revalidate, max-age=0\r\n"
		    "X-Content-Type-Options: nosniff\r\n"
		    "%s"
		    "Content-Length: %zu\r\n\r\n",
		    type, more, body->size);
	if (!head_only)
		text_put(&out, body->bytes, body->size);
	if (body->failed || out.failed) {
		free(out.bytes);
		out.bytes = NULL;
	}
	free(body->bytes);
	*size = out.size;
	return out.bytes;
}

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_OLD_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_METRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

char *status_page_render(const struct status_page *page, const char *query, const char *accept,
			 bool head_only, size_t *size)
{
	const bool full = status_page_asks(query, "full");
	const char *type = TYPE_TEXT, *more = "";
	struct text body = { .bytes = NULL };

	if (status_page_asks(query, "html")) {
		type = "text/html; charset=utf-8";
		more = "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
		       "img-src data:; base-uri 'none'; form-action 'none'\r\n";
		status_html(page, query, &body);
	} else if (status_page_asks(query, "xml")) {
		type = "text/xml; charset=utf-8";
		write_xml(&body, page, full);
	} else if (status_page_asks(query, "json")) {
		type = "application/json";
		write_json(&body, page, full);
	} else if (status_page_asks(query, "openmetrics")) {
		/* php-fpm's way is the older format, whatever its last line says. */
		const bool phpfpm = status_page_asks(query, "phpfpm");
		const bool open = !phpfpm && status_metrics_open(accept);

		type = open ? TYPE_METRICS : TYPE_OLD_METRICS;
		if (phpfpm)
			write_phpfpm(&body, page);
		else
			status_metrics(page, open, &body);
	} else {
		write_text(&body, page, full);
	}
	return respond(&body, type, more, head_only, size);
}

char *status_page_pong(bool head_only, size_t *size)
{
	struct text body = { .bytes = NULL };

	text_add(&body, "pong");
	return respond(&body, TYPE_TEXT, "", head_only, size);
}
