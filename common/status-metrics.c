#include <config.h>

#include "status-formats.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---------------------------------------------------------------------- which format */

/* The weight of a media type in HTTP_ACCEPT (RFC 9110, section 12.5.1); -1: not named. */
static double accept_weight(const char *accept, const char *type)
{
	const size_t size = strlen(type);

	while (*accept) {
		const size_t length = strcspn(accept, ",");
		const size_t blanks = strspn(accept, " \t");

		if (strncasecmp(accept + blanks, type, size) == 0 &&
		    strchr(" \t;,", accept[blanks + size])) {
			const char *at = accept + strcspn(accept, ";,");

			for (; *at == ';'; at += strcspn(at, ";,")) {
				at += 1 + strspn(at + 1, " \t");
				if (strncasecmp(at, "q=", 2) == 0)
					return strtod(at + 2, NULL);
			}
			return 1;
		}
		accept += length + (accept[length] == ',');
	}
	return -1;
}

bool status_metrics_open(const char *accept)
{
	double open, old;

	if (!accept)
		return true;
	open = accept_weight(accept, "application/openmetrics-text");
	old = accept_weight(accept, "text/plain");
	return old <= 0 || (open > 0 && open >= old);
}

/* -------------------------------------------------------------------------- families */

struct metrics {
	struct text *text;
	const struct status_page *page;
	bool open;
	char prefix[64];
};

/* The beginning of a family. In the older format, it has the name of its samples. */
static void begin_family(struct metrics *m, const char *family, const char *type, const char *unit,
			 const char *help)
{
	const bool total = !m->open && strcmp(type, "counter") == 0;
	const bool info = !m->open && strcmp(type, "info") == 0;
	const char *end = total ? "_total" : info ? "_info" : "";

	text_format(m->text, "# HELP %s_%s%s ", m->prefix, family, end);
	text_string(m->text, m->open ? TEXT_METRIC : TEXT_HELP, help, STATUS_STRING_MOST);
	text_format(m->text, "\n# TYPE %s_%s%s %s\n", m->prefix, family, end,
		    info ? "gauge" : type);
	if (m->open && unit)
		text_format(m->text, "# UNIT %s_%s %s\n", m->prefix, family, unit);
}

/* A sample up to its value; labels without braces, or NULL. */
static void begin_sample(struct metrics *m, const char *family, const char *end, const char *labels)
{
	text_format(m->text, "%s_%s%s{pool=\"", m->prefix, family, end);
	text_string(m->text, TEXT_METRIC, m->page->pool, STATUS_STRING_MOST);
	text_format(m->text, "\"%s%s} ", labels && *labels ? "," : "", labels ? labels : "");
}

static void put_sample(struct metrics *m, const char *family, const char *end, const char *labels,
		       double value)
{
	begin_sample(m, family, end, labels);
	if (isfinite(value))
		text_number(m->text, value);
	else
		text_add(m->text, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
	text_add(m->text, "\n");
}

static void put_gauge(struct metrics *m, const char *family, const char *unit, const char *help,
		      double value)
{
	begin_family(m, family, "gauge", unit, help);
	put_sample(m, family, "", NULL, value);
}

static void put_counter(struct metrics *m, const char *family, const char *help, uint64_t value)
{
	begin_family(m, family, "counter", NULL, help);
	put_sample(m, family, "_total", NULL, (double)value);
}

static void put_build(struct metrics *m)
{
	begin_family(m, "build", "info", NULL, "Version of the program.");
	text_format(m->text, "%s_build_info{pool=\"", m->prefix);
	text_string(m->text, TEXT_METRIC, m->page->pool, STATUS_STRING_MOST);
	text_add(m->text, "\",version=\"");
	text_string(m->text, TEXT_METRIC, m->page->version, STATUS_STRING_MOST);
	text_add(m->text, "\"} 1\n");
}

/* What php-fpm's page has, too. */
static void put_knowns(struct metrics *m)
{
	const struct status_page *page = m->page;

	put_build(m);
	put_gauge(m, "start_time_seconds", "seconds", "When the pool was started, since 1970.",
		  (double)page->start_time / 1000);
	put_counter(m, "accepted_connections", "Requests accepted.", page->accepted);
	put_gauge(m, "listen_queue", NULL, "Requests that wait for a process.",
		  (double)page->queue);
	put_gauge(m, "listen_queue_max", NULL, "Most requests that ever waited.",
		  (double)page->queue_max);
	put_gauge(m, "listen_queue_limit", NULL, "Most requests that can wait.",
		  (double)page->queue_limit);
	begin_family(m, "processes", "gauge", NULL, "Processes that serve nobody, or a request.");
	put_sample(m, "processes", "", "state=\"idle\"", (double)page->idle);
	put_sample(m, "processes", "", "state=\"active\"", (double)page->active);
	put_gauge(m, "active_processes_max", NULL, "Most processes that were ever active.",
		  (double)page->active_max);
	put_counter(m, "process_limit_reached", "Times that no further process was allowed.",
		    page->limit_reached);
	put_counter(m, "slow_requests", "Requests above the limit of time.", page->slow);
	put_gauge(m, "memory_peak_bytes", "bytes", "Most memory used.", (double)page->memory_peak);
}

static void put_values(struct metrics *m)
{
	for (size_t i = 0; i < m->page->value_count; i++) {
		const struct status_value *v = &m->page->values[i];
		const bool counter = v->kind == STATUS_COUNTER;

		if (i == 0 || strcmp(v[-1].family, v->family) != 0)
			begin_family(m, v->family, counter ? "counter" : "gauge", v->unit, v->help);
		/* A counter has to be a number. */
		if (!counter || v->value >= 0)
			put_sample(m, v->family, counter ? "_total" : "", v->labels, v->value);
	}
}

/* A bound as OpenMetrics wants it: with a point, or an exponent. */
static void put_bucket(struct metrics *m, const char *family, const char *bound, uint64_t count)
{
	char label[64];

	snprintf(label, sizeof label, "le=\"%s%s\"", bound, strpbrk(bound, ".eI") ? "" : ".0");
	begin_sample(m, family, "_bucket", label);
	text_format(m->text, "%" PRIu64 "\n", count);
}

static void put_histogram(struct metrics *m, const struct status_histogram *h)
{
	uint64_t below = 0;
	char bound[32];

	begin_family(m, h->family, "histogram", "seconds", h->help);
	for (size_t i = 0; i < h->count; i++) {
		below += h->counts[i];
		snprintf(bound, sizeof bound, "%.15g", h->bounds[i]);
		put_bucket(m, h->family, bound, below);
	}
	put_bucket(m, h->family, "+Inf", status_histogram_total(h));
	begin_sample(m, h->family, "_count", NULL);
	text_format(m->text, "%" PRIu64 "\n", status_histogram_total(h));
	put_sample(m, h->family, "_sum", NULL, h->sum);
}

void status_metrics(const struct status_page *page, bool open, struct text *text)
{
	struct metrics m = { .text = text, .page = page, .open = open };

	snprintf(m.prefix, sizeof m.prefix, "%s", page->program);
	for (char *c = m.prefix; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	put_knowns(&m);
	put_values(&m);
	for (size_t i = 0; i < page->histogram_count; i++)
		put_histogram(&m, &page->histograms[i]);
	if (open)
		text_add(text, "# EOF\n");
}
