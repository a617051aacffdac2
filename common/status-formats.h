/*
 * The formats of the status page that have a file of their own: for metrics and for people.
 */
#ifndef STATUS_FORMATS_H
#define STATUS_FORMATS_H

#include "status-page.h"
#include "text.h"

/* Bytes that are shown of a string from a request: some readers take no line of 64 KiB. */
enum { STATUS_STRING_MOST = 2048 };

/* Our own families, by the rules of OpenMetrics 1.0 or of the older text format. */
void status_metrics(const struct status_page *page, bool open, struct text *text);

/* True if a client that accepts this (HTTP_ACCEPT, or NULL) gets OpenMetrics. */
bool status_metrics_open(const char *accept);

/* A page for people; it knows its query, for its links. */
void status_html(const struct status_page *page, const char *query, struct text *text);

/* Charts of the page for people: elements "figure". */
void status_chart_series(struct text *text, const struct status_series *series, size_t number);
void status_chart_histogram(struct text *text, const struct status_histogram *histogram,
			    size_t number);

/* Numbers as people read them. */
void status_put_count(struct text *text, double number);    /* 12 345, 0.25 */
void status_put_seconds(struct text *text, double seconds); /* 250 ms, 3 min 20 s */
void status_put_bytes(struct text *text, double bytes);     /* 1.5 MiB */
void status_put_in_unit(struct text *text, double value, const char *unit); /* NULL: a count */

const char *status_state_name(enum status_state state);
uint64_t status_histogram_total(const struct status_histogram *histogram);

#endif
