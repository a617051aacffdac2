#include <config.h>

#include "overload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_LEAST = 64, NAMES_MOST = 65536 };

/* Connections in a text, and bytes for each. */
enum { WRITTEN_MOST = 3000, ONE_TEXT = 35 };

bool overload_name(struct overload_names *names, uint64_t id)
{
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : NAMES_LEAST;
		uint64_t *ids = NULL;

		errno = EMSGSIZE;
		if (room <= NAMES_MOST)
			ids = realloc(names->ids, room * sizeof *ids);
		if (!ids)
			return false;
		names->ids = ids;
		names->room = room;
	}
	names->ids[names->count++] = id;
	return true;
}

void overload_empty(struct overload *o, int64_t now)
{
	overload_free(o);
	o->seen = now;
	o->named = false;
	o->before = 0;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t x = ((const struct overload_one *)a)->id;
	const uint64_t y = ((const struct overload_one *)b)->id;

	return (x > y) - (x < y);
}

static const struct overload_one *find(const struct overload *o, uint64_t id)
{
	const struct overload_one wanted = { .id = id };

	return o->count > 0 && id != 0
	       ? bsearch(&wanted, o->ones, o->count, sizeof wanted, compare_ids) : NULL;
}

/* A connection without a name has come before the next named one: give both the same since. */
void overload_follow(struct overload *o, const struct overload_names *names, int64_t now)
{
	struct overload_one *ones = names ? malloc((names->count + 1) * sizeof *ones) : NULL;
	struct overload_one one = { .since = o->seen };

	o->named = ones;
	if (!names)
		return;
	for (size_t i = names->count; ones && i-- > 0;) {
		const struct overload_one *known = find(o, names->ids[i]);

		if (names->ids[i] != 0)
			one = (struct overload_one){ .since = known ? known->since : o->seen,
						     .lasting = known };
		one.id = names->ids[i];
		ones[i] = one;
	}
	free(o->ones);
	o->ones = ones;
	o->count = ones ? names->count : 0;
	o->seen = now;
	if (o->count > 0)
		qsort(o->ones, o->count, sizeof *ones, compare_ids);
}

long overload_late(const struct overload *o, int64_t now, int64_t limit)
{
	long late = 0;

	for (size_t i = 0; o->named && i < o->count; i++)
		late += now - o->ones[i].since >= limit;
	return late;
}

long overload_many(const struct overload *o, long waiting, long allowed)
{
	long lasting = 0;

	for (size_t i = 0; o->named && i < o->count; i++)
		lasting += o->ones[i].lasting;
	if (!o->named)
		lasting = waiting < o->before ? waiting : o->before;
	return lasting > allowed ? lasting - allowed : 0;
}

/*
 * "SEEN", then ",ID:SINCE" for each connection, in hexadecimal digits. execve(2) takes no
 * variable above 128 KiB, hence WRITTEN_MOST; any selection of connections will do.
 */
char *overload_write(const struct overload *o)
{
	size_t count = o->count < WRITTEN_MOST ? o->count : WRITTEN_MOST;
	size_t room = ONE_TEXT * (count + 1), size;
	char *text = malloc(room);

	if (!text)
		return NULL;
	size = (size_t)snprintf(text, room, "%" PRIx64, (uint64_t)o->seen);
	for (size_t i = 0; i < count; i++)
		size += (size_t)snprintf(text + size, room - size, ",%" PRIx64 ":%" PRIx64,
					 o->ones[i].id, (uint64_t)o->ones[i].since);
	return text;
}

static bool read_hex(const char **text, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef";
	const char *begin = *text, *digit;

	for (*out = 0; **text && (digit = strchr(digits, **text)); ++*text)
		*out = *out << 4 | (uint64_t)(digit - digits);
	return *text > begin && *text <= begin + 16;
}

static bool skip(const char **text, char wanted)
{
	if (**text != wanted)
		return false;
	++*text;
	return true;
}

static bool read_state(struct overload *o, const char *text)
{
	uint64_t seen, since;

	if (!read_hex(&text, &seen))
		return false;
	o->seen = (int64_t)seen;
	while (*text && o->count < WRITTEN_MOST) {
		struct overload_one *one = &o->ones[o->count++];

		if (!skip(&text, ',') || !read_hex(&text, &one->id) || !skip(&text, ':') ||
		    !read_hex(&text, &since))
			return false;
		one->since = (int64_t)since;
	}
	return *text == '\0';
}

bool overload_read(struct overload *out, const char *text)
{
	const int64_t seen = out->seen;

	overload_empty(out, seen);
	out->ones = calloc(WRITTEN_MOST, sizeof *out->ones);
	if (!out->ones || !read_state(out, text)) {
		overload_empty(out, seen);
		return false;
	}
	qsort(out->ones, out->count, sizeof *out->ones, compare_ids);
	return true;
}

void overload_free(struct overload *o)
{
	free(o->ones);
	o->ones = NULL;
	o->count = 0;
}
