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
	ORDER_MOST = 160 * 1024, /* as long a message as sockets take */
	ORDER_DESCRIPTORS = 6,
	ARGUMENTS = 12,
	/* milliseconds */
	LOAD_TIMEOUT = 60000,
	ANSWER_LATE = 250, /* many times what it takes */
	ANSWER_TIMEOUT = 2000
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held for moments only */
static int devnull_fd = -1;
static bool complained_source; /* with the lock */

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

/* Its end is noticed along with those of scripts, and may have been: then the number
 * may be another process's, but not that of a child of ours that we do not know. */
static void template_kill(const struct template *t)
{
	siginfo_t info;

	if (t->pid > 0 && waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		kill(t->pid, SIGKILL);
}

/* One that was of no use is tried again later each time. */
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

/* In hexadecimal digits, since an interpreter may lack integers of that size. */
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

static pid_t run_interpreter(struct template *t, const int *descriptors, int size)
{
	char numbers[128], worker[24], cpu[40], most[24], flags[24];
	char *const facts[] = { numbers, worker, cpu, most, flags, t->modules };
	char *arguments[ARGUMENTS] = { t->interpreter };
	size_t n = 1;

	snprintf(numbers, sizeof numbers, "%ld,%ld,%ld,%ld,%ld,%ld,%ld,%ld,%ld,%ld",
		 (long)SYS_clone, (long)SYS_close, (long)SYS_dup3, (long)SYS_fchdir,
		 (long)SYS_prctl, (long)SYS_prlimit64, (long)SYS_read, (long)SYS_recvmsg,
		 (long)SYS_setpgid, (long)SYS_write);
	snprintf(worker, sizeof worker, "%ld", (long)getpid());
	write_cpu_limit(cpu, sizeof cpu);
	snprintf(most, sizeof most, "%d", ORDER_MOST);
	snprintf(flags, sizeof flags, "%d", AS_SIBLING | SIGCHLD);
	for (char *const *own = t->language->arguments; *own; own++)
		arguments[n++] = *own;
	memcpy(arguments + n, facts, sizeof facts);
	return launch_helper(arguments, t->environment, descriptors, size);
}

/* What a module says when it is loaded is for the log, but once is enough. */
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
		report("--warm %s: scripts are started warm again", t->rule);
		t->complained = false;
	}
	/* A template that has died explains what else was found. */
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

bool template_is_ready(struct template *t)
{
	bool ready;

	pthread_mutex_lock(&lock);
	if (!t->pid)
		t->wanted = true;
	ready = t->ready && !t->late && !t->failure;
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

/* To be freed; NULL if it is too long, or there is no memory. */
static char *write_order(const struct template_order *order, size_t *size)
{
	char group[24];
	size_t length = (size_t)snprintf(group, sizeof group, "%ld", (long)order->group) + 1;
	char *text, *at;

	*size = length + strlen(order->name) + 1;
	for (char *const *v = order->environment; *v && *size <= ORDER_MOST; v++)
		*size += strlen(*v) + 1;
	text = *size <= ORDER_MOST ? malloc(*size) : NULL;
	if (!text)
		return NULL;
	memcpy(text, group, length);
	at = stpcpy(text + length, order->name) + 1;
	for (char *const *v = order->environment; *v; v++)
		at = stpcpy(at, *v) + 1;
	return text;
}

/*
 * Returns the process that has the order, or will have it; or 0. The loop does not
 * close the socket meanwhile, and sending does not wait.
 */
static pid_t send_order(struct template *t, const struct template_order *order, int answer)
{
	int all[ORDER_DESCRIPTORS] = { answer, order->descriptors[0], order->descriptors[1],
				       order->descriptors[2], order->source, order->directory };
	size_t size, number = order->directory < 0 ? ORDER_DESCRIPTORS - 1 : ORDER_DESCRIPTORS;
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof all)];
	} beside = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec text = { .iov_base = write_order(order, &size) };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &beside,
				  .msg_controllen = CMSG_SPACE(number * sizeof(int)) };
	pid_t pid = 0;

	if (!text.iov_base)
		return 0;
	text.iov_len = size;
	beside.head.cmsg_len = CMSG_LEN(number * sizeof(int));
	memcpy(CMSG_DATA(&beside.head), all, number * sizeof(int));
	pthread_mutex_lock(&lock);
	if (t->ready && !t->failure && sendmsg(t->talk.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		pid = t->pid;
	pthread_mutex_unlock(&lock);
	free(text.iov_base);
	return pid;
}

enum heard { HEARD_NOTHING, HEARD_END, HEARD_NUMBER };

static int64_t clock_milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum heard hear(int fd, int timeout, long *number)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	int64_t end = clock_milliseconds() + timeout, left = timeout;
	char text[24];
	ssize_t n;

	while (poll(&answer, 1, (int)left) < 0 && (left = end - clock_milliseconds()) > 0)
		;
	n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return HEARD_NOTHING;
	if (n <= 0)
		return HEARD_END;
	text[n] = '\0';
	*number = strtol(text, NULL, 10);
	return HEARD_NUMBER;
}

/* While one start waits for a template to come round, nobody else does. */
static bool is_first_late(struct template *t, pid_t template)
{
	bool first;

	pthread_mutex_lock(&lock);
	first = t->pid == template && !t->late;
	if (first)
		t->late = true;
	pthread_mutex_unlock(&lock);
	return first;
}

/* Leaves for the loop how the start went; unless that is about a process that has
 * been replaced. */
static void note_result(struct template *t, pid_t template, const char *failure, int error)
{
	pthread_mutex_lock(&lock);
	if (t->pid == template) {
		t->late = false;
		t->proven = t->proven || (!failure && !error);
		if (failure && !t->failure) {
			t->failure = failure;
			t->error = error;
		}
	}
	pthread_mutex_unlock(&lock);
}

/* Whoever has got hold of the template's socket can answer, but not become a child
 * of ours. */
static bool is_new_child(long pid, pid_t group)
{
	siginfo_t info;

	return pid == (pid_t)pid &&
	       waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       getpgid((pid_t)pid) == group;
}

/*
 * The new process waits for our word before it turns to the script, and ends when
 * the socket does: so without it nothing of the script has run, and nothing will.
 */
static pid_t await_process(struct template *t, pid_t template, int fd, pid_t group)
{
	long number = 0;
	enum heard heard = hear(fd, ANSWER_LATE, &number);

	if (heard == HEARD_NOTHING) {
		if (!is_first_late(t, template))
			return 0;
		heard = hear(fd, ANSWER_TIMEOUT - ANSWER_LATE, &number);
	}
	if (heard == HEARD_NOTHING) {
		note_result(t, template, "the template does not answer", 0);
	} else if (heard == HEARD_NUMBER && number < 0) {
		/* A shortage of processes or memory is for the cold start to report. */
		bool shortage = number == -EAGAIN || number == -ENOMEM;

		note_result(t, template, shortage ? NULL : "a script cannot be forked", (int)-number);
	} else if (heard == HEARD_NUMBER && !is_new_child(number, group)) {
		note_result(t, template, "an answer came from a process that is not a new child", 0);
	} else if (heard == HEARD_NUMBER && send(fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1) {
		note_result(t, template, NULL, 0);
		return (pid_t)number;
	} else {
		note_result(t, template, "a process ended before its script began", 0);
	}
	return 0;
}

pid_t template_run(struct template *t, const struct template_order *order)
{
	int ends[2];
	pid_t template, pid = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return 0;
	template = send_order(t, order, ends[1]);
	close(ends[1]);
	if (template > 0)
		pid = await_process(t, template, ends[0], order->group);
	close(ends[0]);
	return pid;
}
