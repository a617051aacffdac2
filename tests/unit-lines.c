/* Lines of standard error: cut, sanitized, bounded in length and rate. */
#include <config.h>

#include "lines.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char told[512 * 1024]; /* each line with '|' behind it */
static size_t told_size;
static int told_count;

static void tell(void *context, const char *line, size_t size)
{
	(void)context;
	if (told_size + size + 2 > sizeof told)
		return;
	memcpy(told + told_size, line, size);
	told_size += size;
	told[told_size++] = '|';
	told[told_size] = '\0';
	told_count++;
}

static void forget(void)
{
	told[told_size = 0] = '\0';
	told_count = 0;
}

/* What is told of a text that comes in pieces of so many bytes. */
static const char *lines_of(const char *text, size_t piece)
{
	struct lines lines = { .text = NULL };
	size_t size = strlen(text);

	forget();
	for (size_t at = 0; at < size; at += piece)
		lines_take(&lines, text + at, size - at < piece ? size - at : piece, 5000, tell, NULL);
	lines_end(&lines, tell, NULL);
	lines_free(&lines);
	return told;
}

static void is(const char *text, const char *expected, const char *what)
{
	bool same = true;

	for (size_t piece = 1; piece <= strlen(text) + 1; piece++)
		same &= strcmp(lines_of(text, piece), expected) == 0;
	ok(same, "%s", what);
	if (!same)
		printf("# told: %s\n", lines_of(text, 1000));
}

/* A line of this text is told so. */
static void shows(const char *text, const char *expected, const char *what)
{
	char in[256], out[256];

	snprintf(in, sizeof in, "%s\n", text);
	snprintf(out, sizeof out, "%s|", expected);
	is(in, out, what);
}

static void check_sanitize(void)
{
	shows("a\302\233" "31mb", "a??31mb", "C1 controls in UTF-8 are replaced");
	shows("\302\205\302\200\302\237", "??????", "the first, the last, and a next line");
	shows("\302\240\302\245", "\302\240\302\245", "not what comes behind them");
	shows("a\23331m", "a?31m", "a C1 control as a byte is replaced");
	shows("\342\200\256gpj.exe", "???gpj.exe", "an override of direction is replaced");
	shows("\342\200\216\342\200\217\330\234", "????????", "marks of direction too");
	shows("\342\201\246a\342\201\251", "???a???", "isolates too");
	shows("a\342\200\250b\342\200\251", "a???b???", "ends of lines and paragraphs too");
	shows("\342\200\223\342\200\247\342\200\257\342\202\254",
	      "\342\200\223\342\200\247\342\200\257\342\202\254", "signs beside them stay");
	shows("\320\226\327\220\331\205\346\227\245\360\237\230\200",
	      "\320\226\327\220\331\205\346\227\245\360\237\230\200", "letters of all scripts stay");
	shows("gr\374n \351t\351", "gr\374n \351t\351", "letters of Latin-1 stay");
	shows("\300\233\340\202\233\360\200\202\233", "\300?\340??\360???",
	      "overlong forms hide no control");
	shows("\355\240\200\364\220\200\200\365\200", "\355\240?\364???\365?",
	      "neither do characters that there are not");
	shows("\342\302\233\342\200", "\342??\342?", "a cut character hides none behind it");
}

static bool breaks_whole(const char *character)
{
	struct lines lines = { .text = NULL };
	size_t length = strlen(character);
	bool whole = true;

	for (size_t before = LINE_MOST - length; before <= LINE_MOST; before++) {
		char text[LINE_MOST + 16];

		memset(text, 'x', before);
		snprintf(text + before, sizeof text - before, "%sy\n", character);
		forget();
		lines_take(&lines, text, strlen(text), 0, tell, NULL);
		whole &= told_count == 1 + (before + length + 1 > LINE_MOST) &&
			 strstr(told, character) && told_size == before + length + 1 + (size_t)told_count;
	}
	lines_free(&lines);
	return whole;
}

static void check_breaks(void)
{
	struct lines lines = { .text = NULL };
	char text[300];

	ok(breaks_whole("\303\274"), "a line is not broken within a character of two bytes");
	ok(breaks_whole("\342\202\254"), "of three");
	ok(breaks_whole("\360\237\230\200"), "of four");
	ok(breaks_whole("\374"), "a byte that is none is one by itself");
	for (size_t i = 0; i < sizeof text - 2; i += 2)
		memcpy(text + i, "\303\274", 2);
	memcpy(text + sizeof text - 2, "\n", 2);
	lines_take(&lines, text, strlen(text), 0, tell, NULL);
	ok(strlen(lines.last) == sizeof lines.last - 2, "nor is the last line cut within one");
	lines_free(&lines);
}

static void check_length(void)
{
	char *text = malloc(3 * LINE_MOST);
	struct lines lines = { .text = NULL };

	memset(text, 'x', 3 * LINE_MOST);
	forget();
	lines_take(&lines, text, 2 * LINE_MOST + 10, 0, tell, NULL);
	ok(told_count == 2 && told_size == 2 * LINE_MOST + 2, "a long line is broken");
	lines_end(&lines, tell, NULL);
	ok(told_count == 3 && told_size == 2 * LINE_MOST + 13, "and what is left of it is told");
	lines_free(&lines);
	lines = (struct lines){ .text = NULL };
	text[LINE_MOST] = '\n';
	forget();
	lines_take(&lines, text, LINE_MOST + 1, 0, tell, NULL);
	lines_end(&lines, tell, NULL);
	ok(told_count == 1 && told_size == LINE_MOST + 1, "a line of just the length is one");
	lines_free(&lines);
	free(text);
}

static void check_rate(void)
{
	struct lines lines = { .text = NULL };

	forget();
	for (int i = 0; i < LINES_PER_SECOND + 50; i++)
		lines_take(&lines, "line\n", 5, 7000 + i, tell, NULL);
	ok(told_count == LINES_PER_SECOND, "so many lines are told in a second");
	forget();
	lines_take(&lines, "next\n", 5, 8000, tell, NULL);
	ok(strcmp(told, "(50 lines dropped)|next|") == 0, "how many were dropped is told in the next");
	forget();
	lines_take(&lines, "more\n", 5, 9000, tell, NULL);
	ok(strcmp(told, "more|") == 0, "and told once");
	for (int i = 0; i < LINES_PER_SECOND; i++)
		lines_take(&lines, "line\n", 5, 9001, tell, NULL);
	lines_take(&lines, "last words\n", 11, 9002, tell, NULL);
	forget();
	lines_end(&lines, tell, NULL);
	ok(strcmp(told, "(2 lines dropped)|") == 0, "or at the end");
	ok(strcmp(lines.last, "last words") == 0, "the last line is known even if it was dropped");
	lines_free(&lines);
}

static int told_of(long most, int count)
{
	struct lines lines = { .most = most };

	forget();
	for (int i = 0; i < count; i++)
		lines_take(&lines, "line\n", 5, 7000, tell, NULL);
	lines_free(&lines);
	return told_count;
}

static void check_other_rates(void)
{
	struct lines lines = { .most = 2 };

	ok(told_of(3, 10) == 3, "the rate may be another one");
	ok(told_of(-1, 5000) == 5000, "or none");
	for (int i = 0; i < 5; i++)
		lines_take(&lines, "line\n", 5, 7000, tell, NULL);
	forget();
	lines_tell_dropped(&lines, tell, NULL);
	ok(strcmp(told, "(3 lines dropped)|") == 0, "what was dropped is told when somebody asks");
	lines_tell_dropped(&lines, tell, NULL);
	ok(told_count == 1, "once");
	lines_free(&lines);
}

static void check_last(void)
{
	struct lines lines = { .text = NULL };
	char text[400];

	memset(text, 'y', sizeof text);
	text[sizeof text - 1] = '\n';
	lines_take(&lines, "first\nsecond\n\n", 14, 0, tell, NULL);
	ok(strcmp(lines.last, "second") == 0, "the last line is the last that says something");
	lines_take(&lines, text, sizeof text, 0, tell, NULL);
	ok(strlen(lines.last) == sizeof lines.last - 1, "of a long one its beginning is kept");
	lines_free(&lines);
}

int main(void)
{
	is("", "", "nothing is nothing");
	is("one\ntwo\n", "one|two|", "a line ends at its newline");
	is("one\r\ntwo\r\n", "one|two|", "a carriage return before it belongs to the end");
	is("one\n\n\r\ntwo\n", "one|two|", "empty lines are not told");
	is("one\ntwo", "one|two|", "a last line may have no end");
	is("a\tb\033[31m\001\177c\rd\n", "a\tb?[31m??c?d|", "control characters are replaced, tabs stay");
	is("gr\303\274n\n", "gr\303\274n|", "other letters stay");
	check_sanitize();
	check_length();
	check_breaks();
	check_rate();
	check_other_rates();
	check_last();
	return tap_done();
}
