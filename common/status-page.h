/*
 * The status page of a pool of processes, in the formats and with the words of php-fpm's, which
 * exporters and dashboards read; our own values follow behind. Pure: knows nothing of where the
 * values come from.
 */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum status_state { /* of a process, in php-fpm's words */
	STATUS_IDLE,
	STATUS_RUNNING,
	STATUS_FINISHING,
	STATUS_READING, /* "Reading headers" */
	STATUS_ASKING,  /* "Getting request information" */
	STATUS_ENDING
};

/* A process, or the request that it serves. Texts may hold any bytes; NULL or "" is not known. */
struct status_process {
	int64_t pid; /* 0: none yet */
	enum status_state state;
	int64_t start_time; /* milliseconds since 1970 */
	uint64_t requests;  /* served, this one included */
	int64_t duration;   /* of the request, in microseconds */
	const char *method, *uri, *query, *user, *script, *client;
	int64_t content_length;
	double cpu;          /* of the last request, in percent of a processor */
	int64_t memory;      /* of the last request, in bytes */
	int64_t bytes_in, bytes_out; /* of the request's body and of the response; -1: not known */
};

/*
 * A value of our own. Rows of one family stand together. Labels and families are a program's, and
 * none of what the page has anyway: php-fpm's labels; build, start_time_seconds, processes,
 * accepted_connections, listen_queue, listen_queue_max, listen_queue_limit, active_processes_max,
 * process_limit_reached, slow_requests, memory_peak_bytes.
 */
struct status_value {
	const char *label;  /* in text and JSON: "waiting" or "responses 5xx" */
	const char *family; /* of the metric, without prefix and "_total": "scripts_waiting" */
	const char *labels; /* of the metric, as in the format: "code=\"5xx\"", or NULL */
	const char *help;   /* one sentence, the same for a family */
	enum status_kind { STATUS_GAUGE, STATUS_COUNTER } kind;
	const char *unit; /* "seconds", "bytes", or NULL; the end of family */
	double value;     /* whole numbers are shown as such */
	double limit;     /* most possible, for a bar of what is in use; 0: none */
	bool trouble;     /* on the page for people, more than 0 is shown as what failed */
};

struct status_histogram {
	const char *label;  /* "run time" */
	const char *family; /* "script_seconds" */
	const char *help;
	const double *bounds; /* seconds, rising */
	const uint64_t *counts; /* for each bound, and one for what lies above all; not cumulative */
	size_t count;           /* of bounds */
	double sum;
};

/* A chart of the page for people: the oldest value first. */
struct status_series {
	const char *title, *unit; /* "requests", "per second" */
	const double *values;
	size_t count;
	int step; /* seconds from value to value */
};

struct status_page {
	const char *program; /* prefix of metrics, "-" as "_"; and shown to people */
	const char *version;
	const char *pool;
	const char *manager; /* "static", "dynamic", "ondemand" */
	int64_t now, start_time; /* milliseconds since 1970 */
	uint64_t accepted;
	uint64_t queue, queue_max, queue_limit; /* waiting now, most ever, most possible */
	uint64_t idle, active, active_max, total;
	uint64_t limit_reached; /* times that the most processes were running */
	uint64_t slow;          /* requests above a limit of time */
	int64_t memory_peak;    /* bytes */

	const struct status_value *values;
	size_t value_count;
	const struct status_histogram *histograms;
	size_t histogram_count;
	const struct status_series *series;
	size_t series_count;
	const struct status_process *processes;
	size_t process_count;
};

/* True if the query (QUERY_STRING, or NULL) has this key, alone or with a value. */
bool status_page_asks(const char *query, const char *key);

/*
 * Renders a response in the format that the query asks for: html, json, xml, openmetrics (with
 * phpfpm: in php-fpm's own way), else text; full adds the processes. accept (HTTP_ACCEPT, or NULL)
 * chooses between OpenMetrics and the older text format of metrics. Header fields of a CGI response
 * and an empty line come first; the body is left out if head_only. Returns memory for free(), with
 * *size; NULL without memory.
 */
char *status_page_render(const struct status_page *page, const char *query, const char *accept,
			 bool head_only, size_t *size);

/* The same for a ping: "pong" in plain text. */
char *status_page_pong(bool head_only, size_t *size);

#endif
