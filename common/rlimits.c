#include <config.h>

#include "rlimits.h"

#include "compat.h"
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct limit {
	const char *name;
	int resource;
	bool is_size; /* may have a unit */
	bool wanted;
	rlim_t value;
} limits[] = {
	{ .name = "cpu", .resource = RLIMIT_CPU },
	{ .name = "as", .resource = RLIMIT_AS, .is_size = true },
	{ .name = "data", .resource = RLIMIT_DATA, .is_size = true },
	{ .name = "nofile", .resource = RLIMIT_NOFILE },
	{ .name = "nproc", .resource = RLIMIT_NPROC },
	{ .name = "fsize", .resource = RLIMIT_FSIZE, .is_size = true },
	{ .name = "core", .resource = RLIMIT_CORE, .is_size = true },
};

enum { LIMITS = sizeof limits / sizeof *limits };

static int nice_increment;

static bool parse(struct limit *limit, const char *text)
{
	static const char units[] = "kmg";
	char *end;
	unsigned long long value;
	const char *unit;

	errno = 0;
	value = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (errno || *text < '0' || *text > '9' || (*end && (!unit || end[1] || !limit->is_size)))
		return false;
	for (ptrdiff_t times = unit ? unit - units + 1 : 0; times > 0; times--) {
		if (value > ULLONG_MAX / 1024)
			return false;
		value *= 1024;
	}
	limit->value = (rlim_t)value;
	return true;
}

bool rlimits_add(const char *text)
{
	size_t length = strcspn(text, "=");

	for (size_t i = 0; i < LIMITS; i++) {
		struct limit *limit = &limits[i];

		if (strncmp(limit->name, text, length) != 0 || limit->name[length])
			continue;
		if (limit->resource < 0) {
			report("--limit: this system has no limit \"%s\"", limit->name);
			return false;
		}
		limit->wanted = text[length] == '=' && parse(limit, text + length + 1);
		if (!limit->wanted)
			report("--limit wants %s=NUMBER%s, not \"%s\"", limit->name,
			       limit->is_size ? " (units: k m g)" : "", text);
		return limit->wanted;
	}
	report("--limit \"%s\": the limits are cpu, as, data, nofile, nproc, fsize and core", text);
	return false;
}

void rlimits_set_nice(int increment)
{
	nice_increment = increment;
}

/* A lower hard limit already in force stays, and becomes the soft limit. */
static bool find_limit(const struct limit *l, struct rlimit *out)
{
	if (getrlimit(l->resource, out) < 0)
		return false;
	out->rlim_cur = out->rlim_max;
	if (l->value < out->rlim_max || out->rlim_max == RLIM_INFINITY) {
		out->rlim_cur = l->value;
		/* RLIMIT_CPU: SIGXCPU at the soft limit, SIGKILL at the hard one. */
		out->rlim_max = out->rlim_cur + (l->resource == RLIMIT_CPU && l->value < RLIM_INFINITY);
	}
	return true;
}

bool rlimits_cpu(uint64_t *soft, uint64_t *hard)
{
	struct rlimit limit;

	if (!limits[0].wanted || !find_limit(&limits[0], &limit))
		return false;
	*soft = limit.rlim_cur;
	*hard = limit.rlim_max;
	return true;
}

bool rlimits_apply(bool lasting)
{
	for (size_t i = 0; i < LIMITS; i++) {
		struct rlimit limit;

		if (!limits[i].wanted || (lasting && limits[i].resource == RLIMIT_CPU))
			continue;
		if (!find_limit(&limits[i], &limit) || setrlimit(limits[i].resource, &limit) < 0)
			return false;
	}
	/* nice(2) may return -1 as the new priority; an error is ignored. */
	if (nice_increment && nice(nice_increment) == -1)
		return true;
	return true;
}

const char *rlimits_explain(int number)
{
	switch (number) {
	case SIGXCPU:
		return "the limit on CPU time, cpu";
	case SIGXFSZ:
		return "the limit on the size of files, fsize";
	case SIGKILL:
		return limits[0].wanted ? "perhaps by the limit on CPU time, cpu" : NULL;
	default:
		return NULL;
	}
}
