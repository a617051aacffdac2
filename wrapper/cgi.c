#include <config.h>

#include "cgi.h"

#include "child.h"
#include "compat.h"
#include "rlimits.h"
#include "report.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 256, DESCRIPTORS_MOST = 65536 };

/* Both ends of what connects us with the program, and the pipe that tells why it
 * could not be executed. -1: not open. */
struct pipes {
	int input[2], output[2], errors[2], failure[2];
};

/* What the child writes into pipes.failure. */
struct failure {
	enum cgi_step step;
	int error;
};

static struct cgi *by_pid[SLOTS];
static struct cgi_policy policy;
static size_t running, in_background;
static struct rlimit given_descriptors;
static bool raised_descriptors;

static struct cgi **slot_of(pid_t pid)
{
	return &by_pid[(unsigned long)pid % SLOTS];
}

long cgi_raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &given_descriptors) < 0)
		return 256;
	limit = given_descriptors;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MOST ? limit.rlim_max : DESCRIPTORS_MOST;
	if (limit.rlim_cur > given_descriptors.rlim_cur && setrlimit(RLIMIT_NOFILE, &limit) == 0)
		raised_descriptors = true;
	else
		limit = given_descriptors;
	return limit.rlim_cur < DESCRIPTORS_MOST ? (long)limit.rlim_cur : DESCRIPTORS_MOST;
}

/* The pipes. */

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_pipes(struct pipes *p)
{
	int saved = errno;

	for (int i = 0; i < 2; i++) {
		close_one(&p->input[i]);
		close_one(&p->output[i]);
		close_one(&p->errors[i]);
		close_one(&p->failure[i]);
	}
	errno = saved;
}

static bool open_pipes(struct pipes *p, bool wants_input)
{
	*p = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (wants_input ? pipe2(p->input, O_CLOEXEC) == 0
			: (p->input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		if (pipe2(p->output, O_CLOEXEC) == 0 && pipe2(p->errors, O_CLOEXEC) == 0 &&
		    pipe2(p->failure, O_CLOEXEC) == 0)
			return true;
	close_pipes(p);
	return false;
}

/* Gives our end of a pipe to a watch. The program's end stays blocking. */
static bool take_end(int *fd, struct watch *watch, void (*ready)(struct watch *, unsigned))
{
	*watch = WATCH_NONE;
	if (*fd < 0)
		return true;
	if (fcntl(*fd, F_SETFL, O_NONBLOCK) < 0 || !loop_watch(watch, *fd, ready))
		return false;
	*fd = -1;
	return true;
}

/* In the child: nothing here may return to our code, and only calls that are
 * safe between fork and exec may be made. */

static _Noreturn void give_up(int fd, enum cgi_step step)
{
	struct failure failure = { .step = step, .error = errno };

	if (write(fd, &failure, sizeof failure) < 0) {
		/* The parent is gone; nobody is left to be told. */
	}
	_exit(127);
}

static void default_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&action.sa_mask);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int exec_checked(const char *name, char *const *arguments, char *const *environment)
{
	struct stat st;

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

static void execute(const struct cgi_plan *plan)
{
	char here[NAME_MAX + 3];
	const char *file = plan->home >= 0 ? name_in(plan->path, here, sizeof here) : plan->path;
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
	child_exec_here(file, own, plan->environment);
	if (errno == ENOSYS)
		exec_checked(file, own, plan->environment);
}

static bool enter_directory(const struct cgi_plan *plan)
{
	if (plan->home >= 0)
		return fchdir(plan->home) == 0;
	return !plan->directory || chdir(plan->directory) == 0;
}

static _Noreturn void become(const struct cgi_plan *plan, const struct pipes *p, pid_t parent)
{
	setsid();
	child_follow_parent(parent);
	if (dup2(p->input[0], STDIN_FILENO) < 0 || dup2(p->output[1], STDOUT_FILENO) < 0 ||
	    dup2(p->errors[1], STDERR_FILENO) < 0)
		give_up(p->failure[1], CGI_PIPES);
	if (raised_descriptors)
		setrlimit(RLIMIT_NOFILE, &given_descriptors);
	if (!rlimits_apply())
		give_up(p->failure[1], CGI_LIMITS);
	if (!enter_directory(plan))
		give_up(p->failure[1], CGI_CHDIR);
	default_signals();
	execute(plan);
	give_up(p->failure[1], CGI_EXEC);
}

/* Forks, and waits until the child has become the program or given up. */
static pid_t launch(const struct cgi_plan *plan, struct pipes *p, enum cgi_step *failed)
{
	struct failure failure;
	sigset_t all, before;
	pid_t pid, parent = getpid();
	ssize_t n;

	/* No handler of ours may run in the child: it would write into our pipe. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0)
		become(plan, p, parent);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		*failed = CGI_FORK;
		return -1;
	}
	close_one(&p->failure[1]);
	do
		n = read(p->failure[0], &failure, sizeof failure);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof failure)
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*failed = failure.step;
	errno = failure.error;
	return -1;
}

/* In the parent. */

/* What a program says when nobody listens any more. */
static void drain(struct watch *watch)
{
	char bytes[4096];
	ssize_t n = read(watch->fd, bytes, sizeof bytes);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		loop_close(watch);
}

static void on_input(struct watch *watch, unsigned events)
{
	struct cgi *cgi = (struct cgi *)(void *)((char *)watch - offsetof(struct cgi, input));

	(void)events;
	cgi->events->input(cgi->owner);
}

static void on_output(struct watch *watch, unsigned events)
{
	struct cgi *cgi = (struct cgi *)(void *)((char *)watch - offsetof(struct cgi, output));

	(void)events;
	if (cgi->owner)
		cgi->events->output(cgi->owner);
	else
		drain(watch);
}

static void on_errors(struct watch *watch, unsigned events)
{
	struct cgi *cgi = (struct cgi *)(void *)((char *)watch - offsetof(struct cgi, errors));

	(void)events;
	if (cgi->owner)
		cgi->events->errors(cgi->owner);
	else
		drain(watch);
}

static void close_watches(struct cgi *cgi)
{
	loop_close(&cgi->input);
	loop_close(&cgi->output);
	loop_close(&cgi->errors);
}

struct cgi *cgi_start(const struct cgi_plan *plan, const struct cgi_events *events, void *owner,
		      enum cgi_step *failed)
{
	struct cgi *cgi = calloc(1, sizeof *cgi);
	struct pipes p;

	*failed = CGI_PIPES;
	if (!cgi)
		return NULL;
	cgi->input = cgi->output = cgi->errors = WATCH_NONE;
	if (!open_pipes(&p, plan->wants_input)) {
		free(cgi);
		return NULL;
	}
	if (!take_end(&p.input[1], &cgi->input, on_input) ||
	    !take_end(&p.output[0], &cgi->output, on_output) ||
	    !take_end(&p.errors[0], &cgi->errors, on_errors) ||
	    (cgi->pid = launch(plan, &p, failed)) < 0) {
		int saved = errno;

		close_watches(cgi);
		close_pipes(&p);
		free(cgi);
		errno = saved;
		return NULL;
	}
	close_pipes(&p);
	cgi->events = events;
	cgi->owner = owner;
	cgi->started = loop_now();
	cgi->next = *slot_of(cgi->pid);
	*slot_of(cgi->pid) = cgi;
	running++;
	return cgi;
}

/* The end of a program. */

static void forget(struct cgi *cgi)
{
	struct cgi **link = slot_of(cgi->pid);

	while (*link != cgi)
		link = &(*link)->next;
	*link = cgi->next;
	--*(cgi->background ? &in_background : &running);
	deadline_clear(&cgi->kill);
	close_watches(cgi);
	free(cgi);
}

/*
 * A group outlives its leader while a member is left, and keeps the number from
 * being given to anybody else; so it may be signalled after the leader was
 * reaped, as long as something was there at that moment.
 */
static bool group_is_empty(const struct cgi *cgi)
{
	return kill(-cgi->pid, 0) < 0 && errno == ESRCH;
}

static void on_kill(struct deadline *d)
{
	struct cgi *cgi = (struct cgi *)(void *)((char *)d - offsetof(struct cgi, kill));

	kill(-cgi->pid, SIGKILL);
	if (cgi->exited)
		forget(cgi);
}

void cgi_stop(struct cgi *cgi)
{
	cgi->owner = NULL;
	close_watches(cgi);
	if (cgi->exited && group_is_empty(cgi)) {
		forget(cgi);
		return;
	}
	cgi->condemned = true;
	kill(-cgi->pid, SIGTERM);
	deadline_set(&cgi->kill, policy.kill_after, on_kill);
}

static void on_background_end(struct deadline *d)
{
	struct cgi *cgi = (struct cgi *)(void *)((char *)d - offsetof(struct cgi, kill));

	report("process %ld is still at work %ld s after its request; ending it", (long)cgi->pid,
	       policy.background_timeout / 1000);
	cgi_stop(cgi);
}

void cgi_release(struct cgi *cgi)
{
	cgi->owner = NULL;
	if (cgi->exited) {
		forget(cgi);
		return;
	}
	loop_close(&cgi->input);
	loop_want(&cgi->output, LOOP_READ);
	loop_want(&cgi->errors, LOOP_READ);
	if ((long)in_background < policy.background_most) {
		cgi->background = true;
		in_background++;
		running--;
	}
	if (policy.background_timeout)
		deadline_set(&cgi->kill, policy.background_timeout, on_background_end);
}

size_t cgi_count(void)
{
	return running;
}

static void bury(struct cgi *cgi, int status)
{
	cgi->exited = true;
	cgi->status = status;
	if (cgi->owner)
		cgi->events->exited(cgi->owner);
	else if (!cgi->condemned || group_is_empty(cgi))
		forget(cgi);
}

static void on_child(int signal)
{
	pid_t pid;
	int status;

	(void)signal;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct cgi *cgi = *slot_of(pid);

		while (cgi && (cgi->pid != pid || cgi->exited))
			cgi = cgi->next;
		if (cgi)
			bury(cgi, status);
	}
}

bool cgi_all_gone(void)
{
	return running + in_background == 0;
}

void cgi_stop_all(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct cgi *next;

		for (struct cgi *cgi = by_pid[i]; cgi; cgi = next) {
			next = cgi->next;
			if (!cgi->owner && !cgi->condemned)
				cgi_stop(cgi);
		}
	}
}

void cgi_kill_all(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		for (struct cgi *cgi = by_pid[i]; cgi; cgi = cgi->next)
			kill(-cgi->pid, SIGKILL);
}

bool cgi_open(const struct cgi_policy *wanted)
{
	policy = *wanted;
	return loop_catch(SIGCHLD, on_child);
}
