/* Ids of requests, and where their time went. */
#include <config.h>

#include "tap.h"

#include "../wrapper/tag.h"
#include "../wrapper/timing.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void usable(void)
{
	char longest[TAG_MOST + 2];

	ok(tag_is_usable("b3b1f0a4c1d24e0f9a0b6a4b2f1c0d9e"), "nginx's $request_id is usable");
	ok(tag_is_usable("Z2kvT38AAQEAAFHa@AAAAA-1_x") && tag_is_usable("Root=1-67891233-abc/d+e."),
	   "so are Apache's UNIQUE_ID and ids of load balancers");
	ok(!tag_is_usable(NULL) && !tag_is_usable(""), "none, or an empty one, is not");
	ok(!tag_is_usable("a b") && !tag_is_usable("a:b") && !tag_is_usable("a\nb") &&
	   !tag_is_usable("a\"b") && !tag_is_usable("\303\244"),
	   "nor is one with a character that a line of a log could be forged with");
	memset(longest, 'x', sizeof longest);
	longest[TAG_MOST] = '\0';
	ok(tag_is_usable(longest), "%d characters are", TAG_MOST);
	longest[TAG_MOST] = 'x';
	longest[TAG_MOST + 1] = '\0';
	ok(!tag_is_usable(longest), "more are not");
}

static void made(void)
{
	char first[TAG_MADE + 1], second[TAG_MADE + 1], childs[TAG_MADE + 1] = "";
	int ends[2];
	pid_t child;

	tag_make(first);
	tag_make(second);
	ok(strlen(first) == TAG_MADE && strspn(first, "0123456789abcdef") == TAG_MADE &&
	   tag_is_usable(first), "one that is made is usable");
	ok(strcmp(first, second) != 0, "no two are the same");
	if (pipe(ends) < 0)
		return;
	child = fork();
	if (child == 0) {
		tag_make(second);
		_exit(write(ends[1], second, TAG_MADE) != TAG_MADE);
	}
	ok(child > 0 && read(ends[0], childs, TAG_MADE) == TAG_MADE && waitpid(child, NULL, 0) == child,
	   "a child makes some, too");
	tag_make(second);
	ok(strncmp(childs, second, TAG_MADE / 2) != 0, "they are not those of its parent");
}

static void timings(void)
{
	char line[TIMING_SIZE];
	struct score s = { .begun = 100 };

	ok(strcmp(timing_line(&s, 150, line), "") == 0, "before there is a wait, there is no line");
	s.due = 150;
	ok(strcmp(timing_line(&s, 180, line), "Server-Timing: queue;dur=30\r\n") == 0,
	   "who waits has waited up to now");
	s.launched = 190;
	ok(strcmp(timing_line(&s, 195, line), "Server-Timing: queue;dur=40, start;dur=5\r\n") == 0,
	   "then the start takes time");
	s.started = 200;
	ok(strcmp(timing_line(&s, 1200, line),
		  "Server-Timing: queue;dur=40, start;dur=10, run;dur=1000\r\n") == 0,
	   "then the script");
	ok(strcmp(timing_line(&s, 199, line),
		  "Server-Timing: queue;dur=40, start;dur=10, run;dur=0\r\n") == 0,
	   "no time is negative");
	s = (struct score){ .due = 1, .launched = INT64_MAX / 2, .started = INT64_MAX };
	ok(strlen(timing_line(&s, INT64_MAX, line)) < TIMING_SIZE - 1 && strstr(line, "\r\n"),
	   "the longest line has room");
}

int main(void)
{
	usable();
	made();
	timings();
	return tap_done();
}
