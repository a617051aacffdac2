#include <config.h>

#include "warm.h"

#include "children.h"
#include "compat.h"
#include "environment.h"
#include "loop.h"
#include "report.h"
#include "rlimits.h"
#include "wrapper/warm-driver.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* CLONE_PARENT, of <linux/sched.h>. */
#define AS_SIBLING 0x8000

enum {
	MESSAGE_MOST = 160 * 1024, /* as long a message as sockets take */
	SCRIPT_MOST = 1024 * 1024,
	HEAD_SIZE = 256, /* what the system reads of a "#!" line */
	DESCRIPTORS = 5, /* input, output, errors, script, directory */
	/* milliseconds */
	LOAD_TIMEOUT = 60000,
	ANSWER_TIMEOUT = 2000
};

/*
 * The interpreter is told in its environment what to do before its main program,
 * which it is to read from descriptor 3; see warm.pl. "5;" asks for a version: -M
 * wants something to begin with, and that has no effect on the script. Behind the
 * descriptor stands what perl calls the program where it does not heed "#line".
 */
#define DRIVER "FCGIWRAP_TEMPLATE"
static char preamble[] = "-M5;BEGIN{eval delete $ENV{" DRIVER "} or die}";
static char main_program[] = "/dev/fd/3/the script";

struct template {
	const char *rule;
	char *interpreter, *modules;
	struct watch talk; /* none: there is no process */
	pid_t pid;
	bool ready;
	bool complained; /* since it was of use last */
	int64_t started, pause, rests_until;
	struct deadline load;
};

static struct template *templates;
static size_t count;
static char *const *environment; /* of templates */
static int null;

/* The rules. */

static bool is_module_list(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	while (*text && strchr(letters, *text)) {
		text += strspn(text, letters);
		text += strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
		if (!*text)
			return true;
		if (strncmp(text, "::", 2) == 0)
			text += 2;
		else if (*text == ',')
			text++;
	}
	return false;
}

static struct template *template_of(const char *interpreter)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(templates[i].interpreter, interpreter) == 0)
			return &templates[i];
	return NULL;
}

static bool add(const char *rule)
{
	const char *modules = strchr(rule, '=');
	struct template *t = &templates[count];

	if (rule[0] != '/' || !modules || !is_module_list(modules + 1)) {
		report("--warm wants PERL=MODULE[,MODULE...], with the path of a perl, not \"%s\"", rule);
		return false;
	}
	*t = (struct template){ .rule = rule, .talk = WATCH_NONE };
	t->interpreter = strndup(rule, (size_t)(modules - rule));
	t->modules = strdup(modules + 1);
	if (!t->interpreter || !t->modules || access(t->interpreter, X_OK) < 0) {
		report("--warm %s: %s", rule, strerror(errno));
		return false;
	}
	if (!strstr(strrchr(t->interpreter, '/'), "perl")) {
		report("--warm %s: is not a perl, and only that can be warm", rule);
		return false;
	}
	if (template_of(t->interpreter)) {
		report("--warm %s: this interpreter has modules already (name all of them at once)",
		       rule);
		return false;
	}
	count++;
	return true;
}

bool warm_open(const struct option_list *rules)
{
	if (rules->count > 0 && !(templates = calloc(rules->count, sizeof *templates))) {
		report("--warm: %s", strerror(errno));
		return false;
	}
	for (size_t i = 0; i < rules->count; i++)
		if (!add(rules->texts[i]))
			return false;
	return true;
}

/* Templates. */

/* The end of a template will be noticed along with those of the scripts, and may have been: then
 * its number may belong to somebody else, but to no child of ours. */
static void kill_template(const struct template *t)
{
	siginfo_t info;

	if (waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		kill(t->pid, SIGKILL);
}

/* One that was of no use will be tried again later each time. */
static void give_up(struct template *t, const char *why)
{
	t->pause = child_pause(t->pause, t->ready ? loop_now() - t->started : 0);
	t->rests_until = loop_now() + t->pause;
	if (!t->complained)
		report("--warm %s: %s; scripts are started cold until that is mended", t->rule, why);
	t->complained = true;
	t->ready = false;
	deadline_clear(&t->load);
	loop_close(&t->talk);
}

static void on_talk(struct watch *watch, unsigned events)
{
	struct template *t = LOOP_OWNER(watch, struct template, talk);
	char said[16];
	ssize_t n = recv(watch->fd, said, sizeof said, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		give_up(t, t->ready ? "the template has died"
				    : "the interpreter ended while it loaded the modules");
		return;
	}
	t->ready = true;
	deadline_clear(&t->load);
}

static void on_load_end(struct deadline *d)
{
	struct template *t = LOOP_OWNER(d, struct template, load);

	kill_template(t);
	give_up(t, "the modules were not loaded within a minute");
}

/* In hexadecimal digits, since a perl may lack integers of that size. */
static void write_cpu_limit(char *out, size_t size)
{
	uint64_t limit[2];
	const unsigned char *bytes = (const unsigned char *)limit;

	*out = '\0';
	if (!rlimits_cpu(&limit[0], &limit[1]))
		return;
	for (size_t i = 0; i < sizeof limit && 2 * i + 2 < size; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* What warm.pl takes from its arguments. */
static pid_t run_template(struct template *t, const int *descriptors, int size)
{
	char numbers[128], worker[24], cpu[40], most[24], flags[24];
	char *const arguments[] = { t->interpreter, preamble, main_program, numbers, worker, cpu,
				    most, flags, t->modules, NULL };

	snprintf(numbers, sizeof numbers, "%ld,%ld,%ld,%ld,%ld,%ld,%ld,%ld,%ld", (long)SYS_clone,
		 (long)SYS_close, (long)SYS_dup3, (long)SYS_fchdir, (long)SYS_prctl,
		 (long)SYS_prlimit64, (long)SYS_recvmsg, (long)SYS_setsid, (long)SYS_write);
	snprintf(worker, sizeof worker, "%ld", (long)getpid());
	write_cpu_limit(cpu, sizeof cpu);
	snprintf(most, sizeof most, "%d", MESSAGE_MOST);
	snprintf(flags, sizeof flags, "%d", AS_SIBLING | SIGCHLD);
	return launch_helper(arguments, environment, descriptors, size);
}

/* What a module says when it is loaded is for the log, but once is enough. */
static bool start_template(struct template *t)
{
	int ends[2];
	int log = t->complained ? null : STDERR_FILENO;
	bool watched;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	t->started = loop_now();
	t->pid = run_template(t, (int[]){ null, log, log, null, ends[1] }, DESCRIPTORS);
	close(ends[1]);
	watched = t->pid > 0 && loop_watch(&t->talk, ends[0], LOOP_READ, on_talk);
	if (watched)
		deadline_set(&t->load, LOAD_TIMEOUT, on_load_end);
	else
		close(ends[0]);
	return watched;
}

static void try_template(struct template *t)
{
	char why[128];

	if (start_template(t))
		return;
	snprintf(why, sizeof why, "cannot be started: %s", strerror(errno));
	give_up(t, why);
}

static bool make_environment(struct environment *e, const struct settings *settings)
{
	return environment_make(e, NULL, 0) && environment_add_own(e, settings) &&
	       environment_set(e, DRIVER, warm_driver);
}

void warm_start_templates(const struct settings *settings)
{
	static struct environment own;

	if (count == 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || !make_environment(&own, settings)) {
		report("--warm: %s; scripts are started cold", strerror(errno));
		count = 0;
		return;
	}
	environment = own.variables;
	for (size_t i = 0; i < count; i++)
		try_template(&templates[i]);
}

/* Scripts. */

/* If the script's first line asks for nothing but an interpreter, and perhaps for
 * warnings, or names none: that interpreter, "" for none. Cuts the line. */
static const char *plain_interpreter(char *head)
{
	char *name, *rest;

	/* Another encoding may begin here. */
	if (strncmp(head, "#!", 2) != 0)
		return head[0] > 0 && head[1] > 0 && head[0] < 127 && head[1] < 127 ? "" : NULL;
	rest = strchr(head, '\n');
	if (!rest)
		return NULL;
	*rest = '\0';
	name = head + 2 + strspn(head + 2, " \t");
	rest = name + strcspn(name, " \t");
	if (*rest)
		*rest++ = '\0';
	rest += strspn(rest, " \t");
	if (strncmp(rest, "-w", 2) == 0)
		rest += 2;
	return rest[strspn(rest, " \t")] ? NULL : name;
}

static struct template *choose_template(const struct launch_plan *plan, char *head)
{
	const char *name = plain_interpreter(head);

	if (!name || (*name && plan->interpreter && strcmp(name, plan->interpreter) != 0))
		return NULL;
	return template_of(plan->interpreter ? plan->interpreter : name);
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	for (ssize_t n; size > 0; bytes += n, size -= (size_t)n)
		if ((n = write(fd, bytes, size)) <= 0)
			return false;
	return true;
}

/* The rest of the script, behind what has been read of it. */
static bool copy_rest(int from, int to)
{
	char bytes[16 * 1024];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(from, bytes, sizeof bytes)) > 0 && sum < SCRIPT_MOST) {
		sum += (size_t)n;
		if (!write_all(to, bytes, (size_t)n))
			return false;
	}
	return n == 0;
}

/*
 * What the interpreter is to read: the script behind a line that tells its name,
 * since otherwise perl would call it /dev/fd/3. -1 if it cannot be told.
 */
static int make_program(const char *name, const char *head, size_t size, int script)
{
	char line[4200];
	int length = snprintf(line, sizeof line, "#line 1 \"%s\"\n", name);
	int fd;

	for (const char *c = name; *c; c++)
		if (*c == '"' || (*c > 0 && *c < ' ') || *c == 127)
			return -1;
	if (length >= (int)sizeof line || (fd = memfd_create("script", MFD_CLOEXEC)) < 0)
		return -1;
	if (write_all(fd, line, (size_t)length) && write_all(fd, head, size) &&
	    copy_rest(script, fd) && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Finds out whether the script can be warm: its template and what it is to read. */
static struct template *examine(const struct launch_plan *plan, const char *name, int *program)
{
	char head[HEAD_SIZE + 1], line[HEAD_SIZE + 1];
	int from = plan->home >= 0 ? plan->home : AT_FDCWD;
	int script = openat(from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
				(plan->home >= 0 ? O_NOFOLLOW : 0));
	ssize_t n = script < 0 ? -1 : read(script, head, HEAD_SIZE);
	struct template *t = NULL;

	if (n > 0) {
		head[n] = '\0';
		strcpy(line, head);
		t = choose_template(plan, line);
	}
	if (t && t->talk.fd < 0 && loop_now() >= t->rests_until)
		try_template(t);
	*program = t && t->ready ? make_program(name, head, (size_t)n, script) : -1;
	if (script >= 0)
		close(script);
	return *program < 0 ? NULL : t;
}

/* Where the script is to run: -1 if it stays. False if it cannot. */
static bool open_directory(const struct launch_plan *plan, int *out)
{
	char path[4200];

	*out = plan->home;
	if (plan->home >= 0 || !plan->directory)
		return true;
	/* The last component, too, must be one that may be searched. */
	if (snprintf(path, sizeof path, "%s/.", plan->directory) >= (int)sizeof path)
		return false;
	*out = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *out >= 0;
}

/* The name of the script and its environment, each with its NUL. 0: too long. */
static size_t write_message(char *out, const char *name, char *const *variables)
{
	size_t size = 0;

	for (const char *text = name; text; text = *variables++) {
		size_t length = strlen(text) + 1;

		if (length > MESSAGE_MOST - size)
			return 0;
		memcpy(out + size, text, length);
		size += length;
	}
	return size;
}

static bool tell(const struct template *t, char *message, size_t size, const int *descriptors,
		 size_t number)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
	} beside = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec place = { .iov_base = message, .iov_len = size };
	struct msghdr all = { .msg_iov = &place, .msg_iovlen = 1, .msg_control = &beside,
			      .msg_controllen = CMSG_SPACE(number * sizeof(int)) };

	beside.head.cmsg_len = CMSG_LEN(number * sizeof(int));
	memcpy(CMSG_DATA(&beside.head), descriptors, number * sizeof(int));
	return sendmsg(t->talk.fd, &all, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

/* The process, or a negative error number, or 0: nothing. */
static pid_t take_answer(const struct template *t)
{
	char answer[24];
	ssize_t n = recv(t->talk.fd, answer, sizeof answer - 1, MSG_DONTWAIT);

	if (n <= 0)
		return 0;
	answer[n] = '\0';
	return (pid_t)strtol(answer, NULL, 10);
}

static void succeed(struct template *t)
{
	if (t->complained)
		report("--warm %s: scripts are started warm again", t->rule);
	t->complained = false;
}

/* Where processes are short, the usual way will say so. */
static void fail(struct template *t, int error)
{
	char why[128];

	if (error == EAGAIN || error == ENOMEM)
		return;
	t->ready = false;
	snprintf(why, sizeof why, "a script cannot be forked: %s", strerror(error));
	give_up(t, why);
}

/*
 * The new process itself answers, before it turns to the script, and ends if it
 * cannot: so when no answer can come any more and none has, nothing has run.
 */
static pid_t hear(struct template *t)
{
	struct pollfd answer = { .fd = t->talk.fd, .events = POLLIN };
	int ready;
	pid_t pid;

	while ((ready = poll(&answer, 1, ANSWER_TIMEOUT)) < 0 && errno == EINTR)
		;
	if (ready <= 0) {
		kill_template(t);
		shutdown(t->talk.fd, SHUT_RD);
	}
	pid = take_answer(t);
	if (ready <= 0) {
		t->ready = false;
		give_up(t, "the template does not answer");
	} else if (pid < 0) {
		fail(t, -pid);
	} else if (pid > 0) {
		succeed(t);
	}
	return pid > 0 ? pid : 0;
}

static pid_t start_by(struct template *t, const struct launch_plan *plan, const char *name,
		      const int *descriptors, size_t number)
{
	static char message[MESSAGE_MOST];
	size_t size = write_message(message, name, plan->environment);

	return size > 0 && tell(t, message, size, descriptors, number) ? hear(t) : 0;
}

pid_t warm_start(const struct launch_plan *plan, const int *its)
{
	char here[LAUNCH_NAME_SIZE];
	const char *name;
	struct template *t;
	int program, directory;
	pid_t pid = 0;

	if (count == 0)
		return 0;
	name = launch_name(plan, here);
	t = examine(plan, name, &program);
	if (!t)
		return 0;
	if (open_directory(plan, &directory))
		pid = start_by(t, plan, name, (int[]){ its[0], its[1], its[2], program, directory },
			       directory < 0 ? DESCRIPTORS - 1 : DESCRIPTORS);
	if (directory >= 0 && directory != plan->home)
		close(directory);
	close(program);
	return pid;
}
