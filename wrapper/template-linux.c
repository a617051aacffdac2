#include <config.h>

#include "template.h"

#include "children.h"
#include "compat.h"
#include "launch.h"
#include "report.h"
#include "rlimits.h"
#include "warm-language.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* CLONE_PARENT, of <linux/sched.h>. */
#define AS_SIBLING 0x8000

enum {
	TASK_MOST = 160 * 1024, /* fits one message of the socket */
	TASK_DESCRIPTORS = 5,
	ARGUMENTS = 12,
	/* milliseconds */
	LOAD_TIMEOUT = 60000,
	ANSWER_LATE = 250, /* many times the usual wait */
	ANSWER_TIMEOUT = 2000
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* never held while waiting */
static int devnull_fd = -1;
static bool complained_source; /* guarded by lock */

bool template_is_native(const char *interpreter)
{
	unsigned char head[EI_CLASS + 1];
	int fd = open(interpreter, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head);

	if (fd >= 0)
		close(fd);
	if (n != sizeof head || memcmp(head, ELFMAG, SELFMAG) != 0)
		return true;
	return head[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32);
}

bool template_open(void)
{
	devnull_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return devnull_fd >= 0;
}

/* The process. */

/* on_child() of process.c may have reaped the template, and its number may be in use again:
 * kill only a child of this process. */
static void template_kill(const struct template *t)
{
	siginfo_t info;

	if (t->pid > 0 && waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		kill(t->pid, SIGKILL);
}

/* Each early end lengthens the pause before the next start. */
static void template_retire(struct template *t, const char *why, int64_t lived)
{
	t->pause = child_pause(t->pause, lived);
	t->rests_until = loop_now() + t->pause;
	if (!t->complained)
		report("--warm %s: %s; scripts are started cold until that is mended", t->rule, why);
	t->complained = true;
	template_kill(t);
	pthread_mutex_lock(&lock);
	t->pid = 0;
	t->ready = false;
	t->late = false;
	t->failure = NULL;
	pthread_mutex_unlock(&lock);
	deadline_clear(&t->load);
	loop_close(&t->talk);
}

static void on_talk(struct watch *watch, unsigned events)
{
	struct template *t = LOOP_OWNER(watch, struct template, talk);
	char text[16];
	ssize_t n = recv(watch->fd, text, sizeof text, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 && t->ready) {
		template_retire(t, "the template has died", loop_now() - t->started);
	} else if (n <= 0) {
		template_retire(t, "the interpreter ended while it loaded the modules", 0);
	} else {
		pthread_mutex_lock(&lock);
		t->ready = true;
		pthread_mutex_unlock(&lock);
		deadline_clear(&t->load);
	}
}

static void on_load_end(struct deadline *d)
{
	template_retire(LOOP_OWNER(d, struct template, load),
			"the modules were not loaded within a minute", 0);
}

/* Hexadecimal, since an interpreter may lack 64-bit integers. Empty without a limit. */
static void write_cpu_limit(char *out, size_t size)
{
	uint64_t limit[2] = { 0 };
	const unsigned char *bytes = (const unsigned char *)limit;

	*out = '\0';
	if (!rlimits_cpu(&limit[0], &limit[1]))
		return;
	for (size_t i = 0; i < sizeof limit && 2 * i + 2 < size; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static pid_t run_interpreter(struct template *t, const int *descriptors, int size)
{
	char numbers[128], worker[24], cpu[40], most[24], flags[24];
	char *const facts[] = { numbers, worker, cpu, most, flags, t->modules };
	char *arguments[ARGUMENTS] = { t->interpreter };
	size_t n = 1;

	snprintf(numbers, sizeof numbers, "%ld,%ld,%ld,%ld,%ld,%ld,%ld,%ld,%ld", (long)SYS_clone,
		 (long)SYS_close, (long)SYS_dup3, (long)SYS_fchdir, (long)SYS_prctl,
		 (long)SYS_prlimit64, (long)SYS_recvmsg, (long)SYS_setpgid, (long)SYS_write);
	snprintf(worker, sizeof worker, "%ld", (long)getpid());
	write_cpu_limit(cpu, sizeof cpu);
	snprintf(most, sizeof most, "%d", TASK_MOST);
	snprintf(flags, sizeof flags, "%d", AS_SIBLING | SIGCHLD);
	for (char *const *own = t->language->arguments; *own; own++)
		arguments[n++] = *own;
	memcpy(arguments + n, facts, sizeof facts);
	return launch_helper(arguments, t->environment, descriptors, size);
}

/* Output of loading modules goes to the log, but not again after a reported failure. */
static bool start_process(struct template *t)
{
	int ends[2];
	int log = t->complained ? devnull_fd : STDERR_FILENO;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	if (!loop_watch(&t->talk, ends[0], LOOP_READ, on_talk)) {
		close(ends[0]);
		close(ends[1]);
		return false;
	}
	pid = run_interpreter(t, (int[]){ devnull_fd, log, log, devnull_fd, ends[1] }, 5);
	close(ends[1]);
	pthread_mutex_lock(&lock);
	t->pid = pid > 0 ? pid : 0;
	t->wanted = false;
	pthread_mutex_unlock(&lock);
	return pid > 0;
}

void template_start(struct template *t)
{
	char why[128];

	t->started = loop_now();
	if (start_process(t)) {
		deadline_set(&t->load, LOAD_TIMEOUT, on_load_end);
	} else {
		snprintf(why, sizeof why, "cannot be started: %s", strerror(errno));
		template_retire(t, why, 0);
	}
}

bool template_is_loading(const struct template *t)
{
	return deadline_is_set(&t->load);
}

void template_tick(struct template *t)
{
	bool wanted, proven;
	const char *failure;
	char why[160];
	int error;

	pthread_mutex_lock(&lock);
	wanted = t->wanted;
	proven = t->proven;
	failure = t->failure;
	error = t->error;
	t->proven = false;
	pthread_mutex_unlock(&lock);
	if (proven && t->complained) {
		report(REPORT_NOTICE "--warm %s: scripts are started warm again", t->rule);
		t->complained = false;
	}
	/* If the template has died, on_talk() retires it with a better reason. */
	if (failure)
		on_talk(&t->talk, LOOP_READ);
	if (failure && t->talk.fd >= 0) {
		snprintf(why, sizeof why, "%s%s%s", failure, error ? ": " : "",
			 error ? strerror(error) : "");
		template_retire(t, why, 0);
	}
	if (wanted && t->talk.fd < 0 && loop_now() >= t->rests_until)
		template_start(t);
}

/* Starts, in any thread. */

static bool is_usable(const struct template *t)
{
	return t->ready && !t->late && !t->failure;
}

bool template_is_ready(struct template *t)
{
	bool ready;

	pthread_mutex_lock(&lock);
	if (!t->pid)
		t->wanted = true;
	ready = is_usable(t);
	pthread_mutex_unlock(&lock);
	return ready;
}

int template_source(void)
{
	int fd = memfd_create("script", MFD_CLOEXEC);
	bool first;

	if (fd >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS))
		return fd;
	pthread_mutex_lock(&lock);
	first = !complained_source;
	complained_source = true;
	pthread_mutex_unlock(&lock);
	if (first)
		report("--warm: memfd_create: %s; scripts are started cold", strerror(errno));
	return -1;
}

/* Returns the text, to be freed; NULL if longer than TASK_MOST, or without memory. */
static char *write_task(const struct template_task *task, size_t *size)
{
	char *text, *at;

	*size = strlen(task->name) + 1;
	for (char *const *v = task->environment; *v && *size <= TASK_MOST; v++)
		*size += strlen(*v) + 1;
	text = *size <= TASK_MOST ? malloc(*size) : NULL;
	if (!text)
		return NULL;
	at = stpcpy(text, task->name) + 1;
	for (char *const *v = task->environment; *v; v++)
		at = stpcpy(at, *v) + 1;
	return text;
}

/* Never blocks. False with errno. */
static bool send_message(int socket, char *text, size_t size, const int *descriptors, size_t count)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(TASK_DESCRIPTORS * sizeof(int))];
	} beside = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec part = { .iov_base = text, .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &beside,
				  .msg_controllen = CMSG_SPACE(count * sizeof(int)) };

	beside.head.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&beside.head), descriptors, count * sizeof(int));
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

static bool send_task(int socket, char *text, size_t size, const struct template_task *task)
{
	const int all[TASK_DESCRIPTORS] = { task->descriptors[0], task->descriptors[1],
					    task->descriptors[2], task->source, task->directory };

	return send_message(socket, text, size, all,
			    task->directory < 0 ? TASK_DESCRIPTORS - 1 : TASK_DESCRIPTORS);
}

/* A start ordered from a template, waiting for answers. */
struct start {
	struct template *t;
	pid_t template, group;
	int socket;
	int64_t end;     /* by clock_now() */
	bool first_late; /* set t->late, and so waits until end */
};

/* Returns the pid of the template that got the order; 0: none. t->talk stays open while the
 * lock is held and t is usable. */
static pid_t send_order(struct template *t, pid_t group, int answer)
{
	char text[24];
	size_t size = (size_t)snprintf(text, sizeof text, "%ld", (long)group) + 1;
	pid_t template = 0;

	pthread_mutex_lock(&lock);
	if (is_usable(t) && send_message(t->talk.fd, text, size, &answer, 1))
		template = t->pid;
	pthread_mutex_unlock(&lock);
	return template;
}

static int64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum heard {
	HEARD_NUMBER,
	HEARD_END,
	HEARD_NOTHING, /* until the time-out */
	HEARD_LATE     /* nothing within ANSWER_LATE, while another start waits on */
};

static enum heard hear_until(int socket, int64_t end, long *number)
{
	struct pollfd answer = { .fd = socket, .events = POLLIN };
	char text[24];
	int64_t left;
	ssize_t n;

	do
		left = end - clock_now();
	while (left > 0 && poll(&answer, 1, (int)left) < 0);
	n = recv(socket, text, sizeof text - 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return HEARD_NOTHING;
	if (n <= 0)
		return HEARD_END;
	text[n] = '\0';
	*number = strtol(text, NULL, 10);
	return HEARD_NUMBER;
}

static bool is_first_late(const struct start *s)
{
	bool first;

	pthread_mutex_lock(&lock);
	first = s->t->pid == s->template && !s->t->late;
	if (first)
		s->t->late = true;
	pthread_mutex_unlock(&lock);
	return first;
}

static enum heard hear(struct start *s, long *number)
{
	int64_t late = clock_now() + ANSWER_LATE;
	enum heard heard = hear_until(s->socket, late < s->end ? late : s->end, number);

	if (heard != HEARD_NOTHING)
		return heard;
	s->first_late = s->first_late || is_first_late(s);
	return s->first_late ? hear_until(s->socket, s->end, number) : HEARD_LATE;
}

/* Leaves a result for template_tick(), unless the template was replaced meanwhile. */
static void note_result(const struct start *s, bool proven, const char *failure, int error)
{
	struct template *t = s->t;

	pthread_mutex_lock(&lock);
	if (t->pid == s->template) {
		t->late = false;
		t->proven = t->proven || proven;
		if (failure && !t->failure) {
			t->failure = failure;
			t->error = error;
		}
	}
	pthread_mutex_unlock(&lock);
}

static void note_failure(const struct start *s, enum heard heard, long number)
{
	if (heard == HEARD_NOTHING)
		note_result(s, false, "the template does not answer", 0);
	else if (heard == HEARD_END)
		note_result(s, false, "a process ended before its script began", 0);
	else if (heard == HEARD_NUMBER && number >= 0)
		note_result(s, false, "an answer came from a process that is not a new child", 0);
	else if (heard == HEARD_NUMBER && number != -EAGAIN && number != -ENOMEM)
		note_result(s, false, "a script cannot be started", (int)-number);
	else if (heard == HEARD_NUMBER) /* a shortage, to be reported by the cold start */
		note_result(s, false, NULL, 0);
}

/* Any process with the template's socket can answer, but that makes it no child of ours. */
static bool is_new_child(long pid, pid_t group)
{
	siginfo_t info;

	return pid > 0 && pid == (pid_t)pid &&
	       waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       getpgid((pid_t)pid) == group;
}

/* The new process exits if its "0" cannot be sent: after shutdown(2), either the answer is
 * here or the script never runs. */
static bool await_begin(struct start *s)
{
	long number = -1;
	enum heard heard = hear(s, &number);

	if (heard == HEARD_NOTHING || heard == HEARD_LATE) {
		shutdown(s->socket, SHUT_RD);
		if (hear_until(s->socket, 0, &number) == HEARD_NUMBER)
			heard = HEARD_NUMBER;
	}
	if (heard == HEARD_NUMBER && number == 0)
		note_result(s, true, NULL, 0);
	else
		note_failure(s, heard, number);
	return heard == HEARD_NUMBER && number == 0;
}

static pid_t run_task(struct start *s, char *text, size_t size, const struct template_task *task)
{
	long number = 0;
	enum heard heard = hear(s, &number);

	if (heard != HEARD_NUMBER || !is_new_child(number, s->group)) {
		note_failure(s, heard, number);
		return 0;
	}
	if (send_task(s->socket, text, size, task))
		return await_begin(s) ? (pid_t)number : 0;
	if (errno == EPIPE || errno == ECONNRESET)
		note_failure(s, HEARD_END, 0);
	else /* socket buffer full, or too many descriptors in flight */
		note_result(s, false, NULL, 0);
	return 0;
}

pid_t template_run(struct template *t, const struct template_task *task)
{
	struct start s = { .t = t, .group = task->group, .end = clock_now() + ANSWER_TIMEOUT };
	size_t size;
	char *text = write_task(task, &size);
	int ends[2];
	pid_t pid = 0;

	if (text && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
		s.socket = ends[0];
		s.template = send_order(t, task->group, ends[1]);
		close(ends[1]);
		if (s.template > 0)
			pid = run_task(&s, text, size, task);
		close(ends[0]);
	}
	free(text);
	return pid;
}
