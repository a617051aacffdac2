#include <config.h>

#include "status-formats.h"

#include "common/status-style.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	SHOWN_MOST = 300,   /* bytes of a string from a request */
	LONG = 1000000,     /* a number from here on takes a smaller font */
	REFRESH_MOST = 3600 /* seconds */
};

/* ------------------------------------------------------------------------ what it means */

enum mood { GOOD, WARN, BAD };
static const char *const mood_names[] = { "good", "warn", "bad" };
static const char *const mood_colours[] = { "15703a", "d18700", "d93025" };

struct verdict {
	enum mood mood;
	const char *word, *reason;
};

static struct verdict judge_pool(const struct status_page *page)
{
	const bool busy = page->active >= page->total, waiting = page->queue > 0;

	if (page->queue_limit > 0 && page->queue >= page->queue_limit)
		return (struct verdict){ BAD, "Full",
					 "the queue is full, and who comes now is refused" };
	if (page->total == 0 && (waiting || strcmp(page->manager, "ondemand") != 0))
		return (struct verdict){ BAD, "Down", "no process runs" };
	if (page->total == 0)
		return (struct verdict){ GOOD, "Asleep", "a process starts with the next request" };
	if (busy && waiting)
		return (struct verdict){ WARN, "Busy",
					 "all processes are busy, and requests wait" };
	if (waiting)
		return (struct verdict){ WARN, "Busy", "requests wait" };
	if (busy)
		return (struct verdict){ WARN, "Busy", "all processes are busy; nobody waits yet" };
	return (struct verdict){ GOOD, "Healthy", "there is room, and nobody waits" };
}

/* How much of a limit may be in use before it is worth a look. */
static enum mood judge_use(double value, double limit)
{
	return value >= limit ? BAD : value >= limit * 0.8 ? WARN : GOOD;
}

/* Number of failures since the start; -1 if the program counts none. */
static double count_trouble(const struct status_page *page)
{
	double sum = -1;

	for (size_t i = 0; i < page->value_count; i++) {
		const struct status_value *v = &page->values[i];

		if (v->trouble)
			sum = (sum < 0 ? 0 : sum) + (isfinite(v->value) ? v->value : 0);
	}
	return sum;
}

/* ------------------------------------------------------------------------------- pieces */

static void put_html(struct text *text, const char *string)
{
	text_string(text, TEXT_HTML, string, SHOWN_MOST);
}

/* Text of a request may run from right to left. */
static void put_isolated(struct text *text, const char *string)
{
	text_add(text, "<bdi>");
	put_html(text, string);
	text_add(text, "</bdi>");
}

/* Milliseconds, in whole seconds. */
static void put_age(struct text *text, int64_t age)
{
	const int64_t seconds = age > 0 ? age / 1000 : 0;

	status_put_seconds(text, (double)seconds);
}

static void put_use(struct text *text, double value, double limit)
{
	const double share = !(limit > 0 && value > 0) ? 0 : value < limit ? value / limit : 1;

	text_format(text, "<svg class='use %s' viewBox='0 0 100 6' preserveAspectRatio=none "
		    "aria-hidden=true><rect width=%.4g height=6 /></svg>",
		    judge_use(value, limit) == GOOD ? "" : mood_names[judge_use(value, limit)],
		    share * 100);
}

/* A link to this page with other keys; refresh 0: none. */
static void put_link(struct text *text, bool full, long refresh, bool here, const char *words)
{
	text_format(text, "<a href='?html%s", full ? "&amp;full" : "");
	if (refresh > 0)
		text_format(text, "&amp;refresh=%ld", refresh);
	text_format(text, "'%s>%s</a> ", here ? " aria-current=true" : "", words);
}

/* Seconds from "refresh=5" in the query; 0: none. */
static long wanted_refresh(const char *query)
{
	const char *at = query;
	long seconds;

	while (at && strncmp(at, "refresh=", 8) != 0)
		at = (at = strchr(at, '&')) ? at + 1 : NULL;
	seconds = at ? strtol(at + 8, NULL, 10) : 0;
	return seconds < 0 ? 0 : seconds > REFRESH_MOST ? REFRESH_MOST : seconds;
}

/* ------------------------------------------------------------------------------ sections */

static void put_head(struct text *text, const struct status_page *page, long refresh,
		     struct verdict verdict)
{
	text_add(text, "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
		       "<meta name=viewport content='width=device-width,initial-scale=1'>"
		       "<meta name=color-scheme content='light dark'>");
	if (refresh > 0)
		text_format(text, "<meta http-equiv=refresh content=%ld>", refresh);
	text_format(text, "<title>%s: ", verdict.word);
	put_html(text, page->pool);
	text_format(
		text,
		", %s</title><link rel=icon href=\"data:image/svg+xml,"
		"&lt;svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'&gt;"
		"&lt;circle cx='4' cy='4' r='4' fill='%%23%s'/&gt;&lt;/svg&gt;\"><style>%s</style>"
		"</head>\n<body><header><h1>",
		page->program, mood_colours[verdict.mood], status_style);
	put_isolated(text, page->pool);
	text_format(text, " <small>%s ", page->program);
	put_html(text, page->version);
	text_format(text, ", %s, running for ", page->manager);
	put_age(text, page->now - page->start_time);
	text_format(text,
		    "</small></h1>\n<p class='verdict %s'><b>%s</b> <span>%s</span></p></header>\n"
		    "<main>\n",
		    mood_names[verdict.mood], verdict.word, verdict.reason);
}

static void begin_tile(struct text *text, const char *name, double value)
{
	text_format(text, "<div class=card><h2>%s</h2><p class='big%s'>", name,
		    value < LONG ? "" : " long");
	status_put_count(text, value);
}

static void put_tile(struct text *text, const char *name, uint64_t value, uint64_t limit,
		     const char *most, uint64_t most_value)
{
	begin_tile(text, name, (double)value);
	text_add(text, " <small>of ");
	status_put_count(text, (double)limit);
	text_add(text, "</small></p>");
	put_use(text, (double)value, (double)limit);
	text_format(text, "<p class=note>%s ", most);
	status_put_count(text, (double)most_value);
	text_add(text, "</p></div>\n");
}

static void put_requests_tile(struct text *text, const struct status_page *page)
{
	const int64_t age = page->now - page->start_time;

	begin_tile(text, "Requests", (double)page->accepted);
	text_add(text, "</p><p class=note>");
	status_put_count(text, (double)page->accepted * 1000 / (double)(age > 1000 ? age : 1000));
	text_add(text, " per second on average</p><p class=note>");
	status_put_count(text, (double)page->slow);
	text_add(text, " slow</p></div>\n");
}

static void put_trouble_tile(struct text *text, double trouble)
{
	text_format(text, "<div class=card><h2>Failures</h2><p class='big %s%s'>",
		    trouble > 0 ? "bad" : "good", trouble < LONG ? "" : " long");
	status_put_count(text, trouble);
	text_add(text, "</p><p class=note>since the start</p></div>\n");
}

static void put_tiles(struct text *text, const struct status_page *page, double trouble)
{
	text_add(text, "<section class='row tiles' aria-label='At a glance'>\n");
	put_tile(text, "Busy processes", page->active, page->total, "most so far",
		 page->active_max);
	put_tile(text, "Waiting", page->queue, page->queue_limit, "most so far", page->queue_max);
	put_requests_tile(text, page);
	if (trouble >= 0)
		put_trouble_tile(text, trouble);
	text_add(text, "</section>\n");
}

static void put_row(struct text *text, const char *label)
{
	text_add(text, "<div><dt>");
	put_html(text, label);
	text_add(text, "</dt><dd>");
}

static void put_failures(struct text *text, const struct status_page *page)
{
	text_add(text, "<section class=card><h2>What failed</h2><dl>");
	for (size_t i = 0; i < page->value_count; i++) {
		const struct status_value *v = &page->values[i];

		if (v->trouble && v->value > 0) {
			put_row(text, v->label);
			status_put_in_unit(text, v->value, v->unit);
			text_add(text, "</dd></div>");
		}
	}
	text_add(text, "</dl></section>\n");
}

static void put_limits(struct text *text, const struct status_page *page)
{
	bool begun = false;

	for (size_t i = 0; i < page->value_count; i++) {
		const struct status_value *v = &page->values[i];

		if (!(v->limit > 0))
			continue;
		if (!begun)
			text_add(text, "<section class=card><h2>Limits and use</h2><dl>");
		begun = true;
		put_row(text, v->label);
		status_put_in_unit(text, v->value, v->unit);
		text_add(text, " <span class=soft>of ");
		status_put_count(text, v->limit);
		text_add(text, "</span></dd></div>");
		put_use(text, v->value, v->limit);
	}
	if (begun)
		text_add(text, "</dl></section>\n");
}

static void put_series(struct text *text, const struct status_page *page)
{
	text_add(text, "<section class=row aria-label='The last minutes'>\n");
	for (size_t i = 0; i < page->series_count; i++)
		status_chart_series(text, &page->series[i], i);
	text_add(text, "</section>\n");
}

static void put_histograms(struct text *text, const struct status_page *page)
{
	text_add(text, "<section class='row pairs' aria-label='How long it takes'>\n");
	for (size_t i = 0; i < page->histogram_count; i++)
		status_chart_histogram(text, &page->histograms[i], page->series_count + i);
	text_add(text, "</section>\n");
}

/* --------------------------------------------------------------------------- processes */

/* Who serves comes first, the longest request before others. */
static int compare_processes(const void *a, const void *b)
{
	const struct status_process *one = *(const struct status_process *const *)a;
	const struct status_process *other = *(const struct status_process *const *)b;
	const bool idle = one->state == STATUS_IDLE, other_idle = other->state == STATUS_IDLE;

	if (idle != other_idle)
		return idle ? 1 : -1;
	return (one->duration < other->duration) - (one->duration > other->duration);
}

static void put_request(struct text *text, const struct status_process *p)
{
	static const char *const names[] = { "", " for ", " by " };
	const char *const others[] = { p->script, p->client, p->user };
	size_t shown = 0;

	text_add(text, "<td class=wide><bdi>");
	put_html(text, p->method && *p->method ? p->method : "");
	text_add(text, " ");
	put_html(text, p->uri && *p->uri ? p->uri : "\342\200\223");
	if (p->query && *p->query) {
		text_add(text, "?");
		put_html(text, p->query);
	}
	text_add(text, "</bdi><small>");
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (!others[i] || !*others[i])
			continue;
		text_add(text, shown++ || i > 0 ? names[i] : "");
		put_isolated(text, others[i]);
	}
	text_add(text, "</small></td>");
}

static void put_traffic(struct text *text, const struct status_process *p)
{
	text_add(text, "<td class='n more'>");
	if (p->bytes_in >= 0 || p->bytes_out >= 0) {
		text_add(text, "in ");
		status_put_bytes(text, p->bytes_in > 0 ? (double)p->bytes_in : 0);
		text_add(text, " <br>out ");
		status_put_bytes(text, p->bytes_out > 0 ? (double)p->bytes_out : 0);
	}
	text_add(text, "</td><td class='n more'>");
	if (p->memory > 0) {
		status_put_bytes(text, (double)p->memory);
		text_format(text, " <br>%.3g %% CPU", isfinite(p->cpu) ? p->cpu : 0.0);
	}
	text_add(text, "</td>");
}

static void put_process(struct text *text, const struct status_process *p, int64_t now)
{
	text_format(text, "<tr%s><th scope=row><span class=dot></span>%s<small>",
		    p->state == STATUS_IDLE ? " class=idle" : "", status_state_name(p->state));
	if (p->pid > 0)
		text_format(text, "pid %" PRId64 ", ", p->pid);
	status_put_count(text, (double)p->requests);
	text_add(text, p->requests == 1 ? " request" : " requests");
	text_add(text, "</small></th><td class=n>");
	status_put_seconds(text, (double)p->duration / 1e6);
	/* A script begins with its request. */
	if (now - p->start_time > p->duration / 1000 + 1000) {
		text_add(text, "<small>up ");
		put_age(text, now - p->start_time);
		text_add(text, "</small>");
	}
	text_add(text, "</td>");
	put_request(text, p);
	put_traffic(text, p);
	text_add(text, "</tr>\n");
}

static void put_table(struct text *text, const struct status_page *page)
{
	const struct status_process **sorted = malloc((page->process_count + 1) * sizeof *sorted);

	if (!sorted) {
		text->failed = true;
		return;
	}
	for (size_t i = 0; i < page->process_count; i++)
		sorted[i] = &page->processes[i];
	qsort(sorted, page->process_count, sizeof *sorted, compare_processes);
	text_add(text,
		 "<div class=scroll tabindex=0 role=region aria-label=Processes><table><thead><tr>"
		 "<th scope=col>State</th><th scope=col class=n>Time</th>"
		 "<th scope=col>Request</th><th scope=col class=n>Bytes</th>"
		 "<th scope=col class=n>Memory, CPU</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < page->process_count; i++)
		put_process(text, sorted[i], page->now);
	text_add(text, "</tbody></table></div>");
	free(sorted);
}

static void put_processes(struct text *text, const struct status_page *page, bool full,
			  long refresh)
{
	text_add(text, "<section class=card><h2>What runs now</h2>");
	if (!full) {
		text_add(text, "<p>");
		put_link(text, true, refresh, false, "Show processes and their requests");
		text_add(text, "</p>");
	} else {
		if (page->process_count == 0)
			text_add(text, "<p class=none>Nothing.</p>");
		else
			put_table(text, page);
		text_add(text, "<p class=note>");
		put_link(text, false, refresh, false, "Hide processes");
		text_add(text, "</p>");
	}
	text_add(text, "</section>\n");
}

/* ----------------------------------------------------------------------------- figures */

/* The rows of the family that begins here. */
static size_t family_size(const struct status_page *page, size_t first)
{
	size_t next = first + 1;

	while (next < page->value_count &&
	       strcmp(page->values[next].family, page->values[first].family) == 0)
		next++;
	return next - first;
}

static void put_family(struct text *text, const struct status_page *page, size_t first, size_t size)
{
	for (size_t i = first; i < first + size; i++) {
		put_row(text, page->values[i].label);
		status_put_in_unit(text, page->values[i].value, page->values[i].unit);
		text_add(text, "</dd></div>");
	}
}

static void put_known(struct text *text, const char *label, double value, bool bytes)
{
	put_row(text, label);
	if (bytes)
		status_put_bytes(text, value);
	else
		status_put_count(text, value);
	text_add(text, "</dd></div>");
}

/* What stands alone comes first, then families of more than one. */
static void put_figures(struct text *text, const struct status_page *page)
{
	size_t size;

	text_add(text, "<section class=card><h2>All figures</h2><div class=figures><dl>");
	put_known(text, "max children reached", (double)page->limit_reached, false);
	put_known(text, "slow requests", (double)page->slow, false);
	put_known(text, "memory peak", (double)page->memory_peak, true);
	for (size_t i = 0; i < page->value_count; i += size) {
		size = family_size(page, i);
		if (size == 1)
			put_family(text, page, i, 1);
	}
	text_add(text, "</dl>");
	for (size_t i = 0; i < page->value_count; i += size) {
		size = family_size(page, i);
		if (size == 1)
			continue;
		text_add(text, "<dl><p>");
		put_html(text, page->values[i].help);
		text_add(text, "</p>");
		put_family(text, page, i, size);
		text_add(text, "</dl>");
	}
	text_add(text, "</div></section>\n");
}

static void put_footer(struct text *text, const struct status_page *page, bool full, long refresh)
{
	static const long often[] = { 2, 10, 60 };
	const time_t seconds = (time_t)(page->now / 1000);
	struct tm local;
	char date[64] = "";

	if (localtime_r(&seconds, &local))
		strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S %z", &local);
	text_format(text, "</main>\n<footer><span>As of <time>%s</time></span><nav "
		    "aria-label='Reload'>Reload: ", date);
	put_link(text, full, 0, refresh == 0, "off");
	for (size_t i = 0; i < sizeof often / sizeof *often; i++) {
		char words[32];

		snprintf(words, sizeof words, "%ld s", often[i]);
		put_link(text, full, often[i], refresh == often[i], words);
	}
	text_add(text, "</nav><nav aria-label=Formats>Formats: <a href='?full'>text</a> "
		       "<a href='?json&amp;full'>JSON</a> <a href='?xml&amp;full'>XML</a> "
		       "<a href='?openmetrics'>OpenMetrics</a></nav></footer></body></html>\n");
}

void status_html(const struct status_page *page, const char *query, struct text *text)
{
	const bool full = status_page_asks(query, "full");
	const long refresh = wanted_refresh(query);
	const double trouble = count_trouble(page);

	put_head(text, page, refresh, judge_pool(page));
	put_tiles(text, page, trouble);
	text_add(text, "<div class=row>");
	if (trouble > 0)
		put_failures(text, page);
	put_limits(text, page);
	text_add(text, "</div>\n");
	put_series(text, page);
	put_processes(text, page, full, refresh);
	put_histograms(text, page);
	put_figures(text, page);
	put_footer(text, page, full, refresh);
}
