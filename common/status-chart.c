#include <config.h>

#include "status-formats.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------ numbers as people read them */

void status_put_count(struct text *text, double number)
{
	char digits[64];
	size_t length;

	if (isnan(number)) {
		text_add(text, "\342\200\223");
		return;
	}
	if (fabs(number) >= 1e18) {
		text_add(text, number > 0 ? "very many" : "below all");
		return;
	}
	if (number != (double)(int64_t)number && fabs(number) < 100) {
		text_format(text, "%.3g", number);
		return;
	}
	length = (size_t)snprintf(digits, sizeof digits, "%.0f", number + 0.0);
	for (size_t i = 0; i < length; i++) {
		/* A narrow space before each three digits. */
		if (i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0 && length > 4)
			text_add(text, "\342\200\257");
		text_put(text, digits + i, 1);
	}
}

static void put_two(struct text *text, int64_t big, const char *unit, int64_t small,
		    const char *small_unit)
{
	text_format(text, "%" PRId64 " %s", big, unit);
	if (small > 0)
		text_format(text, " %" PRId64 " %s", small, small_unit);
}

void status_put_seconds(struct text *text, double seconds)
{
	const bool countable = isfinite(seconds) && fabs(seconds) < 1e12;
	const int64_t whole = countable ? (int64_t)seconds : 0;

	if (!countable)
		status_put_count(text, seconds);
	else if (seconds == 0)
		text_add(text, "0 s");
	else if (seconds < 0.001)
		text_format(text, "%.3g \302\265s", seconds * 1e6);
	else if (seconds < 0.9995)
		text_format(text, "%.3g ms", seconds * 1e3);
	else if (seconds < 59.95)
		text_format(text, "%.3g s", seconds);
	else if (whole < 3600)
		put_two(text, whole / 60, "min", whole % 60, "s");
	else if (whole < 86400)
		put_two(text, whole / 3600, "h", whole / 60 % 60, "min");
	else
		put_two(text, whole / 86400, "d", whole / 3600 % 24, "h");
}

void status_put_bytes(struct text *text, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t unit = 0;

	if (!isfinite(bytes)) {
		status_put_count(text, bytes);
		return;
	}
	for (; fabs(bytes) >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
		bytes /= 1024;
	text_format(text, "%.3g %s", bytes, units[unit]);
}

/* True for units that stand behind each number. */
static bool has_unit(const char *unit)
{
	return strcmp(unit, "seconds") == 0 || strcmp(unit, "bytes") == 0;
}

void status_put_in_unit(struct text *text, double value, const char *unit)
{
	if (unit && strcmp(unit, "seconds") == 0)
		status_put_seconds(text, value);
	else if (unit && strcmp(unit, "bytes") == 0)
		status_put_bytes(text, value);
	else
		status_put_count(text, value);
}

/* ------------------------------------------------------------------------------ series */

struct extent {
	double least, most, sum, last;
	size_t known; /* values that are numbers */
};

static struct extent series_extent(const struct status_series *series)
{
	struct extent e = { .last = NAN };

	for (size_t i = 0; i < series->count; i++) {
		const double value = series->values[i];

		if (!isfinite(value))
			continue;
		if (e.known == 0 || value < e.least)
			e.least = value;
		if (e.known == 0 || value > e.most)
			e.most = value;
		e.sum += value;
		e.last = value;
		e.known++;
	}
	return e;
}

/* A path for each run of known values, as a line or down to the base. */
static void put_path(struct text *text, const struct status_series *series, double most, bool area)
{
	bool drawing = false;

	text_format(text, "<path class=%s d='", area ? "area" : "line");
	for (size_t i = 0; i <= series->count; i++) {
		const bool known = i < series->count && isfinite(series->values[i]);
		const double share = known && series->values[i] > 0 ? series->values[i] / most : 0;

		if (known && !drawing)
			text_format(text, area ? "M%zu,100L" : "M", i);
		if (known)
			text_format(text, "%zu,%.4g ", i, 98 - share * 94);
		else if (drawing)
			text_format(text, area ? "V100Z" : "h0");
		drawing = known;
	}
	text_add(text, "'/>");
}

static void put_description(struct text *text, const struct status_series *series,
			    const struct extent *e, size_t number)
{
	text_format(text, "<title id=t%zu>%s, %s</title><desc id=d%zu>now ", number, series->title,
		    series->unit, number);
	status_put_in_unit(text, e->last, series->unit);
	text_add(text, ", lowest ");
	status_put_in_unit(text, e->least, series->unit);
	text_add(text, ", highest ");
	status_put_in_unit(text, e->most, series->unit);
	text_add(text, ", on average ");
	status_put_in_unit(text, e->sum / (double)e->known, series->unit);
	text_add(text, "</desc>");
}

void status_chart_series(struct text *text, const struct status_series *series, size_t number)
{
	const struct extent e = series_extent(series);

	text_format(text, "<figure class=card><figcaption><b>%s</b> <i>%s</i>", series->title,
		    has_unit(series->unit) ? "" : series->unit);
	if (e.known < 2) {
		text_add(text, "</figcaption><p class=none>No figures yet.</p></figure>\n");
		return;
	}
	text_add(text, "<strong>");
	status_put_in_unit(text, e.last, series->unit);
	text_format(text, "</strong></figcaption><svg class=chart viewBox='0 0 %zu 100' "
		    "preserveAspectRatio=none role=img aria-labelledby='t%zu d%zu'>",
		    series->count - 1, number, number);
	put_description(text, series, &e, number);
	put_path(text, series, e.most, true);
	put_path(text, series, e.most, false);
	text_add(text, "</svg><p class=axis><span>");
	status_put_seconds(text, (double)series->count * series->step);
	text_add(text, " ago</span><span>highest ");
	status_put_in_unit(text, e.most, series->unit);
	text_add(text, "</span><span>now</span></p></figure>\n");
}

/* -------------------------------------------------------------------------- histograms */

enum { CHART_WIDTH = 360, CHART_HEIGHT = 96, LABELS_MOST = 6 };

/* "half within 25 ms": the bound below which a share of all lies. */
static void put_share(struct text *text, const struct status_histogram *h, const char *words,
		      double share, uint64_t total)
{
	uint64_t below = 0;
	size_t i = 0;

	for (; i < h->count; i++) {
		below += h->counts[i];
		if ((double)below >= share * (double)total)
			break;
	}
	text_format(text, "%s %s ", words, i < h->count ? "within" : "above");
	if (h->count > 0)
		status_put_seconds(text, h->bounds[i < h->count ? i : h->count - 1]);
}

static void put_shares(struct text *text, const struct status_histogram *h, uint64_t total)
{
	put_share(text, h, "half", 0.5, total);
	put_share(text, h, ", 95 %", 0.95, total);
	put_share(text, h, ", 99 %", 0.99, total);
}

/* A bar for each bucket from first to last, and what it stands for when pointed at. */
static void put_bars(struct text *text, const struct status_histogram *h, size_t first, size_t last)
{
	const double width = (double)CHART_WIDTH / (double)(last - first + 1);
	uint64_t most = 1;

	for (size_t i = first; i <= last; i++)
		if (h->counts[i] > most)
			most = h->counts[i];
	for (size_t i = first; i <= last; i++) {
		const double share = (double)h->counts[i] / (double)most;
		/* The rarest can be seen, too. */
		const double height = h->counts[i] == 0 ? 0
				      : share * CHART_HEIGHT < 1.5 ? 1.5 : share * CHART_HEIGHT;

		text_format(text, "<rect x=%.4g y=%.4g width=%.4g height=%.4g><title>",
			    (double)(i - first) * width + 1, CHART_HEIGHT - height, width - 2,
			    height);
		text_add(text, i < h->count ? "up to " : "above ");
		if (h->count > 0)
			status_put_seconds(text, h->bounds[i < h->count ? i : i - 1]);
		text_add(text, ": ");
		status_put_count(text, (double)h->counts[i]);
		text_add(text, "</title></rect>");
	}
}

/* Bounds stand between bars; as many as there is room for. */
static void put_bounds(struct text *text, const struct status_histogram *h, size_t first,
		       size_t last)
{
	const double width = (double)CHART_WIDTH / (double)(last - first + 1);
	const size_t step = (last - first) / LABELS_MOST + 1;

	for (size_t i = first + (step - 1) / 2; i < last; i += step) {
		text_format(text, "<text x=%.4g y=%d>", (double)(i - first + 1) * width,
			    CHART_HEIGHT + 16);
		status_put_seconds(text, h->bounds[i]);
		text_add(text, "</text>");
	}
}

void status_chart_histogram(struct text *text, const struct status_histogram *h, size_t number)
{
	const uint64_t total = status_histogram_total(h);
	size_t first = 0, last = h->count;

	text_format(text, "<figure class=card><figcaption><b>%s</b> <i>since the start</i>",
		    h->label);
	if (total == 0) {
		text_add(text, "</figcaption><p class=none>No figures yet.</p></figure>\n");
		return;
	}
	/* Empty buckets at both ends are left out, but for one. */
	while (first < last && h->counts[first] == 0 && h->counts[first + 1] == 0)
		first++;
	while (last > first + 1 && h->counts[last] == 0 && h->counts[last - 1] == 0)
		last--;
	text_add(text, "<strong>");
	status_put_count(text, (double)total);
	text_format(text, "</strong></figcaption><svg class=bars viewBox='0 0 %d %d' role=img "
		    "aria-labelledby='t%zu d%zu'><title id=t%zu>%s of ", CHART_WIDTH,
		    CHART_HEIGHT + 20, number, number, number, h->label);
	status_put_count(text, (double)total);
	text_format(text, "</title><desc id=d%zu>", number);
	put_shares(text, h, total);
	text_add(text, "</desc>");
	put_bars(text, h, first, last);
	text_format(text, "<path class=base d='M0,%d.5H%d'/>", CHART_HEIGHT, CHART_WIDTH);
	put_bounds(text, h, first, last);
	text_add(text, "</svg><p class=axis><span>");
	put_shares(text, h, total);
	text_add(text, "</span></p></figure>\n");
}
