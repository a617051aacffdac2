/* Descriptions of processes that take long. */
#include <config.h>

#include "tap.h"

#include "../common/describer.h"
#include "../common/loop.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 20000, MANY = 10 };

static char said[PORTRAIT_SIZE];
static int told, wanted;
static struct deadline end;

static void on_done(void *owner, const char *lines)
{
	snprintf(said, sizeof said, "%s", lines ? lines : "(nothing)");
	*(int *)owner += 1;
	if (told == wanted)
		loop_stop();
}

static void on_end(struct deadline *d)
{
	(void)d;
	loop_stop();
}

/* True if that many have been told within a generous time. */
static bool are_told(int count)
{
	wanted = count;
	deadline_set(&end, PATIENCE, on_end);
	if (told < wanted)
		loop_run();
	deadline_clear(&end);
	return told == wanted;
}

/* A child that sleeps, and whose command line is that of sleep(1). */
static pid_t start(const char *seconds)
{
	pid_t child = fork();

	if (child == 0) {
		execlp("sleep", "sleep", seconds, (char *)NULL);
		_exit(127);
	}
	return child;
}

static void is_asleep(pid_t child)
{
	char out[PORTRAIT_SIZE];

	/* Until it has been executed, and sleeps; where nothing is shown, at once. */
	for (int i = 0; i < 1000 && portrait_draw(getpid(), NULL, out) && !(portrait_draw(child, NULL, out) && strstr(out, "sleep 1234") &&
				      strstr(out, " sleeps")); i++)
		usleep(10000);
}

static void finish(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void describes(void)
{
	char line[64];
	pid_t child = start("1234");

	is_asleep(child);
	ok(describer_ask(child, on_done, &told), "a description is asked for");
	ok(are_told(1), "and told by the loop");
	if (strcmp(said, "(nothing)") == 0) {
		finish(child);
		return; /* this system shows nothing */
	}
	ok(strstr(said, "command sleep 1234\n"), "it has the command line");
	snprintf(line, sizeof line, "process %ld (sleep) sleeps", (long)child);
	ok(strstr(said, line), "the process and its state");
	ok(strstr(said, "nanosleep") || getuid() != 0, "what it waits in");
	ok(strstr(said, " s of processor time, "), "and what it has used");
	finish(child);
}

static void children(void)
{
	char line[64], out[PORTRAIT_SIZE];
	pid_t child = start("1234"), many_children[MANY];
	bool here;

	is_asleep(child);
	here = portrait_draw(getpid(), NULL, out);
	snprintf(line, sizeof line, "its child %ld (sleep) ", (long)child);
	ok(!here || strstr(out, line), "children are described, too");
	finish(child);
	for (int i = 0; i < MANY; i++)
		many_children[i] = start("1234");
	here = portrait_draw(getpid(), NULL, out);
	ok(!here || strstr(out, "and 2 more children\n"), "of many only some");
	for (int i = 0; i < MANY; i++)
		finish(many_children[i]);
}

static void gone(void)
{
	char out[PORTRAIT_SIZE];
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	ok(!portrait_draw(child, NULL, out) && out[0] == '\0', "of a process that is gone nothing is said");
	told = 0;
	ok(describer_ask(child, on_done, &told) && are_told(1) && strcmp(said, "(nothing)") == 0,
	   "and that is told");
}

static void many(void)
{
	struct description *last;
	int asked = 0, nobody = 0;

	told = 0;
	/* Those before counted in this second, perhaps. */
	while (asked < 100 && (last = describer_ask(getpid(), on_done, &told)))
		asked++;
	ok(asked <= DESCRIBER_IN_SECOND_MOST, "in a second no more than %d are made, not %d",
	   DESCRIBER_IN_SECOND_MOST, asked);
	ok(are_told(asked), "all that were asked for are told");
	while (!(last = describer_ask(getpid(), on_done, &nobody))) {
		wanted = -1;
		deadline_set(&end, 100, on_end);
		loop_run();
	}
	describer_forget(last);
	told = 0;
	ok(describer_ask(getpid(), on_done, &told) && are_told(1) && nobody == 0,
	   "nobody is told who has forgotten it");
}

int main(void)
{
	if (!loop_open())
		return 99;
	describer_open(NULL);
	describes();
	children();
	gone();
	many();
	return tap_done();
}
