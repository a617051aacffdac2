#include <config.h>

#include "options.h"
#include "report.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MOST = 96, LONG_BASE = 256 };

/* Unit after a number, and the factor. */
struct unit {
	const char *name;
	double factor;
};

static const struct unit durations[] = {
	{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60e3 }, { "h", 3600e3 }, { "d", 86400e3 },
};

static const struct unit sizes[] = {
	{ "", 1 },       { "k", 1024 },      { "m", 1048576 },      { "g", 1073741824 },
	{ "K", 1024 },   { "M", 1048576 },   { "G", 1073741824 },
};

static void spell(const struct option_row *o, char *out, size_t size)
{
	if (o->letter)
		snprintf(out, size, "-%c", o->letter);
	else
		snprintf(out, size, "--%s", o->name);
}

static bool parse_integer(const char *text, int base, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, base);
	return errno == 0 && end != text && *end == '\0';
}

static bool parse_scaled(const char *text, const struct unit *units, size_t count, int64_t *out)
{
	char *end;
	double value;

	/* strtod(3) alone would also accept "0x10", "1e3" and "inf". */
	value = strtod(text, &end);
	if (end == text || end != text + strspn(text, "0123456789."))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		value *= units[i].factor;
		if (value >= (double)INT64_MAX)
			return false;
		*out = (int64_t)value;
		/* A value rounded down to 0 is refused, since 0 may mean "no limit". */
		return *out > 0 || strpbrk(text, "123456789") == NULL;
	}
	return false;
}

static bool parse_value(const struct option_row *o, const char *text, int64_t *out)
{
	switch (o->kind) {
	case OPTION_NUMBER:
		return parse_integer(text, 10, out);
	case OPTION_OCTAL:
		return parse_integer(text, 8, out);
	case OPTION_DURATION:
		return parse_scaled(text, durations, sizeof durations / sizeof *durations, out);
	case OPTION_SIZE:
		return parse_scaled(text, sizes, sizeof sizes / sizeof *sizes, out);
	default:
		return false;
	}
}

static void report_range(const struct option_row *o, const char *text)
{
	long long least = o->least, most = o->most;
	char option[64];

	spell(o, option, sizeof option);
	switch (o->kind) {
	case OPTION_OCTAL:
		report("%s wants an octal number from %llo to %llo, not \"%s\"", option,
		       (unsigned long long)least, (unsigned long long)most, text);
		break;
	case OPTION_DURATION:
		report("%s wants a time from %g to %.10g seconds%s (units: ms s m h d), not \"%s\"",
		       option, (double)(least ? least : 1) / 1000, (double)most / 1000,
		       least ? "" : ", or 0", text);
		break;
	case OPTION_SIZE:
		report("%s wants a size from %lld to %lld bytes%s (units: k m g), not \"%s\"",
		       option, least ? least : 1, most, least ? "" : ", or 0", text);
		break;
	default:
		report("%s wants a number from %lld to %lld, not \"%s\"", option, least, most,
		       text);
	}
}

bool options_word(struct option_list *list, const char *text)
{
	const char **texts = realloc(list->texts, (list->count + 1) * sizeof *texts);

	if (!texts) {
		report("cannot keep the command line: %s", strerror(errno));
		return false;
	}
	list->texts = texts;
	list->texts[list->count++] = text;
	return true;
}

/* getopt_long(3) completes abbreviated long names. False after reporting one. */
static bool is_whole(const struct option_row *o, int found, char **argv)
{
	const char *word = argv[optind - 1];

	if (found < LONG_BASE)
		return true;
	if (o->kind != OPTION_FLAG && optarg == word)
		word = argv[optind - 2];
	if (strcspn(word + 2, "=") == strlen(o->name))
		return true;
	report("unknown option %.*s (names are not abbreviated: --%s?)", (int)strcspn(word, "="),
	       word, o->name);
	return false;
}

static bool store(const struct option_row *o, const char *text, void *settings)
{
	void *at = (char *)settings + o->offset;
	char option[64];
	int64_t value;

	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)at = true;
		return true;
	case OPTION_TEXT:
		*(const char **)at = text;
		return true;
	case OPTION_PAIRS:
		if (text[0] == '=' || !strchr(text, '=')) {
			spell(o, option, sizeof option);
			report("%s wants NAME=VALUE, not \"%s\"", option, text);
			return false;
		}
		return options_word(at, text);
	case OPTION_LIST:
		return options_word(at, text);
	default:
		if (!parse_value(o, text, &value) || value < o->least || value > o->most) {
			report_range(o, text);
			return false;
		}
		if (o->kind == OPTION_DURATION || o->kind == OPTION_SIZE)
			*(int64_t *)at = value;
		else
			*(long *)at = (long)value;
		return true;
	}
}

/* Fills in the arguments of getopt_long(3), so that a returned value is a letter,
 * or LONG_BASE plus the row. */
static void fill_getopt(const struct option_row *table, size_t count, char *letters,
			struct option *longs)
{
	*letters++ = ':'; /* return ':' for a missing argument, not '?' */
	for (size_t i = 0; i < count; i++) {
		bool takes_value = table[i].kind != OPTION_FLAG;

		if (table[i].name)
			*longs++ = (struct option){
				.name = table[i].name,
				.has_arg = takes_value ? required_argument : no_argument,
				.val = LONG_BASE + (int)i,
			};
		/* Leave "-?" unknown to getopt: a returned '?' is then always
		 * a complaint, and optopt says about which option. */
		if (!table[i].letter || table[i].letter == '?')
			continue;
		*letters++ = table[i].letter;
		if (takes_value)
			*letters++ = ':';
	}
	*letters = '\0';
	*longs = (struct option){ .name = NULL };
}

static const struct option_row *row_of(const struct option_row *table, size_t count, int found)
{
	if (found >= LONG_BASE)
		return &table[found - LONG_BASE];
	for (size_t i = 0; i < count; i++)
		if (table[i].letter == found)
			return &table[i];
	return NULL;
}

/* After a complaint of getopt, optopt is a letter, LONG_BASE plus the row of a long
 * option, or 0 for an unknown long option; only the latter is at argv[optind - 1]
 * with every libc. */
static void report_misuse(const struct option_row *table, int found, char **argv)
{
	const char *name = optopt >= LONG_BASE ? table[optopt - LONG_BASE].name : NULL;

	if (name)
		report("option --%s %s (see --help)", name,
		       found == ':' ? "wants an argument" : "takes no argument");
	else if (found == ':')
		report("option -%c wants an argument (see --help)", optopt);
	else if (optopt)
		report("unknown option -%c (see --help)", optopt);
	else
		report("unknown option %s (see --help)", argv[optind - 1]);
}

static bool store_initial(const struct option_row *table, size_t count, void *settings)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].initial && !store(&table[i], table[i].initial, settings))
			return false;
	return true;
}

/* True if an option is one of those that another needs. */
static bool meets_need(const struct option_row *other, const struct option_row *o)
{
	const char *first = o->needs, *second;

	if (!first || !other->name)
		return false;
	second = strchr(first, '|');
	if (!second)
		return strcmp(first, other->name) == 0;
	return strcmp(second + 1, other->name) == 0 ||
	       (strlen(other->name) == (size_t)(second - first) &&
		strncmp(first, other->name, (size_t)(second - first)) == 0);
}

/* Refuses an option without the other that it needs, rather than ignore it silently. */
static bool has_all_needs(const struct option_row *table, size_t count, const bool *given)
{
	char option[64];

	for (size_t i = 0; i < count; i++) {
		bool met = !given[i] || !table[i].needs;
		const char *second = met ? NULL : strchr(table[i].needs, '|');

		for (size_t other = 0; other < count && !met; other++)
			met = given[other] && meets_need(&table[other], &table[i]);
		if (met)
			continue;
		spell(&table[i], option, sizeof option);
		report("%s needs --%.*s%s%s", option, (int)strcspn(table[i].needs, "|"),
		       table[i].needs, second ? " or --" : "", second ? second + 1 : "");
		return false;
	}
	return true;
}

/* Refuses what has no meaning beside an option that stands alone. */
static bool is_left_alone(const struct option_row *table, size_t count, const bool *given)
{
	char option[64], other[64];

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count && given[i] && table[i].alone; j++) {
			if (!given[j] || j == i || meets_need(&table[i], &table[j]))
				continue;
			spell(&table[i], option, sizeof option);
			spell(&table[j], other, sizeof other);
			report("%s has no meaning with %s", other, option);
			return false;
		}
	return true;
}

int options_parse(const struct option_row *table, size_t count, int argc, char **argv,
		  void *settings)
{
	char letters[2 * OPTIONS_MOST + 2];
	struct option longs[OPTIONS_MOST + 1];
	bool given[OPTIONS_MOST] = { false };
	int found;

	assert(table && count <= OPTIONS_MOST);
	if (!store_initial(table, count, settings))
		return -1;
	fill_getopt(table, count, letters, longs);
	opterr = 0;
	while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *row = row_of(table, count, found);

		if (!row || found == ':' || (found == '?' && optopt != '?')) {
			report_misuse(table, found, argv);
			return -1;
		}
		if (!is_whole(row, found, argv) || !store(row, optarg, settings))
			return -1;
		given[row - table] = true;
	}
	if (!has_all_needs(table, count, given) || !is_left_alone(table, count, given))
		return -1;
	return optind;
}

static bool is_among(const struct option_row *o, const char *const *names)
{
	for (; *names; names++)
		if (o->name && strcmp(o->name, *names) == 0)
			return true;
	return false;
}

bool options_words(const struct option_row *table, size_t count, int argc, char **argv,
		   const char *const *without, struct option_list *out)
{
	char letters[2 * OPTIONS_MOST + 2];
	struct option longs[OPTIONS_MOST + 1];
	int found;

	fill_getopt(table, count, letters, longs);
	optind = 1;
	while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *row = row_of(table, count, found);
		char option[64], *kept;

		if (!row || is_among(row, without))
			continue;
		spell(row, option, sizeof option);
		kept = strdup(option);
		if (!kept) {
			report("cannot keep the command line: %s", strerror(errno));
			return false;
		}
		if (!options_word(out, kept) || (row->kind != OPTION_FLAG && !options_word(out, optarg)))
			return false;
	}
	return true;
}

void options_help(FILE *to, const struct option_row *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct option_row *o = &table[i];
		char left[64];
		char letter[4] = { o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
				   o->letter && o->name ? ',' : ' ', '\0' };

		snprintf(left, sizeof left, "  %s %s%s%s%s", letter, o->name ? "--" : "",
			 o->name ? o->name : "", o->value ? " " : "", o->value ? o->value : "");
		fprintf(to, "%-32s %s%s%s%s\n", left, o->help, o->initial ? " (default " : "",
			o->initial ? o->initial : "", o->initial ? ")" : "");
	}
}
