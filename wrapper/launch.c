#include <config.h>

#include "launch.h"

#include "exec.h"
#include "compat.h"
#include "loop.h"
#include "report.h"
#include "rlimits.h"
#include "warm.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
	DESCRIPTORS_MOST = 65536,
	ENDS = 3,
	HELPER_MOST = 8, /* descriptors of a helper */
	FEW = 256 /* descriptors that are copied in no time */
};

/* Both ends of what connects us with the program, by the number that the program
 * knows it by. -1: not open. */
struct pipes {
	int ours[ENDS], its[ENDS];
};

/* What the new process needs to know, and what it has to tell. */
struct birth {
	const struct launch_plan *plan; /* NULL: a helper */
	char *const *arguments, *const *environment; /* of a helper */
	pid_t group; /* 0: its own */
	const int *descriptors; /* what will be 0 and up */
	int count;
	struct notice {
		bool failed;
		enum launch_step step;
		int error;
	} notice;
};

static struct rlimit given_descriptors;
static bool raised_descriptors;
static bool ignored[NSIG]; /* signals that we were started with like that */
static long descriptors_most; /* that we may have */
static pid_t self;
static int null;           /* /dev/null */
static int low[ENDS];      /* numbers below FEW, also /dev/null while not needed */

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

static bool reserve_low_numbers(void)
{
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		report("cannot open /dev/null, which scripts get as input (is there one in this root?)");
	for (int i = 0; i < ENDS; i++)
		if (null < 0 || (low[i] = fcntl(null, F_DUPFD_CLOEXEC, 0)) < 0)
			return false;
	return true;
}

bool launch_open(void)
{
	descriptors_most = raise_descriptor_limit();
	find_ignored_signals();
	return reserve_low_numbers();
}

long launch_enter(void)
{
	self = getpid();
	return descriptors_most;
}

/* The pipes. */

/* Our end does not block; the program's end does. */
static bool open_pipe(struct pipes *p, int number)
{
	int ends[2];
	int mine = number == STDIN_FILENO ? 1 : 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	p->ours[number] = ends[mine];
	p->its[number] = ends[!mine];
	return fcntl(ends[mine], F_SETFL, O_NONBLOCK) == 0;
}

static bool open_pipes(struct pipes *p, bool wants_input)
{
	*p = (struct pipes){ { -1, -1, -1 }, { null, -1, -1 } };
	return (!wants_input || open_pipe(p, STDIN_FILENO)) && open_pipe(p, STDOUT_FILENO) &&
	       open_pipe(p, STDERR_FILENO);
}

static void close_ours(struct pipes *p)
{
	for (int i = 0; i < ENDS; i++)
		if (p->ours[i] >= 0)
			close(p->ours[i]);
}

static bool put(int fd, int number)
{
	return dup2(fd, number) >= 0 && fcntl(number, F_SETFD, FD_CLOEXEC) == 0;
}

/*
 * The start of a program copies the table of descriptors up to the highest that
 * the program gets: where there are many, its ends are given low numbers.
 */
static bool lower_its(struct pipes *p)
{
	for (int i = 0; i < ENDS; i++) {
		if (p->its[i] < FEW)
			continue;
		if (!put(p->its[i], low[i]))
			return false;
		close(p->its[i]);
		p->its[i] = low[i];
	}
	return true;
}

/* A low number is given back to /dev/null, since a pipe that stayed open there
 * would not be seen to end. */
static void close_its(struct pipes *p)
{
	for (int i = 0; i < ENDS; i++) {
		if (p->its[i] == low[i])
			put(null, low[i]);
		else if (p->its[i] >= 0 && p->its[i] != null)
			close(p->its[i]);
	}
}

static int above(const int *descriptors, int count)
{
	int most = 0;

	for (int i = 0; i < count; i++)
		if (descriptors[i] > most)
			most = descriptors[i];
	return most + 1;
}

/* In the new process: only calls that are safe between fork and exec may be made,
 * and nothing but the notice may be written to. */

/* The file that was opened is the one that is executed, unless it is a script, or
 * may not be read: those are executed by name, after a look. */
static int exec_checked(const char *name, char *const *arguments, char *const *environment)
{
	int fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0)
		fexecve(fd, arguments, environment);
	/* The interpreter of a script cannot open a descriptor that is closed. */
	if (fd >= 0 ? errno != ENOENT && errno != ENOSYS : errno != EACCES)
		return -1;
	if (lstat(name, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode)) {
		errno = ELOOP;
		return -1;
	}
	return execve(name, arguments, environment);
}

/* The file as it is called from its own directory. */
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
	char *own[] = { (char *)(size_t)plan->path, NULL };
	char *with[] = { (char *)(size_t)plan->interpreter, (char *)(size_t)file, NULL };

	if (plan->interpreter) {
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

static bool take_descriptors(const int *its, int count)
{
	for (int i = 0; i < count; i++) {
		if (dup2(its[i], i) < 0)
			return false;
		/* Where descriptors are few, the next step may need it. */
		close(its[i]);
	}
	return true;
}

static bool take_limits(bool lasting)
{
	if (raised_descriptors)
		setrlimit(RLIMIT_NOFILE, &given_descriptors);
	return rlimits_apply(lasting);
}

/* No handler of ours may run here, so the mask comes last. */
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

/* Each step is noted before it is taken. */
static bool prepare(const struct birth *birth, enum launch_step *step)
{
	if (setpgid(0, birth->group) < 0)
		return false;
	exec_follow_parent(self);
	*step = LAUNCH_CHDIR;
	if (birth->plan && !enter_directory(birth->plan))
		return false;
	exec_own_descriptors(above(birth->descriptors, birth->count));
	*step = LAUNCH_PIPES;
	if (!take_descriptors(birth->descriptors, birth->count))
		return false;
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

/* Returns the pid, or -1 with errno if the program could not be executed. */
static pid_t start(struct birth *birth)
{
	pid_t pid;

	loop_hold_signals();
	birth->notice.step = LAUNCH_FORK;
	pid = exec_start(become, birth, &birth->notice, sizeof birth->notice);
	loop_release_signals();
	if (pid < 0 || !birth->notice.failed)
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = birth->notice.error;
	return -1;
}

/* The group's leader ends at once: its number stays the group's while it has members. */
static pid_t open_group(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		_exit(0);
	}
	if (pid > 0)
		setpgid(pid, pid);
	return pid;
}

static void close_group(pid_t group)
{
	while (group > 0 && waitpid(group, NULL, 0) < 0 && errno == EINTR)
		;
}

bool launch(const struct launch_plan *plan, struct launched *out, enum launch_step *failed)
{
	struct pipes p;
	struct birth birth = { .plan = plan, .descriptors = p.its, .count = ENDS };
	struct launch_plan named = *plan;
	char here[LAUNCH_NAME_SIZE];
	int saved;

	out->pid = -1;
	birth.notice.step = LAUNCH_PIPES;
	out->group = -1;
	if (!named.called)
		named.called = launch_name(plan, here);
	if (open_pipes(&p, plan->wants_input) && lower_its(&p) && (out->group = open_group()) > 0) {
		birth.group = out->group;
		out->pid = warm_start(&named, p.its, out->group);
		if (out->pid == 0)
			out->pid = start(&birth);
	}
	saved = errno;
	close_group(out->group);
	close_its(&p);
	if (out->pid < 0)
		close_ours(&p);
	out->input = p.ours[STDIN_FILENO];
	out->output = p.ours[STDOUT_FILENO];
	out->errors = p.ours[STDERR_FILENO];
	*failed = birth.notice.step;
	errno = saved;
	return out->pid >= 0;
}

pid_t launch_helper(char *const *arguments, char *const *environment, const int *descriptors,
		    int count)
{
	int its[HELPER_MOST];
	struct birth birth = { .arguments = arguments, .environment = environment,
			       .descriptors = its, .count = count };
	pid_t pid;
	int opened = 0, saved;

	/* Above those that they will be, so that none takes the place of another. */
	while (opened < count &&
	       (its[opened] = fcntl(descriptors[opened], F_DUPFD_CLOEXEC, count)) >= 0)
		opened++;
	pid = opened == count ? start(&birth) : -1;
	saved = errno;
	while (opened > 0)
		close(its[--opened]);
	errno = saved;
	return pid;
}
