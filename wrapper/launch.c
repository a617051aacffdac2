#include <config.h>

#include "launch.h"

#include "compat.h"
#include "exec.h"
#include "loop.h"
#include "report.h"
#include "rlimits.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
	DESCRIPTORS_MOST = 65536,
	HELPER_MOST = 8, /* descriptors of a helper */
	FEW = 256 /* a table of this size is copied quickly */
};

/* Arguments of the new process, and its notice to the parent. */
struct birth {
	const struct launch_plan *plan; /* NULL: a helper */
	char *const *arguments, *const *environment; /* of a helper */
	pid_t group; /* to join; 0: none */
	const int *descriptors; /* to become 0 and up */
	int count;
	struct notice {
		bool failed;
		enum launch_step step;
		int error;
	} notice;
};

static struct rlimit given_descriptors;
static bool raised_descriptors;
static bool ignored[NSIG]; /* signals found ignored by launch_open() */
static long descriptors_most; /* limit on our open descriptors */
static pid_t self;
static int null_fd = -1;

static long raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &given_descriptors) < 0)
		return _POSIX_OPEN_MAX;
	limit = given_descriptors;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MOST ? limit.rlim_max : DESCRIPTORS_MOST;
	if (limit.rlim_cur > given_descriptors.rlim_cur && setrlimit(RLIMIT_NOFILE, &limit) == 0)
		raised_descriptors = true;
	else
		limit = given_descriptors;
	return limit.rlim_cur < DESCRIPTORS_MOST ? (long)limit.rlim_cur : DESCRIPTORS_MOST;
}

static void find_ignored_signals(void)
{
	struct sigaction action;

	for (int i = 1; i < NSIG; i++)
		ignored[i] = sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool launch_open(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0) {
		report("cannot open /dev/null, which scripts get as input: %s (is there one in this "
		       "root?)", strerror(errno));
		return false;
	}
	close(null);
	descriptors_most = raise_descriptor_limit();
	find_ignored_signals();
	return true;
}

int launch_raise(int fd)
{
	int raised = fd < LAUNCH_ENDS ? fcntl(fd, F_DUPFD_CLOEXEC, LAUNCH_ENDS) : fd;

	if (raised >= 0 && raised != fd)
		close(fd);
	return raised;
}

long launch_enter(void)
{
	self = getpid();
	do
		null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (null_fd >= 0 && null_fd < LAUNCH_ENDS);
	if (null_fd < 0)
		return -1;
	exec_open();
	return descriptors_most;
}

bool launch_open_lane(struct launch_lane *lane)
{
	int opened = 0;

	while (opened < LAUNCH_ENDS &&
	       (lane->low[opened] = fcntl(null_fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		opened++;
	if (opened == LAUNCH_ENDS)
		return true;
	while (opened > 0)
		close(lane->low[--opened]);
	return false;
}

bool launch_is_shortage(enum launch_step step, int error)
{
	/* Nothing has run yet, so trying again does no harm. */
	return step != LAUNCH_RESOLVE && step != LAUNCH_CHDIR &&
	       (error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE);
}

/* Descriptors. */

static bool put_descriptor(int fd, int number)
{
	return dup2(fd, number) >= 0 && fcntl(number, F_SETFD, FD_CLOEXEC) == 0;
}

/*
 * A start copies the table of descriptors up to the highest that the script gets. High
 * descriptors are therefore moved to the low numbers of a lane, which hold /dev/null
 * between starts: a pipe left open there would never show its end.
 */
static bool lane_take(const struct launch_lane *lane, const int *given, int *lowered, int count)
{
	for (int i = 0; i < count; i++) {
		lowered[i] = given[i];
		if (given[i] < FEW || lane->low[i] >= FEW)
			continue;
		if (!put_descriptor(given[i], lane->low[i]))
			return false;
		lowered[i] = lane->low[i];
	}
	return true;
}

static void lane_give_back(const struct launch_lane *lane, const int *lowered, int count)
{
	/* dup2(2) onto an open number needs no free one. */
	for (int i = 0; i < count; i++)
		if (lowered[i] == lane->low[i])
			put_descriptor(null_fd, lane->low[i]);
}

static int above(const int *descriptors, int count)
{
	int most = 0;

	for (int i = 0; i < count; i++)
		if (descriptors[i] > most)
			most = descriptors[i];
	return most + 1;
}

/* In the new process: only calls allowed between fork and exec, and writes to nothing but the
 * notice. */

/* Writes "/proc/self/fd/N", as snprintf(3) is not async-signal-safe. */
static void name_descriptor(int fd, char out[32])
{
	char digits[12];
	int count = 0;

	do
		digits[count++] = (char)('0' + fd % 10);
	while ((fd /= 10) > 0);
	strcpy(out, "/proc/self/fd/");
	out += strlen(out);
	while (count > 0)
		*out++ = digits[--count];
	*out = '\0';
}

/* Opens a regular file for reading or, if denied, for execution only. Never follows a symbolic
 * link (ELOOP), nor waits for a FIFO or device. */
static int open_program(const char *name, bool *readable)
{
	const int how = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open(name, O_RDONLY | how);
	struct stat st;

	*readable = fd >= 0;
	if (fd < 0 && errno == EACCES)
		fd = open(name, O_EXEC | how);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode))
		return fd;
	errno = S_ISLNK(st.st_mode) ? ELOOP : EACCES;
	return -1;
}

/* Executes the opened file through /proc/self/fd. A file with "#!", or any file without /proc,
 * is executed by name, after lstat(2). */
static int exec_checked(const char *name, char *const *arguments, char *const *environment)
{
	char head[2] = "", path[32];
	bool readable;
	int fd = open_program(name, &readable);
	struct stat st;

	if (fd < 0)
		return -1;
	/* An interpreter could not open the descriptor, which exec closes. */
	if (!readable || read(fd, head, 2) < 2 || head[0] != '#' || head[1] != '!') {
		name_descriptor(fd, path);
		execve(path, arguments, environment);
		if (errno != ENOENT)
			return -1;
	}
	if (lstat(name, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode)) {
		errno = ELOOP;
		return -1;
	}
	return execve(name, arguments, environment);
}

/* Returns "./NAME"; path if out is too small. */
static const char *name_in(const char *path, char *out, size_t size)
{
	const char *name = strrchr(path, '/');
	size_t length = strlen(name);

	if (length + 2 > size)
		return path;
	out[0] = '.';
	memcpy(out + 1, name, length + 1);
	return out;
}

const char *launch_name(const struct launch_plan *plan, char out[LAUNCH_NAME_SIZE])
{
	return plan->home >= 0 ? name_in(plan->path, out, LAUNCH_NAME_SIZE) : plan->path;
}

static void execute(const struct launch_plan *plan)
{
	char here[LAUNCH_NAME_SIZE];
	const char *file = launch_name(plan, here);
	const char *called = plan->called ? plan->called : plan->path;
	char *own[] = { (char *)(size_t)called, NULL };
	char *with[] = { (char *)(size_t)plan->interpreter, (char *)(size_t)file, NULL };

	if (plan->interpreter) {
		if (plan->file >= 0)
			with[1] = (char *)(size_t)"/dev/fd/3";
		execve(plan->interpreter, with, plan->environment);
		return;
	}
	if (plan->home < 0) {
		execve(file, own, plan->environment);
		return;
	}
	exec_here(file, own, plan->environment);
	if (errno == ENOSYS)
		exec_checked(file, own, plan->environment);
}

static bool enter_directory(const struct launch_plan *plan)
{
	if (plan->home >= 0)
		return fchdir(plan->home) == 0;
	return !plan->directory || chdir(plan->directory) == 0;
}

/* No descriptor is below count, and so overwritten: launch_enter() occupies low numbers. */
static bool take_descriptors(const int *its, int count)
{
	for (int i = 0; i < count; i++)
		if (dup2(its[i], i) < 0)
			return false;
	return true;
}

static bool take_limits(bool lasting)
{
	if (raised_descriptors)
		setrlimit(RLIMIT_NOFILE, &given_descriptors);
	return rlimits_apply(lasting);
}

/* Restore the mask last: no handler of the parent may run here. */
static void default_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	loop_leave_signals();
	sigemptyset(&action.sa_mask);
	for (int i = 1; i < NSIG; i++)
		if (ignored[i])
			sigaction(i, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Notes each step in advance. */
static bool prepare(const struct birth *birth, enum launch_step *step)
{
	if (birth->group > 0 && setpgid(0, birth->group) < 0)
		return false;
	if (birth->group == 0 && (birth->plan ? setsid() : setpgid(0, 0)) < 0) {
		/* Refused: stay in the parent's group. */
	}
	exec_follow_parent(self);
	*step = LAUNCH_CHDIR;
	if (birth->plan && !enter_directory(birth->plan))
		return false;
	*step = LAUNCH_DESCRIPTORS;
	exec_own_descriptors(above(birth->descriptors, birth->count));
	if (!take_descriptors(birth->descriptors, birth->count))
		return false;
	exec_close_from(birth->count);
	*step = LAUNCH_LIMITS;
	if (!take_limits(!birth->plan))
		return false;
	default_signals();
	*step = LAUNCH_EXEC;
	return true;
}

static void become(void *context)
{
	struct birth *birth = context;

	if (prepare(birth, &birth->notice.step)) {
		if (birth->plan)
			execute(birth->plan);
		else
			execve(birth->arguments[0], birth->arguments, birth->environment);
	}
	birth->notice.error = errno;
	birth->notice.failed = true;
}

/* In the parent. */

/* Returns the pid, or -1 with errno if the program could not be executed: the child has ended
 * then, and is reaped unless leave is WNOWAIT. */
static pid_t launch_birth(struct birth *birth, atomic_int *child, int leave)
{
	siginfo_t info;
	pid_t pid;

	birth->notice.step = LAUNCH_FORK;
	pid = exec_start(become, birth, &birth->notice, sizeof birth->notice, child);
	if (pid < 0 || !birth->notice.failed)
		return pid;
	/* The loop may have reaped the child already. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | leave) < 0 && errno == EINTR)
		;
	errno = birth->notice.error;
	return -1;
}

pid_t launch(const struct launch_plan *plan, const int ends[3], pid_t group,
	     const struct launch_lane *lane, atomic_int *child, enum launch_step *failed)
{
	int given[LAUNCH_ENDS] = { ends[0], ends[1], ends[2], plan->file }, its[LAUNCH_ENDS];
	int count = plan->interpreter && plan->file >= 0 ? LAUNCH_ENDS : LAUNCH_ENDS - 1;
	struct birth birth = { .plan = plan, .group = group, .descriptors = its, .count = count };
	pid_t pid = -1;
	int saved;

	memcpy(its, given, sizeof its);
	birth.notice.step = LAUNCH_DESCRIPTORS;
	if (lane_take(lane, given, its, count))
		pid = launch_birth(&birth, child, WNOWAIT);
	saved = errno;
	lane_give_back(lane, its, count);
	errno = saved;
	*failed = birth.notice.step;
	return pid;
}

pid_t launch_helper(char *const *arguments, char *const *environment, const int *descriptors,
		    int count)
{
	int its[HELPER_MOST];
	struct birth birth = { .arguments = arguments, .environment = environment,
			       .descriptors = its, .count = count };
	sigset_t all, before;
	atomic_int child;
	pid_t pid;
	int opened = 0, saved;

	/* Duplicate above the final numbers, so that dup2(2) overwrites no source. */
	while (opened < count &&
	       (its[opened] = fcntl(descriptors[opened], F_DUPFD_CLOEXEC, count)) >= 0)
		opened++;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pid = opened == count ? launch_birth(&birth, &child, 0) : -1;
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	while (opened > 0)
		close(its[--opened]);
	errno = saved;
	return pid;
}
