#include <config.h>

#include "status-data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTES = 60, PROCESSES = 300, STRING_MOST = 40 };

static const int64_t now = 1767225600500; /* 2026-01-01 00:00:00.5 UTC */

static const double run_bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
				     0.25, 0.5, 1, 2.5, 5, 10, 30, 60 };
static const uint64_t run_counts[] = { 0, 12, 310, 2201, 9034, 14210, 8120,
				       4002, 1204, 903, 411, 97, 40, 12, 3, 1 };
static const uint64_t queue_counts[] = { 38012, 1201, 604, 322, 180, 90, 71,
					 40, 22, 11, 6, 1, 0, 0, 0, 0 };
enum { BOUNDS = sizeof run_bounds / sizeof *run_bounds };
static const uint64_t nothing[BOUNDS + 1];

static struct status_histogram histograms[2];
static struct status_value values[64];
static struct status_series series[3];
static double points[3][MINUTES];
static struct status_process processes[PROCESSES];

static void add_value(struct status_page *page, struct status_value value)
{
	values[page->value_count++] = value;
}

static void add_values(struct status_page *page, double share)
{
	static const struct status_value some[] = {
		{ "scripts running", "scripts_running", NULL, "Scripts that run now.", STATUS_GAUGE,
		  NULL, 6, 8 },
		{ "scripts waiting", "scripts_waiting", NULL, "Requests that wait for a slot.",
		  STATUS_GAUGE, NULL, 3, 128 },
		{ "connections", "connections", NULL, "Connections of web servers.", STATUS_GAUGE,
		  NULL, 11, 1024 },
		{ "responses 2xx", "requests", "code=\"2xx\"", "Responses by class of status.",
		  STATUS_COUNTER, NULL, 38112 },
		{ "responses 3xx", "requests", "code=\"3xx\"", "Responses by class of status.",
		  STATUS_COUNTER, NULL, 1204 },
		{ "responses 4xx", "requests", "code=\"4xx\"", "Responses by class of status.",
		  STATUS_COUNTER, NULL, 1201 },
		{ "responses 5xx", "requests", "code=\"5xx\"", "Responses by class of status.",
		  STATUS_COUNTER, NULL, 43, 0, true },
		{ "refused, queue full", "refused", "reason=\"queue_full\"",
		  "Requests that were refused.", STATUS_COUNTER, NULL, 12, 0, true },
		{ "refused, waited too long", "refused", "reason=\"queue_timeout\"",
		  "Requests that were refused.", STATUS_COUNTER, NULL, 0, 0, true },
		{ "refused, body too large", "refused", "reason=\"body\"",
		  "Requests that were refused.", STATUS_COUNTER, NULL, 2, 0, true },
		{ "script ends, exit 0", "script_ends", "how=\"exit0\"", "How scripts ended.",
		  STATUS_COUNTER, NULL, 40512 },
		{ "script ends, other exit", "script_ends", "how=\"exit\"", "How scripts ended.",
		  STATUS_COUNTER, NULL, 30, 0, true },
		{ "script ends, signal", "script_ends", "how=\"signal\"", "How scripts ended.",
		  STATUS_COUNTER, NULL, 0, 0, true },
		{ "script ends, time-out", "script_ends", "how=\"timeout\"", "How scripts ended.",
		  STATUS_COUNTER, NULL, 1, 0, true },
		{ "bytes in", "bytes", "direction=\"in\"", "Bytes of bodies.", STATUS_COUNTER,
		  "bytes", 48123901 },
		{ "bytes out", "bytes", "direction=\"out\"", "Bytes of bodies.", STATUS_COUNTER,
		  "bytes", 9012398123.0 },
		{ "cpu user", "script_cpu_seconds", "mode=\"user\"", "CPU time of scripts.",
		  STATUS_COUNTER, "seconds", 2012.25 },
		{ "cpu system", "script_cpu_seconds", "mode=\"system\"", "CPU time of scripts.",
		  STATUS_COUNTER, "seconds", 401.125 },
		{ "warm starts", "starts", "how=\"warm\"", "Starts of scripts.", STATUS_COUNTER,
		  NULL, 35001 },
		{ "cold starts", "starts", "how=\"cold\"", "Starts of scripts.", STATUS_COUNTER,
		  NULL, 5559 },
		{ "time limit", "limit_script_seconds", NULL, "Longest time of a script.",
		  STATUS_GAUGE, "seconds", 300 }
	};

	for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
		struct status_value value = some[i];

		if (strncmp(value.family, "limit", 5) != 0)
			value.value *= share;
		add_value(page, value);
	}
}

static void add_histograms(struct status_page *page, const uint64_t *run, const uint64_t *queue)
{
	histograms[0] = (struct status_histogram){
		"run time", "script_seconds", "Run times of scripts.", run_bounds, run, BOUNDS,
		run == nothing ? 0 : 3912.75
	};
	histograms[1] = (struct status_histogram){
		"queue time", "queue_seconds", "Times that requests waited for a slot.", run_bounds,
		queue, BOUNDS, queue == nothing ? 0 : 201.5
	};
	page->histograms = histograms;
	page->histogram_count = 2;
}

/* Rises from 0 to 10, and falls again. */
static double wave(size_t i, size_t length)
{
	const size_t at = i % length;

	return 20.0 * (double)(at < length / 2 ? at : length - at) / (double)length;
}

static void add_series(struct status_page *page, size_t count)
{
	static const char *const names[][2] = {
		{ "requests", "per second" }, { "run time", "seconds" }, { "waiting", "requests" }
	};

	for (size_t i = 0; i < MINUTES; i++) {
		points[0][i] = 9 + wave(i, 22) / 2 + (double)(i * 7 % 5) + (i > 48 && i < 54 ? 18 : 0);
		points[1][i] = 0.08 + wave(i, 14) / 100 + (i > 49 && i < 55 ? 0.31 : 0);
		points[2][i] = i > 49 && i < 56 ? (double)(i * 5 % 13) : 0;
	}
	for (size_t i = 0; i < 3; i++)
		series[i] = (struct status_series){ names[i][0], names[i][1], points[i], count, 10 };
	page->series = series;
	page->series_count = 3;
}

static struct status_page begin(void)
{
	return (struct status_page){
		.program = "fcgiwrap", .version = "2.0", .pool = "www", .manager = "static",
		.now = now, .start_time = now - 273842000,
		.queue_limit = 511, .total = 8, .idle = 8,
		.values = values, .processes = processes
	};
}

void status_data_busy(struct status_page *page)
{
	static const struct status_process some[] = {
		{ 20112, STATUS_RUNNING, now - 12400, 1, 12400000, "POST", "/cgi-bin/gitweb.cgi/project.git",
		  "a=search;s=x&y=<b>", "anna", "/usr/lib/cgi-bin/gitweb.cgi", "192.0.2.17", 48213, 0,
		  0, 48213, 1203 },
		{ 20115, STATUS_RUNNING, now - 730, 1, 730000, "GET", "/cgi-bin/munin-cgi-graph/day.png",
		  "size_x=800&size_y=400", NULL, "/usr/lib/munin/cgi/munin-cgi-graph", "2001:db8::12",
		  0, 0, 0, 0, 32768 },
		{ 20119, STATUS_READING, now - 12, 0, 12000, NULL, NULL, NULL, NULL, NULL,
		  "198.51.100.3", 0, 0, 0, -1, -1 },
		{ 20101, STATUS_FINISHING, now - 2100, 1, 2100000, "GET", "/cgi-bin/report.pl", "",
		  "", "/usr/lib/cgi-bin/report.pl", "192.0.2.17", 0, 0, 0, 0, 1288490 },
		{ 20120, STATUS_ASKING, now - 3, 1, 3000, "GET", "/cgi-bin/hello", NULL, NULL,
		  "/usr/lib/cgi-bin/hello", "192.0.2.40", 0, 0, 0, 0, 0 },
		{ 19988, STATUS_ENDING, now - 31000, 1, 31000000, "GET", "/cgi-bin/slow.sh", NULL, NULL,
		  "/usr/lib/cgi-bin/slow.sh", "203.0.113.9", 0, 0, 0, 0, 0 },
		{ 19001, STATUS_IDLE, now - 86400000, 4211, 48000, "GET", "/cgi-bin/hello.pl",
		  "name=\303\204nne", NULL, "/usr/lib/cgi-bin/hello.pl", "192.0.2.40", 0, 83.333,
		  12582912, 0, 912 },
		{ 19002, STATUS_IDLE, now - 86400000, 12, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0,
		  -1, -1 }
	};

	*page = begin();
	page->accepted = 40560;
	page->queue = 3;
	page->queue_max = 64;
	page->idle = 2;
	page->active = 6;
	page->active_max = 8;
	page->limit_reached = 17;
	page->slow = 5;
	page->memory_peak = 187695104;
	memcpy(processes, some, sizeof some);
	page->process_count = sizeof some / sizeof *some;
	add_values(page, 1);
	add_histograms(page, run_counts, queue_counts);
	add_series(page, MINUTES);
}

void status_data_fresh(struct status_page *page)
{
	*page = begin();
	page->start_time = now - 1500;
	add_values(page, 0);
	add_histograms(page, nothing, nothing);
	add_series(page, 0);
}

void status_data_hostile(struct status_page *page)
{
	static char endless[100001];
	static const char *const uris[] = {
		"/<script>alert(1)</script>", "/\"onmouseover=alert(1) x='", "/\342\200\256gpj.exe",
		"/\327\251\327\234\327\225\327\235/\331\205\330\261\330\255\330\250\330\247",
		"/a\nslow requests: 999\n************************\npid: 1", "/\033[31mred\007",
		"/\377\376\200", "/&amp;&#60;", "/]]>", "/\360\237\230\200", endless, "/\302\205\302\237",
		"</td></tr></table>", "/\\u0000\\\"", "/# EOF"
	};
	enum { URIS = sizeof uris / sizeof *uris };

	memset(endless, 'A', sizeof endless - 1);
	*page = begin();
	page->pool = "<b>\"pool\\\n& co";
	page->version = "2.0\"\\\n'";
	page->manager = "ondemand";
	page->accepted = UINT64_C(9007199254740993);
	page->queue = page->queue_max = page->queue_limit = 4096;
	page->idle = 0;
	page->active = page->active_max = page->total = PROCESSES;
	page->limit_reached = 1234567;
	page->memory_peak = INT64_C(1) << 42;
	for (size_t i = 0; i < PROCESSES; i++) {
		const char *uri = uris[i % URIS];

		processes[i] = (struct status_process){
			(int64_t)i + 4000000, (enum status_state)(i % 6), now - (int64_t)i * 977, i, (int64_t)i * 977000,
			i % 7 ? "GET" : "<M>", uri, i % 3 ? uri : NULL, i % 5 ? NULL : uri, uri, i % 4 ? "192.0.2.1" : uri,
			INT64_C(1) << (i % 40), i % 2 ? NAN : 250.5, INT64_C(1) << (i % 44),
			(int64_t)(i % 9) * 1234567 - 1, INT64_C(1) << (i % 60)
		};
	}
	page->process_count = PROCESSES;
	add_values(page, 1000000);
	values[4].value = NAN;
	values[16].value = INFINITY;
	add_histograms(page, run_counts, queue_counts);
	add_series(page, MINUTES);
	for (size_t i = 0; i < MINUTES; i += 3)
		points[0][i] = i % 2 ? NAN : -INFINITY;
	for (size_t i = 0; i < MINUTES; i++)
		points[1][i] *= 1e300;
}

/* ------------------------------------------------------------------------ random bytes */

static char *random_string(void)
{
	static char strings[8 * 40][STRING_MOST];
	static size_t next;
	char *string = strings[next++ % (sizeof strings / sizeof *strings)];
	size_t length = (size_t)rand() % STRING_MOST;

	for (size_t i = 0; i < length; i++) {
		/* Half of them from what has a meaning somewhere. */
		static const char signs[] = "<>&\"'\\\n\r\t :;#*{}[],?\200\302\342\360\355\357\277\276\277\1\177";

		string[i] = rand() % 2 ? signs[(size_t)rand() % (sizeof signs - 1)] : (char)(rand() % 255 + 1);
	}
	string[length] = '\0';
	return string;
}

void status_data_random(struct status_page *page, unsigned seed)
{
	status_data_busy(page);
	srand(seed);
	page->pool = random_string();
	page->version = random_string();
	for (size_t i = 0; i < page->process_count; i++) {
		struct status_process *p = &processes[i];

		p->method = random_string();
		p->uri = random_string();
		p->query = random_string();
		p->user = random_string();
		p->script = random_string();
		p->client = random_string();
	}
}

bool status_data_named(struct status_page *page, const char *name)
{
	char *end;
	unsigned long seed = strtoul(name, &end, 10);

	if (strcmp(name, "busy") == 0)
		status_data_busy(page);
	else if (strcmp(name, "fresh") == 0)
		status_data_fresh(page);
	else if (strcmp(name, "hostile") == 0)
		status_data_hostile(page);
	else if (*name && !*end)
		status_data_random(page, (unsigned)seed);
	else
		return false;
	return true;
}
