/* The status page: its formats and their order, escaping, header, want of memory. */
#include <config.h>

#include "status-data.h"
#include "status-formats.h"
#include "tap.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* The names stand for those below up to here, in stdlib.h too. */
#undef malloc
#undef realloc
void *malloc(size_t size);
void *realloc(void *memory, size_t size);

static long allocations_left = -1; /* -1: no bound */

static bool is_refused(void)
{
	if (allocations_left > 0)
		allocations_left--;
	else if (allocations_left == 0)
		return true;
	return false;
}

void *scarce_malloc(size_t size)
{
	return is_refused() ? NULL : malloc(size);
}

void *scarce_realloc(void *memory, size_t size)
{
	return is_refused() ? NULL : realloc(memory, size);
}

/* A response as a string; the caller frees it. */
static char *render(const struct status_page *page, const char *query, const char *accept,
		    bool head_only)
{
	size_t size = 0;
	char *response = status_page_render(page, query, accept, head_only, &size);
	char *string = malloc(size + 1);

	if (!response || !string || memchr(response, '\0', size))
		abort();
	memcpy(string, response, size);
	string[size] = '\0';
	free(response);
	return string;
}

static const char *body_of(const char *response)
{
	const char *end = strstr(response, "\r\n\r\n");

	return end ? end + 4 : "";
}

/* Whether these strings stand in a response in this order. */
static bool in_order(const char *response, const char *const *strings)
{
	for (; *strings; strings++) {
		const char *at = strstr(response, *strings);

		if (!at) {
			printf("# not there, or earlier: %s\n", *strings);
			return false;
		}
		response = at + strlen(*strings);
	}
	return true;
}

#define THESE(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The response to a query has these strings, in this order. */
static void has(const struct status_page *page, const char *query, const char *const *strings,
		const char *what)
{
	char *response = render(page, query, NULL, false);

	ok(in_order(response, strings), "%s", what);
	free(response);
}

static void lacks(const struct status_page *page, const char *query, const char *string,
		  const char *what)
{
	char *response = render(page, query, NULL, false);

	ok(strstr(response, string) == NULL, "%s", what);
	free(response);
}

static void check_query(void)
{
	ok(status_page_asks("json&full", "full"), "a key alone");
	ok(status_page_asks("full=&json=1", "json"), "a key with a value");
	ok(status_page_asks("&&xml", "xml"), "a key behind empty ones");
	ok(!status_page_asks("jsonp&x=json", "json"), "no part of a key, no value");
	ok(!status_page_asks("js", "json"), "no beginning of a key");
	ok(!status_page_asks("", "json") && !status_page_asks(NULL, "json"), "no query, no key");
}

static void check_header(const struct status_page *page)
{
	static const char *const queries[][2] = {
		{ "", "text/plain; charset=utf-8" },
		{ "full", "text/plain; charset=utf-8" },
		{ "json", "application/json" },
		{ "xml", "text/xml; charset=utf-8" },
		{ "openmetrics", "application/openmetrics-text; version=1.0.0; charset=utf-8" },
		{ "openmetrics&phpfpm", "text/plain; version=0.0.4; charset=utf-8" },
		{ "html", "text/html; charset=utf-8" },
		{ "html&full", "text/html; charset=utf-8" }
	};

	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
		char *whole = render(page, queries[i][0], NULL, false);
		char *head = render(page, queries[i][0], NULL, true);
		char type[128], length[64];

		snprintf(type, sizeof type, "Content-Type: %s\r\n", queries[i][1]);
		snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(body_of(whole)));
		ok(strncmp(whole, type, strlen(type)) == 0, "\"%s\" has its type", queries[i][0]);
		ok(in_order(whole, THESE("\r\nExpires: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
					 "Cache-Control: no-cache, no-store, must-revalidate, max-age=0\r\n",
					 length, "\r\n")),
		   "\"%s\" is not cached, and has its length", queries[i][0]);
		ok(strncmp(whole, head, strlen(head)) == 0 && *body_of(head) == '\0' &&
		   *body_of(whole) != '\0', "\"%s\" without its body is the header", queries[i][0]);
		free(whole);
		free(head);
	}
}

static void check_accept(const struct status_page *page)
{
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{ "*/*", true },
		{ "application/openmetrics-text", true },
		{ "text/plain", false },
		{ "text/html,text/plain;q=0.9", false },
		{ "text/plainer", true },
		{ "image/webp;q=1", true },
		{ "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2", true },
		{ "application/openmetrics-text; version=1.0.0; q=0.2, text/plain; version=0.0.4; q=0.5",
		  false },
		{ "Text/Plain;q=0.5, Application/OpenMetrics-Text;q=0.5", true },
		{ "application/openmetrics-text;q=0,text/plain", false },
		{ "text/plain;q=0", true },
		{ "", true },
		{ ",;,", true }
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *response = render(page, "openmetrics", cases[i].accept, false);
		bool open = strstr(response, "# EOF\n") != NULL;

		ok(open == (strstr(response, "openmetrics-text; version=1.0.0") != NULL) &&
		   open == cases[i].open, "Accept: %s", cases[i].accept);
		free(response);
	}
}

static void check_text(struct status_page *page)
{
	has(page, "", THESE("\r\n\r\npool:                 www\n"
			    "process manager:      static\n"
			    "start time:           28/Dec/2025:19:55:58 +0000\n"
			    "start since:          273842\n"
			    "accepted conn:        40560\n"
			    "listen queue:         3\n"
			    "max listen queue:     64\n"
			    "listen queue len:     511\n"
			    "idle processes:       2\n"
			    "active processes:     6\n"
			    "total processes:      8\n"
			    "max active processes: 8\n"
			    "max children reached: 17\n"
			    "slow requests:        5\n"
			    "memory peak:          187695104\n",
			    "scripts running:      6\n",
			    "refused, waited too long: 0\n",
			    "cpu user ms:          2012250\n",
			    "run time up to 0.005 s: 322\n",
			    "run time count:       40560\n"
			    "run time sum ms:      3912750\n"),
	    "text has php-fpm's lines, then ours, in whole numbers");
	lacks(page, "", "pid:", "text has no processes");
	has(page, "full", THESE("run time count:",
				"\n\n************************\n"
				"pid:                  20112\n"
				"state:                Running\n"
				"start time:           31/Dec/2025:23:59:48 +0000\n"
				"start since:          12\n"
				"requests:             1\n"
				"request duration:     12400000\n"
				"request method:       POST\n"
				"request URI:          /cgi-bin/gitweb.cgi/project.git?a=search;s=x&y=<b>\n"
				"content length:       48213\n"
				"user:                 anna\n"
				"script:               /usr/lib/cgi-bin/gitweb.cgi\n"
				"last request cpu:     0.00\n"
				"last request memory:  0\n"
				"client:               192.0.2.17\n"
				"bytes in:             48213\n"
				"bytes out:            1203\n"
				"\n************************\n",
				"user:                 -\n",
				"Reading headers\n", "bytes in:             -\n", "Finishing\n",
				"Getting request information\n", "Ending\n", "Idle\n",
				"last request cpu:     83.33\n"),
	    "full text has a block for each process");
}

static void check_json(struct status_page *page)
{
	has(page, "json", THESE("\r\n\r\n{\"pool\":\"www\",\"process manager\":\"static\","
				"\"start time\":1766951758,\"start since\":273842,"
				"\"accepted conn\":40560,\"listen queue\":3,\"max listen queue\":64,"
				"\"listen queue len\":511,\"idle processes\":2,\"active processes\":6,"
				"\"total processes\":8,\"max active processes\":8,"
				"\"max children reached\":17,\"slow requests\":5,"
				"\"memory peak\":187695104,\"program\":\"fcgiwrap\",",
				"\"cpu user\":2012.25,",
				"\"run time\":{\"count\":40560,\"sum\":3912.75,\"buckets\":["
				"{\"le\":0.001,\"count\":0},{\"le\":0.0025,\"count\":12},",
				"{\"le\":60,\"count\":40559}]},\"queue time\":", "]}}\n"),
	    "JSON has php-fpm's keys, then ours");
	lacks(page, "json", "\"processes\"", "JSON has no processes");
	has(page, "json&full",
	    THESE("\"memory peak\":187695104,\"processes\":[{\"pid\":20112,\"state\":\"Running\","
		  "\"start time\":1767225588,\"start since\":12,\"requests\":1,"
		  "\"request duration\":12400000,\"request method\":\"POST\","
		  "\"request uri\":\"/cgi-bin/gitweb.cgi/project.git?a=search;s=x&y=<b>\","
		  "\"content length\":48213,\"user\":\"anna\","
		  "\"script\":\"/usr/lib/cgi-bin/gitweb.cgi\",\"last request cpu\":0.00,"
		  "\"last request memory\":0,\"client\":\"192.0.2.17\",\"bytes in\":48213,"
		  "\"bytes out\":1203},{\"pid\":20115,", "\"bytes in\":0,\"bytes out\":32768}",
		  "\"bytes in\":null,", "}],\"program\":"),
	    "full JSON has the processes behind php-fpm's keys");
}

static void check_xml(struct status_page *page)
{
	has(page, "xml", THESE("\r\n\r\n<?xml version=\"1.0\" ?>\n<status>\n<pool>www</pool>\n"
			       "<process-manager>static</process-manager>\n"
			       "<start-time>1766951758</start-time>\n"
			       "<start-since>273842</start-since>\n"
			       "<accepted-conn>40560</accepted-conn>\n",
			       "<memory-peak>187695104</memory-peak>\n<program>",
			       "<refused-queue-full>12</refused-queue-full>\n",
			       "<run-time><count>40560</count><sum>3912.75</sum>"
			       "<bucket le=\"0.001\">0</bucket>", "</bucket></run-time>\n",
			       "</bucket></queue-time>\n</status>\n"),
	    "XML has php-fpm's elements, then ours");
	has(page, "full&xml", THESE("</memory-peak>\n<processes>\n<process>\n<pid>20112</pid>\n",
				    "<request-uri>/cgi-bin/gitweb.cgi/project.git?a=search;s=x&amp;"
				    "y=&lt;b&gt;</request-uri>\n<content-length>48213</content-length>\n",
				    "</process>\n</processes>\n<program>"),
	    "full XML has the processes");
}

static void check_metrics(struct status_page *page)
{
	char *old;

	has(page, "openmetrics",
	    THESE("# HELP fcgiwrap_build Version of the program.\n# TYPE fcgiwrap_build info\nfcgiwrap_build_info{pool=\"www\",version=\"2.0\"} 1\n",
		  "# TYPE fcgiwrap_start_time_seconds gauge\n# UNIT fcgiwrap_start_time_seconds seconds\n"
		  "fcgiwrap_start_time_seconds{pool=\"www\"} 1766951758.5\n",
		  "# TYPE fcgiwrap_accepted_connections counter\n"
		  "fcgiwrap_accepted_connections_total{pool=\"www\"} 40560\n",
		  "fcgiwrap_listen_queue{pool=\"www\"} 3\n", "fcgiwrap_listen_queue_max{pool=\"www\"} 64\n",
		  "fcgiwrap_listen_queue_limit{pool=\"www\"} 511\n",
		  "fcgiwrap_processes{pool=\"www\",state=\"idle\"} 2\n"
		  "fcgiwrap_processes{pool=\"www\",state=\"active\"} 6\n",
		  "fcgiwrap_active_processes_max{pool=\"www\"} 8\n",
		  "fcgiwrap_process_limit_reached_total{pool=\"www\"} 17\n",
		  "fcgiwrap_slow_requests_total{pool=\"www\"} 5\n",
		  "fcgiwrap_memory_peak_bytes{pool=\"www\"} 187695104\n",
		  "# TYPE fcgiwrap_requests counter\n"
		  "fcgiwrap_requests_total{pool=\"www\",code=\"2xx\"} 38112\n"
		  "fcgiwrap_requests_total{pool=\"www\",code=\"3xx\"} 1204\n",
		  "# TYPE fcgiwrap_script_seconds histogram\n# UNIT fcgiwrap_script_seconds seconds\n"
		  "fcgiwrap_script_seconds_bucket{pool=\"www\",le=\"0.001\"} 0\n"
		  "fcgiwrap_script_seconds_bucket{pool=\"www\",le=\"0.0025\"} 12\n",
		  "{pool=\"www\",le=\"1.0\"} 39996\n", "{pool=\"www\",le=\"+Inf\"} 40560\n"
		  "fcgiwrap_script_seconds_count{pool=\"www\"} 40560\n"
		  "fcgiwrap_script_seconds_sum{pool=\"www\"} 3912.75\n", "\n# EOF\n"),
	    "OpenMetrics has our families");
	old = render(page, "openmetrics", "text/plain", false);
	ok(in_order(old, THESE("# TYPE fcgiwrap_build_info gauge\n",
			       "# TYPE fcgiwrap_accepted_connections_total counter\n"
			       "fcgiwrap_accepted_connections_total{pool=\"www\"} 40560\n")) &&
	   !strstr(old, "# UNIT"), "the older format names families after their samples");
	free(old);
	page->program = "spawn-fcgi";
	has(page, "openmetrics", THESE("spawn_fcgi_build_info{"), "the prefix is a name of metrics");
	page->program = "fcgiwrap";
	has(page, "openmetrics&phpfpm&full",
	    THESE("# TYPE phpfpm_up gauge\nphpfpm_up 1\n",
		  "# TYPE phpfpm_start_since counter\nphpfpm_start_since 273842\n",
		  "# TYPE phpfpm_accepted_connections counter\nphpfpm_accepted_connections 40560\n",
		  "# TYPE phpfpm_listen_queue gauge\nphpfpm_listen_queue 3\n",
		  "# TYPE phpfpm_max_listen_queue counter\nphpfpm_max_listen_queue 64\n",
		  "# TYPE phpfpm_listen_queue_length gauge\nphpfpm_listen_queue_length 511\n",
		  "# TYPE phpfpm_idle_processes gauge\nphpfpm_idle_processes 2\n",
		  "# TYPE phpfpm_active_processes gauge\nphpfpm_active_processes 6\n",
		  "# TYPE phpfpm_total_processes gauge\nphpfpm_total_processes 8\n",
		  "# TYPE phpfpm_max_active_processes counter\nphpfpm_max_active_processes 8\n",
		  "# TYPE phpfpm_max_children_reached counter\nphpfpm_max_children_reached 17\n",
		  "# TYPE phpfpm_slow_requests counter\nphpfpm_slow_requests 5\n",
		  "# TYPE phpfpm_memory_peak gauge\nphpfpm_memory_peak 187695104\n# EOF\n"),
	    "php-fpm's families are named and typed as it does");
	lacks(page, "openmetrics&phpfpm", "fcgiwrap_", "and ours are not among them");
}

/* A string in a form. */
static void shows(enum text_form form, const char *string, const char *expected, const char *what)
{
	struct text text = { .bytes = NULL };

	text_string(&text, form, string, 40);
	text_put(&text, "", 1);
	ok(!text.failed && strcmp(text.bytes, expected) == 0, "%s", what);
	if (strcmp(text.bytes, expected) != 0)
		printf("# %s\n", text.bytes);
	free(text.bytes);
}

static void check_strings(void)
{
	shows(TEXT_LINE, "a\nb\033c\342\200\256d\te", "a?b?c?d\te", "a line stays one, and harmless");
	shows(TEXT_LINE, "\377\303\251\200", "\303\277\303\251?", "a line is UTF-8");
	shows(TEXT_JSON, "a\"b\\c\nd\001e\177", "a\\\"b\\\\c\\u000ad\\u0001e\\u007f", "JSON is escaped");
	shows(TEXT_JSON, "\377\303\251\302\205", "\303\277\303\251\\u0085", "JSON is UTF-8");
	shows(TEXT_XML, "<a b=\"c\">&'\n\001\357\277\276", "&lt;a b=&quot;c&quot;&gt;&amp;&#39;&#10;??",
	      "XML is escaped, without what it cannot have");
	shows(TEXT_HTML, "<a b=\"c\">&'\n\342\200\256", "&lt;a b=&quot;c&quot;&gt;&amp;&#39;??",
	      "HTML is escaped, without what turns text around");
	shows(TEXT_METRIC, "a\"b\\c\nd", "a\\\"b\\\\c\\nd", "a label of a metric is escaped");
	shows(TEXT_HELP, "a\"b\\c\nd", "a\"b\\\\c\\nd", "a help text has plain quotes");
	shows(TEXT_JSON, "\355\240\200", "\303\255\302\240\\u0080", "a surrogate is no UTF-8");
	shows(TEXT_JSON, "\360\237\230\200", "\360\237\230\200", "four bytes are a character");
	shows(TEXT_LINE, "\357\277\277\360\220\200\200", "\357\277\277\360\220\200\200",
	      "three bytes become four where they have to");
	shows(TEXT_XML, "\177~", "&#127;~", "XML has controls as numbers");
	shows(TEXT_JSON, NULL, "", "no string is an empty one");
	shows(TEXT_LINE, "0123456789012345678901234567890123456789",
	      "0123456789012345678901234567890123456789", "a string of the most bytes is whole");
	shows(TEXT_LINE, "012345678901234567890123456789012345678\303\251",
	      "012345678901234567890123456789012345678\342\200\246",
	      "a longer one is cut between characters, and says so");
}

/* A number as people read it. */
static void reads(void (*put)(struct text *, double), double number, const char *expected)
{
	struct text text = { .bytes = NULL };

	put(&text, number);
	text_put(&text, "", 1);
	ok(!text.failed && strcmp(text.bytes, expected) == 0, "%g reads %s", number, expected);
	if (strcmp(text.bytes, expected) != 0)
		printf("# %s\n", text.bytes);
	free(text.bytes);
}

static void check_numbers(void)
{
	reads(status_put_count, 0, "0");
	reads(status_put_count, 9999, "9999");
	reads(status_put_count, 10000, "10\342\200\257000");
	reads(status_put_count, -1234567, "-1\342\200\257234\342\200\257567");
	reads(status_put_count, 0.125, "0.125");
	reads(status_put_count, 12.34, "12.3");
	reads(status_put_count, 1234.5, "1234");
	reads(status_put_count, 1e18, "very many");
	reads(status_put_count, -1e18, "below all");
	reads(status_put_seconds, 0, "0 s");
	reads(status_put_seconds, 0.00025, "250 \302\265s");
	reads(status_put_seconds, 0.001, "1 ms");
	reads(status_put_seconds, 0.999, "999 ms");
	reads(status_put_seconds, 1, "1 s");
	reads(status_put_seconds, 59.94, "59.9 s");
	reads(status_put_seconds, 60, "1 min");
	reads(status_put_seconds, 200, "3 min 20 s");
	reads(status_put_seconds, 3599.9, "59 min 59 s");
	reads(status_put_seconds, 3600 * 23 + 59 * 60, "23 h 59 min");
	reads(status_put_seconds, 86400 * 3 + 3600 * 4 + 59, "3 d 4 h");
	reads(status_put_seconds, 1e12, "1\342\200\257000\342\200\257000\342\200\257000\342\200\257000");
	reads(status_put_bytes, 999, "999 B");
	reads(status_put_bytes, 1000, "0.977 KiB");
	reads(status_put_bytes, 1536, "1.5 KiB");
	reads(status_put_bytes, 8.5 * 1073741824, "8.5 GiB");
	reads(text_number, 0.1, "0.1");
	reads(text_number, -0.0, "0");
	reads(text_number, 187695104, "187695104");
	reads(text_number, 123456789.125, "123456789.125");
	reads(text_number, 1e300, "1e+300");
}

/* Whatever a client sends: no line is added, no string is left. */
static void check_hostile(struct status_page *page)
{
	char *response = render(page, "full", NULL, false);
	size_t lines = 0, marks = 0, bad = 0;

	for (const char *line = body_of(response); *line; line += strcspn(line, "\n") + 1) {
		lines++;
		marks += strncmp(line, "************************\n", 25) == 0;
		bad += *line != '\n' && *line != '*' && !strchr("abcdefghijklmnopqrstuvwxyz", *line);
	}
	ok(marks == page->process_count && bad == 0 && strlen(response) < 4 * 1024 * 1024,
	   "each process is one block of %zu lines of text", lines);
	ok(strcspn(response, "\033\007\177") == strlen(response), "text has no control characters");
	free(response);
	lacks(page, "xml&full", "<script>alert", "XML has no elements of a client");
	lacks(page, "html&full", "<script>", "HTML has none either");
	lacks(page, "html&full", "onmouseover=alert(1) x='", "nor attributes");
	lacks(page, "html&full", "\342\200\256", "nor marks that turn text around");
	lacks(page, "html", "inf", "HTML has no infinity");
	has(page, "html", THESE("now 15.2, lowest 9.", ", highest 34.6,"), "a chart leaves out what is no number");
	lacks(page, "json&full", "\n\"", "JSON has no lines of a client");
	lacks(page, "json", "nan", "JSON has no NaN");
	lacks(page, "json", "inf", "JSON has no infinity");
}

/* Response to a query with other values; the page is restored. */
static void is_judged(struct status_page page, const char *manager, uint64_t queue, uint64_t active,
		      uint64_t total, const char *word)
{
	page.manager = manager;
	page.queue = queue;
	page.active = active;
	page.total = total;
	has(&page, "html", THESE("<title>", word, ": www", "<b>", word, "</b>"), word);
}

static void check_html(struct status_page *page)
{
	has(page, "html",
	    THESE("Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:;",
		  "<!DOCTYPE html>\n<html lang=en>", "<title>Busy: www, fcgiwrap</title>",
		  "<bdi>www</bdi> <small>fcgiwrap 2.0, static, running for 3 d 4 h",
		  "class='verdict warn'", "<h2>Busy processes</h2>", "6 <small>of 8</small>",
		  "<h2>Waiting</h2>", "40\342\200\257560", "<h2>Failures</h2>", ">88<", "<h2>What failed</h2>",
		  "responses 5xx</dt><dd>43<", "refused, queue full</dt><dd>12<", "<h2>Limits and use</h2>",
		  "scripts running</dt><dd>6 <span class=soft>of 8<", "<h2>What runs now</h2>",
		  "href='?html&amp;full'", "<h2>All figures</h2>", "memory peak</dt><dd>179 MiB<",
		  "cpu user</dt><dd>33 min 32 s<", "2026-01-01 00:00:00 +0000", "href='?json&amp;full'"),
	    "HTML shows state, totals, failures, limits and figures");
	lacks(page, "html", "refused, waited too long</dt><dd>0</dd></div><div><dt>refused, body too large"
	      "</dt><dd>2</dd></div><div><dt>script ends, other", "what did not fail is not among failures");
	lacks(page, "html", "<table", "HTML has no processes");
	lacks(page, "html&full", "<script", "HTML has no script");
	lacks(page, "html", "http-equiv", "HTML stays as it is");
	has(page, "html", THESE("<strong>15.2</strong>", "viewBox='0 0 59 100'",
				"now 15.2, lowest 9, highest 34.6, on average ", "d='M0,100L0,",
				"V100Z", "d='M0,", "10 min ago", "highest 34.6"),
	    "a chart is described, and drawn");
	has(page, "html", THESE("run time of 40\342\200\257560", "half within 50 ms, 95 % within 500 ms, "
				"99 % within 2.5 s</desc>", "up to 5 ms: 310<",
				"<rect x=113.5 y=0 width=20.5 height=96><title>up to 50 ms: 14\342\200\257210<",
				"height=1.5><title>above 1 min: 1<", ">25 ms</text>"),
	    "a histogram too");
	has(page, "html&full",
	    THESE("<table>", "<th scope=col>State", "Ending<small>pid 19988, 1 request<", "31 s",
		  "GET /cgi-bin/slow.sh", "Running<small>pid 20112", "12.4 s",
		  "POST /cgi-bin/gitweb.cgi/project.git?a=search;s=x&amp;y=&lt;b&gt;",
		  " for <bdi>192.0.2.17</bdi> by <bdi>anna</bdi>", "in 47.1 KiB <br>out 1.17 KiB",
		  "3 ms", "<tr class=idle>", "up 1 d", "12 MiB <br>83.3 % CPU"),
	    "full HTML shows the longest request first, and who is idle last");
	has(page, "html&refresh=10", THESE("<meta http-equiv=refresh content=10>",
					   "href='?html&amp;full&amp;refresh=10'",
					   "refresh=10' aria-current=true>10 s"), "HTML comes anew if wanted");
	has(page, "refresh=999999999&html", THESE("content=3600>"), "within an hour");
	lacks(page, "html&refresh=-1", "http-equiv", "but not at once");
	has(page, "html&refresh=-1", THESE("aria-current=true>off"), "and says so");
	is_judged(*page, "static", 511, 6, 8, "Full");
	is_judged(*page, "static", 0, 0, 0, "Down");
	is_judged(*page, "ondemand", 1, 0, 0, "Down");
	is_judged(*page, "ondemand", 0, 0, 0, "Asleep");
	is_judged(*page, "static", 1, 8, 8, "Busy");
	is_judged(*page, "static", 0, 8, 8, "Busy");
	is_judged(*page, "static", 0, 7, 8, "Healthy");
}

static void check_fresh_html(const struct status_page *page)
{
	char *response = render(page, "html&full", NULL, false);
	static const char none[] = "No figures yet.";

	ok(in_order(response, THESE("Healthy", none, none, none, "Nothing.", none, none)) &&
	   !strstr(response, "What failed"), "HTML says that nothing has been yet");
	free(response);
}

static void check_size(const struct status_page *page)
{
	char *response = render(page, "html", NULL, false);

	ok(strlen(response) < 20000, "HTML without processes is small: %zu bytes", strlen(response));
	free(response);
}

static void check_memory(const struct status_page *page)
{
	static const char *const queries[] = { "full", "json&full", "xml&full", "openmetrics",
					       "openmetrics&phpfpm", "html&full" };
	size_t size;

	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
		char *whole = render(page, queries[i], NULL, false), *response = NULL;
		long allowed = 0;

		for (; !response && allowed < 1000; allowed++) {
			allocations_left = allowed;
			response = status_page_render(page, queries[i], NULL, false, &size);
		}
		allocations_left = -1;
		ok(response && allowed > 2 && size == strlen(whole) && memcmp(response, whole, size) == 0,
		   "\"%s\" is whole or nothing, with %ld allocations or less", queries[i], allowed - 1);
		free(response);
		free(whole);
	}
	allocations_left = 0;
	ok(!status_page_pong(false, &size), "no pong without memory");
	allocations_left = -1;
}

static void check_pong(void)
{
	size_t size;
	char *pong = status_page_pong(false, &size), *head = status_page_pong(true, &size);

	ok(strstr(pong, "Content-Length: 4\r\n\r\npong") && strstr(pong, "Content-Type: text/plain"),
	   "a ping is answered with pong");
	ok(memcmp(head + size - 4, "\r\n\r\n", 4) == 0, "or with a header");
	free(pong);
	free(head);
}

int main(void)
{
	struct status_page page;

	setenv("TZ", "UTC0", 1);
	status_data_busy(&page);
	check_query();
	check_header(&page);
	check_accept(&page);
	check_text(&page);
	check_json(&page);
	check_xml(&page);
	check_metrics(&page);
	check_html(&page);
	check_size(&page);
	check_strings();
	check_numbers();
	check_memory(&page);
	check_pong();
	status_data_fresh(&page);
	check_fresh_html(&page);
	status_data_hostile(&page);
	check_hostile(&page);
	return tap_done();
}
