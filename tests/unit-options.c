/* Command lines: kinds of values, their ranges, the order of words, and what is misused. */
#include <config.h>

#include "options.h"
#include "report.h"
#include "tap.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MOST = 16 };

#define DAY ((int64_t)86400000)

struct values {
	bool flag, other, only;
	const char *text;
	long number, octal;
	int64_t duration, wait, size, pause;
	const char *mode;
	struct option_list list;
};

static const struct option_row table[] = {
	{ "flag", 'f', NULL, "a flag", FLAG(struct values, flag) },
	{ "other", 0, NULL, "a flag without letter", FLAG(struct values, other) },
	{ "text", 't', "TEXT", "a text", TEXT(struct values, text) },
	{ "number", 'n', "N", "a number", NUMBER(struct values, number, 1, 100) },
	{ NULL, 'm', "N", "an option without name", NUMBER(struct values, number, -5, LONG_MAX) },
	{ "octal", 'o', "MODE", "an octal number", OCTAL(struct values, octal, 0, 0777) },
	{ "duration", 'd', "SEC", "a time", DURATION(struct values, duration, 1, 3600000) },
	{ "wait", 'w', "SEC", "a time, or 0", DURATION(struct values, wait, 0, 30 * DAY) },
	{ "size", 's', "SIZE", "a size", SIZE(struct values, size, 0, INT64_MAX) },
	{ "list", 'l', "WORD", "a list", LIST(struct values, list) },
	{ "pair", 0, "NAME=VALUE", "a list of variables", PAIRS(struct values, list) },
	{ "pause", 0, "SEC", "a time", DURATION(struct values, pause, 0, DAY), .initial = "2m",
	  .needs = "other" },
	{ "mode", 'M', "NAME", "a mode", TEXT(struct values, mode), .initial = "fast",
	  .needs = "flag" },
	{ "only", 'O', NULL, "a flag that stands alone", FLAG(struct values, only), .alone = true },
	{ "sole", 0, NULL, "another", FLAG(struct values, only), .alone = true },
	{ "speed", 0, "N", "for one of these", NUMBER(struct values, number, 1, 9),
	  .needs = "only|sole" },
};

static struct values values;
static char message[4096]; /* what the last parse said on standard error */
static char *argv[WORDS_MOST + 1];
static int argc;

/* Starts getopt anew: glibc and musl with 0, the BSDs by optreset. */
static void reset_getopt(void)
{
#if defined(__GLIBC__) || defined(__linux__)
	optind = 0;
#else
	extern int optreset;

	optreset = 1;
	optind = 1;
#endif
}

static void read_message(int fd)
{
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	n = read(fd, message, sizeof message - 1);
	message[n > 0 ? n : 0] = '\0';
	close(fd);
}

/* Leaves something on the stack where the next call finds it. */
static void soil_stack(void)
{
	volatile char bytes[16 * 1024];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = 0x55;
}

/* Parses words, separated by blanks ("~" stands for an empty one): the index of the first operand,
 * or -1. */
static int parse(const char *line)
{
	static char copy[512];
	static char empty[] = "", program[] = "program";
	char name[] = "/tmp/unit-options-XXXXXX";
	int fd = mkstemp(name), saved = dup(STDERR_FILENO), first;

	unlink(name);
	snprintf(copy, sizeof copy, "%s", line);
	argc = 0;
	argv[argc++] = program;
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "~") == 0 ? empty : word;
	argv[argc] = NULL;
	values = (struct values){ .number = 7 };
	reset_getopt();
	dup2(fd, STDERR_FILENO);
	soil_stack();
	first = options_parse(table, sizeof table / sizeof *table, argc, argv, &values);
	dup2(saved, STDERR_FILENO);
	close(saved);
	read_message(fd);
	return first;
}

static bool says(const char *line, const char *words)
{
	bool refused = parse(line) == -1;

	if (refused && strstr(message, words))
		return true;
	printf("# %s: %s\n", line, refused ? message : "taken");
	return false;
}

static void kinds(void)
{
	ok(parse("") == 1 && !values.flag && !values.text && values.number == 7,
	   "without words the settings stay as they are");
	ok(parse("-f") == 2 && values.flag && !values.other, "a flag by its letter");
	ok(parse("--flag --other") == 3 && values.flag && values.other, "flags by their names");
	ok(parse("-t word") == 3 && strcmp(values.text, "word") == 0, "a text");
	ok(parse("-tword") == 2 && strcmp(values.text, "word") == 0, "joined to its letter");
	ok(parse("--text word") == 3 && strcmp(values.text, "word") == 0, "behind its name");
	ok(parse("--text=a=b") == 2 && strcmp(values.text, "a=b") == 0, "joined by '='");
	ok(parse("-t ~") == 3 && strcmp(values.text, "") == 0, "an empty text is a text");
	ok(parse("-t -f") == 3 && strcmp(values.text, "-f") == 0 && !values.flag,
	   "a text may look like an option");
	ok(parse("-ft word") == 3 && values.flag && strcmp(values.text, "word") == 0,
	   "letters may be joined");
	ok(parse("-t a -t b") == 5 && strcmp(values.text, "b") == 0, "the last text counts");
	ok(parse("-l a --list b -lc") == 6 && values.list.count == 3 &&
	   strcmp(values.list.texts[0], "a") == 0 && strcmp(values.list.texts[1], "b") == 0 &&
	   strcmp(values.list.texts[2], "c") == 0, "a list has them all, in order");
	free(values.list.texts);
	ok(parse("--pair A= --pair=B=1=2") == 4 && values.list.count == 2 &&
	   strcmp(values.list.texts[0], "A=") == 0 && strcmp(values.list.texts[1], "B=1=2") == 0,
	   "pairs of names and values, which may be empty or have a '='");
	free(values.list.texts);
	ok(says("--pair A", "--pair wants NAME=VALUE, not \"A\""), "a pair needs a '='");
	ok(says("--pair =1", "--pair wants NAME=VALUE, not \"=1\""), "and a name");
}

static void numbers(void)
{
	static const char *const bad[] = { "0", "101", "x", "5x", "~", "-1", "0x10", "1.5",
					   "99999999999999999999" };
	char line[64], words[96];

	ok(parse("-n 1") == 3 && values.number == 1, "the least number");
	ok(parse("-n 100") == 3 && values.number == 100, "the greatest number");
	ok(parse("-m -5") == 3 && values.number == -5, "a number may be negative where that is allowed");
	ok(parse("-n 010") == 3 && values.number == 10, "numbers are decimal");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *value = strcmp(bad[i], "~") == 0 ? "" : bad[i];

		snprintf(line, sizeof line, "-n %s", bad[i]);
		snprintf(words, sizeof words, "-n wants a number from 1 to 100, not \"%s\"", value);
		ok(says(line, words), "\"%s\" is no such number", value);
	}
	ok(parse("-o 0640") == 3 && values.octal == 0640, "an octal number");
	ok(parse("-o 7") == 3 && values.octal == 7, "without its zero");
	ok(says("-o 8", "-o wants an octal number from 0 to 777, not \"8\""), "8 is not octal");
	ok(says("--octal 1000", "an octal number from 0 to 777"), "1000 is too much");
}

static void scaled(void)
{
	static const struct {
		const char *text;
		long milliseconds;
	} durations[] = {
		{ "1", 1000 }, { "1.5", 1500 }, { "0.001", 1 }, { "500ms", 500 }, { "2s", 2000 },
		{ "3m", 180000 }, { "1h", 3600000 }, { ".5", 500 },
	};
	static const struct {
		const char *text;
		int64_t bytes;
	} sizes[] = {
		{ "0", 0 }, { "0.0k", 0 }, { "512", 512 }, { "64k", 65536 }, { "64K", 65536 },
		{ "10m", 10485760 },
		{ "1g", 1073741824 }, { "1.5M", 1572864 },
		{ "2g", (int64_t)1 << 31 }, { "4g", (int64_t)1 << 32 }, { "1000000g", (int64_t)1000000 << 30 },
	};
	static const char *const bad_durations[] = { "0", "0.0001", "2h", "1d", "x", "~", "1x", "-1",
						     "1e999", "1.5.5", "nan", "inf", "ms", "." };
	static const char *const bad_sizes[] = { "-1", "x", "~", "1x", "k", "1kb", "99999999999g",
						 "8589934592g" };
	char line[64];

	for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
		snprintf(line, sizeof line, "-d %s", durations[i].text);
		ok(parse(line) == 3 && values.duration == durations[i].milliseconds, "%s is %ld ms",
		   durations[i].text, durations[i].milliseconds);
	}
	for (size_t i = 0; i < sizeof bad_durations / sizeof *bad_durations; i++) {
		snprintf(line, sizeof line, "-d%s", bad_durations[i]);
		if (strcmp(bad_durations[i], "~") == 0)
			strcpy(line, "-d ~");
		ok(says(line, "-d wants a time from 0.001 to 3600 seconds"), "\"%s\" is no such time",
		   bad_durations[i]);
	}
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		snprintf(line, sizeof line, "-s %s", sizes[i].text);
		ok(parse(line) == 3 && values.size == sizes[i].bytes, "%s is %lld bytes", sizes[i].text,
		   (long long)sizes[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad_sizes / sizeof *bad_sizes; i++) {
		snprintf(line, sizeof line, "-s %s", bad_sizes[i]);
		ok(says(line, "-s wants a size"), "\"%s\" is no such size", bad_sizes[i]);
	}
}

/* The same on systems whose long has 32 bits. */
static void bounds(void)
{
	ok(parse("-w 30d") == 3 && values.wait == 30 * DAY, "30 days");
	ok(parse("-w 2147483.648") == 3 && values.wait == 2147483648, "a time of 2^31 ms");
	ok(says("-w 31d", "-w wants a time from 0.001 to 2592000 seconds, or 0 (units: ms s m h d), "
		"not \"31d\""), "31 days are more than 30");
	ok(says("-d 4294968d", "-d wants a time from 0.001 to 3600 seconds"),
	   "what a smaller number would hold again is too much");
	ok(says("-n 4294967297", "-n wants a number from 1 to 100"), "for a number too");
	ok(parse("-m 2147483647") == 3 && values.number == 2147483647, "a number of 31 bits");
	ok(says("-s 9223372036854775807", "-s wants a size from 1 to 9223372036854775807 bytes, or 0"),
	   "sizes end where they are still exact");
}

/* 0 may mean "no limit", which is not what little means. */
static void less_than_the_least(void)
{
	static const char *const little[] = { "0.4ms", "0.0009", "0.0000001h", ".0001s" };
	static const char *const nothing[] = { "0", "0ms", "0.0", "0d" };
	char line[64];

	for (size_t i = 0; i < sizeof little / sizeof *little; i++) {
		snprintf(line, sizeof line, "--wait %s", little[i]);
		ok(says(line, "-w wants a time from 0.001 to"), "%s is not 0", little[i]);
	}
	for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
		snprintf(line, sizeof line, "--wait %s", nothing[i]);
		values.wait = 1;
		ok(parse(line) == 3 && values.wait == 0, "%s is 0", nothing[i]);
	}
	ok(says("-s 0.5", "-s wants a size from 1 to"), "half a byte is not 0");
	ok(parse("-w 1.9ms") == 3 && values.wait == 1, "what is more than the least is cut");
}

static void order(void)
{
	ok(parse("a -f b -t c d") == 4 && values.flag && strcmp(values.text, "c") == 0 &&
	   strcmp(argv[4], "a") == 0 && strcmp(argv[5], "b") == 0 && strcmp(argv[6], "d") == 0,
	   "options and operands may be mixed; operands come last, in order");
	ok(parse("-f -- -t x") == 3 && values.flag && !values.text && strcmp(argv[3], "-t") == 0,
	   "behind -- all is operands");
	ok(parse("a -- -f") == 2 && !values.flag && strcmp(argv[2], "a") == 0 &&
	   strcmp(argv[3], "-f") == 0, "-- is not an operand itself");
	ok(parse("-f - x") == 2 && strcmp(argv[2], "-") == 0, "a lone dash is an operand");
}

static void misuse(void)
{
	ok(says("-z", "unknown option -z (see --help)"), "an unknown letter is named");
	ok(says("-fz", "unknown option -z (see --help)"), "also among others");
	ok(says("-?", "unknown option -? (see --help)"), "-? is unknown, unless it is in the table");
	ok(says("--flag -zf", "unknown option -z (see --help)"), "behind a long one, too");
	ok(says("--nonsense", "unknown option --nonsense (see --help)"), "an unknown name is named");
	ok(says("a --nonsense b", "unknown option --nonsense (see --help)"), "between operands too");
	ok(says("--non\302\233" "31m", "unknown option --non??31m"), "without controls in it");
	ok(says("--nonsense=x", "unknown option --nonsense"), "with a value too");
	ok(says("-t", "option -t wants an argument (see --help)"), "a missing argument is told");
	ok(says("--text", "option --text wants an argument (see --help)"), "for a name too");
	ok(says("--flag=x", "option --flag takes no argument (see --help)"),
	   "an argument too many is told");
	ok(says("--fla", "unknown option --fla (names are not abbreviated: --flag?)"),
	   "the beginning of a name is not the name");
	ok(says("--tex a", "unknown option --tex (names are not abbreviated: --text?)"),
	   "nor with a value behind it");
	ok(says("a --tex=flag -f b", "unknown option --tex (names"), "or joined to it");
	ok(parse("--text --fla") == 3 && strcmp(values.text, "--fla") == 0,
	   "a value may look like the beginning of a name");
	ok(says("-f -n 0 -t x", "-n wants a number"), "the first mistake is told");
	ok(strncmp(message, "program: ", 9) == 0, "under the program's name");
}

static void defaults(void)
{
	ok(parse("") == 1 && values.pause == 120000 && strcmp(values.mode, "fast") == 0,
	   "what is not given has its default");
	ok(parse("--other --pause 5 -M slow -f") == 7 && values.pause == 5000 &&
	   strcmp(values.mode, "slow") == 0, "what is given has not");
	ok(says("--pause 120", "--pause needs --other"), "what needs another option says so");
	ok(says("-f -M fast --pause=1", "--pause needs --other"), "also beside one whose need is met");
	ok(says("-M fast", "-M needs --flag"), "also if it is given its default");
	ok(says("--speed 2", "--speed needs --only or --sole"), "one of two may be needed");
	ok(parse("-O --speed 2") == 4 && parse("--speed 2 --sole") == 4, "either will do");
	ok(parse("--only word") == 2, "what stands alone may have operands");
	ok(says("-f -O", "-f has no meaning with -O"), "what stands alone has nothing beside it");
	ok(says("--only --sole", "has no meaning with"), "not even its like");
}

static void help(void)
{
	char *text = NULL;
	size_t size = 0, lines = 0;
	FILE *stream = open_memstream(&text, &size);
	bool all = true;

	options_help(stream, table, sizeof table / sizeof *table);
	fclose(stream);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		all &= strstr(text, table[i].help) != NULL;
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	ok(all && lines == sizeof table / sizeof *table, "the help has a line for each option");
	ok(strstr(text, "-f, --flag ") && strstr(text, " --other ") && strstr(text, "-t, --text TEXT "),
	   "with letter, name and value");
	free(text);
}

int main(void)
{
	report_open("program");
	unsetenv("POSIXLY_CORRECT");
	kinds();
	numbers();
	scaled();
	bounds();
	less_than_the_least();
	order();
	misuse();
	defaults();
	help();
	return tap_done();
}
