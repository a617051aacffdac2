/* Starts from templates that behave well, and from others. */
#include <config.h>

#include "../wrapper/launch.h"
#include "../wrapper/template.h"
#include "../wrapper/warm-language.h"
#include "compat.h"
#include "loop.h"
#include "report.h"
#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum {
	CLONE_AS_SIBLING = 0x8000, /* CLONE_PARENT */
	THREADS = 4,
	STARTS = 30,
	MANY = 170 * 1024
};

/* The template: a process that talks like one, but runs no interpreter. */

enum conduct {
	HONEST,
	REVERSED,    /* takes two orders, and runs the second first */
	TO_STRANGER, /* new processes are no children of the worker */
	OUT_OF_GROUP,
	DIES,
	IGNORES,
	DAWDLES,     /* longer than anybody waits */
	FAILS,       /* to prepare a process, for want of descriptors */
	CANNOT_FORK  /* for want of processes */
};

static enum conduct conduct;

/* Of a message: its text, and the first two descriptors, as that of a start's socket or
 * of standard output. */
struct taken {
	char text[256];
	int descriptors[5];
};

static void take(int socket, struct taken *m)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof m->descriptors)];
	} beside;
	struct iovec text = { .iov_base = m->text, .iov_len = sizeof m->text };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &beside,
				  .msg_controllen = sizeof beside };

	if (recvmsg(socket, &message, 0) <= 0)
		_exit(0);
	memcpy(m->descriptors, CMSG_DATA(&beside.head), beside.head.cmsg_len - CMSG_LEN(0));
}

static void say(int socket, const char *text)
{
	if (send(socket, text, strlen(text), MSG_NOSIGNAL) < 0)
		_exit(1);
}

/* The "script" writes its name. */
static void run_script(int answer, pid_t group)
{
	struct taken task;
	char number[24];

	if (group && setpgid(0, group) < 0)
		_exit(1);
	snprintf(number, sizeof number, "%ld", (long)getpid());
	say(answer, number);
	take(answer, &task);
	if (conduct == DAWDLES)
		sleep(3);
	say(answer, conduct == FAILS ? "-24" : "0");
	_exit(conduct == FAILS || write(task.descriptors[1], task.text, strlen(task.text)) < 0);
}

static void obey(const struct taken *order)
{
	unsigned long flags = conduct == TO_STRANGER ? SIGCHLD : CLONE_AS_SIBLING | SIGCHLD;
	int answer = order->descriptors[0];

	if (conduct == DIES)
		_exit(0);
	if (conduct == CANNOT_FORK)
		say(answer, "-11");
	else if (syscall(SYS_clone, flags, 0, 0, 0, 0) == 0)
		run_script(answer, conduct == OUT_OF_GROUP ? 0 : (pid_t)atol(order->text));
	close(answer);
}

static void be_template(int talk)
{
	struct taken first, second;

	say(talk, "ready");
	for (;;) {
		take(talk, &first);
		if (conduct == IGNORES)
			continue;
		if (conduct == REVERSED) {
			take(talk, &second);
			obey(&second);
		}
		obey(&first);
	}
}

pid_t launch_helper(char *const *arguments, char *const *environment, const int *descriptors,
		    int count)
{
	pid_t pid = fork();

	(void)arguments, (void)environment;
	if (pid == 0) {
		int talk = dup(descriptors[count - 1]);

		/* Only the socket is left open. */
		setpgid(0, 0);
		for (int fd = 3; fd < 100; fd++)
			if (fd != talk)
				close(fd);
		be_template(talk);
	}
	return pid;
}

/* The worker. */

static char *no_words[] = { NULL };
static const struct warm_language language = { .arguments = no_words };
static struct template t = {
	.rule = "/perl=A", .language = &language, .interpreter = (char *)(size_t)"/perl",
	.modules = (char *)(size_t)"A", .environment = no_words, .talk = { .fd = -1 }
};
static char last_report[512];

static void keep_report(const struct report_message *message)
{
	snprintf(last_report, sizeof last_report, "%.*s", (int)message->size, message->text);
}

static struct deadline turn, end;
static bool (*until)(void);
static bool came;

static void on_turn(struct deadline *d)
{
	deadline_set(d, 5, on_turn);
}

static void on_end(struct deadline *d)
{
	(void)d;
	loop_stop();
}

static void after_turn(void)
{
	template_tick(&t);
	came = until();
	if (came)
		loop_stop();
}

static bool run_until(bool (*condition)(void))
{
	until = condition;
	deadline_set(&turn, 1, on_turn);
	deadline_set(&end, 10000, on_end);
	loop_after_turn(after_turn);
	loop_run();
	deadline_clear(&turn);
	deadline_clear(&end);
	return came;
}

static bool is_ready(void)
{
	return template_is_ready(&t);
}

static bool has_none(void)
{
	return t.pid == 0;
}

/* Has the present process replaced by one that behaves like that. */
static void begin(enum conduct wanted)
{
	conduct = wanted;
	last_report[0] = '\0';
	if (t.pid > 0) {
		kill(t.pid, SIGKILL);
		run_until(has_none);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	t.complained = false;
	t.pause = t.rests_until = 0;
	if (!run_until(is_ready))
		printf("# the template is not ready: %s\n", last_report);
	last_report[0] = '\0';
}

static int64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A start: how it went, and what came out of the script. */
struct start {
	char name[32];
	pid_t group, pid;
	int64_t took;
	char said[64];
	bool whole; /* the process has joined the group, and the script has run once */
};

static pid_t open_group(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		_exit(0);
	}
	setpgid(pid, pid);
	return pid;
}

static char *const little[] = { (char *)(size_t)"A=1", NULL };
static char *const *variables = little;

static void *run(void *context)
{
	struct start *s = context;
	int ends[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct template_task task = { .name = s->name, .environment = variables, .directory = -1,
					.source = null };
	size_t size = 0;
	ssize_t n;

	if (!s->group)
		s->group = open_group();
	task.group = s->group;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	task.descriptors = (int[]){ null, ends[1], null };
	s->took = clock_now();
	s->pid = template_run(&t, &task);
	s->took = clock_now() - s->took;
	close(ends[1]);
	close(null);
	while ((n = read(ends[0], s->said + size, sizeof s->said - 1 - size)) > 0)
		size += (size_t)n;
	s->said[size] = '\0';
	close(ends[0]);
	s->whole = s->pid > 0 && strcmp(s->said, s->name) == 0 && waitpid(s->pid, NULL, 0) == s->pid;
	waitpid(s->group, NULL, 0);
	return NULL;
}

static struct start start(const char *name)
{
	struct start s = { .pid = -1 };

	snprintf(s.name, sizeof s.name, "%s", name);
	run(&s);
	return s;
}

/* Nothing has run, and the cold start may. */
static bool is_refused(const struct start *s)
{
	return s->pid == 0 && s->said[0] == '\0';
}

static void test_starts(void)
{
	struct start s;

	begin(HONEST);
	s = start("script");
	ok(s.whole, "a script runs, as a child of ours");
	s = (struct start){ .name = "astray", .group = open_group() };
	waitpid(s.group, NULL, 0);
	run(&s);
	ok(is_refused(&s), "no script runs outside of its process group");
	ok(run_until(has_none) && strstr(last_report, "before its script began"),
	   "and that is reported: %s", last_report);
}

static void *run_many(void *context)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int number;
	int *failures = context;

	for (int i = 0; i < STARTS; i++) {
		struct start s = { .pid = -1 };

		pthread_mutex_lock(&lock);
		snprintf(s.name, sizeof s.name, "script %d", number++);
		pthread_mutex_unlock(&lock);
		run(&s);
		*failures += !s.whole;
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[THREADS];
	int failures[THREADS] = { 0 }, sum = 0;
	struct start two[2] = { { .name = "first" }, { .name = "second" } };

	begin(HONEST);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run_many, &failures[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += failures[i];
	}
	ok(sum == 0, "starts from several threads each have their own script");

	begin(REVERSED);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, run, &two[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ok(two[0].whole && two[1].whole, "answers in another order reach the right start");
}

static void test_answers(void)
{
	struct start s;

	begin(TO_STRANGER);
	s = start("stranger");
	ok(is_refused(&s), "an answer of a process that is no child of ours is not believed");
	ok(run_until(has_none) && strstr(last_report, "not a new child"), "and reported: %s",
	   last_report);

	begin(OUT_OF_GROUP);
	s = start("outside");
	ok(is_refused(&s), "nor one of a child that has not joined the group");

	begin(DIES);
	s = start("orphan");
	ok(is_refused(&s) && s.took < 1000, "the death of a template is seen at once");
	ok(run_until(has_none) && strstr(last_report, "has died"), "and reported: %s", last_report);

	begin(FAILS);
	s = start("no room");
	ok(is_refused(&s) && run_until(has_none) && strstr(last_report, "cannot be started: "),
	   "a template whose processes lack something is replaced: %s", last_report);

	begin(CANNOT_FORK);
	s = start("no process");
	template_tick(&t);
	ok(is_refused(&s) && t.pid > 0 && !last_report[0], "but not if processes are short");
}

static void test_size(void)
{
	static char many[MANY] = "LONG=";
	char *const much[] = { many, NULL };
	struct start s;

	begin(HONEST);
	memset(many + 5, 'x', sizeof many - 6);
	variables = much;
	s = start("long");
	variables = little;
	ok(is_refused(&s), "too many variables are refused");
	template_tick(&t);
	s = start("short");
	ok(s.whole, "and the template can be used further");
}

static void test_stuck(void)
{
	struct start waiting[THREADS] = { { .pid = 0 } }, s;
	pthread_t threads[THREADS];
	int slow = 0, refused = 0;
	pid_t stuck;

	begin(IGNORES);
	stuck = t.pid;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, run, &waiting[i]);
	for (int i = 0; i < 1500 && template_is_ready(&t); i++)
		usleep(1000);
	s = start("later");
	ok(is_refused(&s) && s.took < 150, "who comes later does not wait for a stuck template");
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		slow += waiting[i].took > 1500;
		refused += is_refused(&waiting[i]) && waiting[i].took < 4000;
	}
	ok(slow == 1, "of those that are there only one waits for two seconds (%d)", slow);
	ok(refused == THREADS, "and all can be started cold");
	ok(!template_is_ready(&t), "nobody waits for it again");
	ok(run_until(has_none) && strstr(last_report, "does not answer"), "it is reported: %s",
	   last_report);
	ok(waitpid(stuck, NULL, 0) == stuck, "and ended");

	begin(DAWDLES);
	s = start("too late");
	ok(is_refused(&s), "a process that comes too late does not run its script");
}

int main(void)
{
	report_to(keep_report);
	if (!loop_open() || !template_open())
		return 99;
	test_starts();
	test_threads();
	test_answers();
	test_size();
	test_stuck();
	begin(HONEST);
	kill(t.pid, SIGKILL);
	return tap_done();
}
