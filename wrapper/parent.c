#include <config.h>

#include "parent.h"

#include "access-log.h"
#include "children.h"
#include "journal.h"
#include "manager.h"
#include "notify.h"
#include "report.h"
#include "slots.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { /* milliseconds */
	SERVES_WITHIN = 30000, /* from fork to WORKER_SERVES */
	HANGS_AFTER = 1000,    /* beyond stop_timeout and kill_after, which workers keep */
	HASTE_MOST = 1000
};

/* Checks, one in a quarter of the watchdog's time, at which a worker may have left the question
 * unanswered: with the quarter before the question, the whole time has passed. */
enum { UNANSWERED_MOST = 3 };

/* A worker, at its number in workers. */
struct kept_worker {
	struct child child;
	enum { ABSENT, STARTING, SERVING, RETIRING } state;
	unsigned long reload; /* value of reloads at the start, or from reload_fail() */
	bool accepts;
	bool asked;        /* by worker_check(), and has not answered */
	int unanswered;    /* checks since */
	struct watch pipe; /* parent's end, see worker_run() */
	int its_end;       /* worker's end, open in the parent until child_fork() returns */
};

static const struct settings *settings;
static int listener, listener_flags;
static void (*on_stopping)(void);
static struct kept_worker *workers;
static size_t numbers;
static unsigned long reloads;
static bool reloading, stopping, has_served, is_up;
static int exit_status;
static int64_t start_pause;
static struct deadline start_again;
static struct deadline check_again;

static void parent_update(void);
static void parent_stop(void);
static void worker_retire(struct kept_worker *w);

static struct kept_worker *worker_of(struct child *child)
{
	return LOOP_OWNER(child, struct kept_worker, child);
}

static struct kept_worker *find_worker(bool (*suits)(const struct kept_worker *))
{
	for (struct kept_worker *w = workers; w < workers + numbers; w++)
		if (suits(w))
			return w;
	return NULL;
}

static bool is_absent(const struct kept_worker *w)
{
	return w->state == ABSENT;
}

static bool is_starting(const struct kept_worker *w)
{
	return w->state == STARTING;
}

static bool is_serving(const struct kept_worker *w)
{
	return w->state == SERVING;
}

static bool is_outdated(const struct kept_worker *w)
{
	return w->state == SERVING && w->reload != reloads;
}

static bool is_left(const struct kept_worker *w)
{
	return w->state != ABSENT;
}

static bool accepts(const struct kept_worker *w)
{
	return w->accepts;
}

/* Workers that start or serve. */
static long count_present(void)
{
	long count = 0;

	for (size_t i = 0; i < numbers; i++)
		count += workers[i].state == STARTING || workers[i].state == SERVING;
	return count;
}

/* The start of a worker. */

static int worker_work(struct child *child)
{
	struct kept_worker *w = worker_of(child);

	/* Parent's ends held open here would hide the parent's death from other workers. */
	for (size_t i = 0; i < numbers; i++)
		if (workers[i].pipe.fd >= 0)
			close(workers[i].pipe.fd);
	notify_close();
	return worker_run(settings, w - workers, listener, w->its_end);
}

static void on_late(struct deadline *d)
{
	struct kept_worker *w = worker_of(child_of_kill(d));

	report("worker %ld did not %s in time; killing it", (long)w->child.pid,
	       w->state == STARTING ? "begin to serve" : "stop");
	child_signal(&w->child, SIGKILL);
}

static void on_told(struct watch *watch, unsigned events)
{
	struct kept_worker *w = LOOP_OWNER(watch, struct kept_worker, pipe);
	char what;
	ssize_t n = read(watch->fd, &what, 1);

	(void)events;
	if (n == 0) {
		loop_want(watch, 0); /* the worker ends; see on_worker_gone() */
	} else if (n > 0 && what == WORKER_SERVES && w->state == STARTING) {
		deadline_clear(&w->child.kill);
		w->state = SERVING;
		has_served = true;
	} else if (n > 0 && what == WORKER_ACCEPTS_NO_MORE) {
		w->accepts = false;
		if (w->state == SERVING) { /* stopped by a signal from elsewhere */
			report(REPORT_NOTICE "worker %ld stops; starting another", (long)w->child.pid);
			worker_retire(w);
		}
	} else if (n > 0 && what == WORKER_TURNS) {
		w->asked = false;
	} else if (n > 0 && what == WORKER_WAKES) {
		manager_wake();
	}
	parent_update();
}

/* A substitute has failed to start: serving workers count as up to date, unless there was
 * another reload since. */
static void reload_fail(unsigned long reload)
{
	for (struct kept_worker *w = workers; w < workers + numbers; w++)
		if (w->reload < reload)
			w->reload = reload;
	reloading = reload != reloads;
	if (!reloading)
		manager_ready();
}

static void on_worker_ended(struct child *child, int how)
{
	struct kept_worker *w = worker_of(child);
	bool failed = !WIFEXITED(how) || WEXITSTATUS(how) != 0;
	const char *then = "; starting another";
	char end[80];

	if (w->state == RETIRING) {
		then = "";
	} else if (WIFSIGNALED(how) && WTERMSIG(how) == SIGHUP) {
		/* Sent to all processes, before this worker ignored SIGHUP. */
	} else if (w->state == STARTING && count_present() > settings->workers) {
		then = " before it served; the old workers stay";
		reload_fail(w->reload);
	} else if (w->state == STARTING && !has_served && WIFEXITED(how) && failed) {
		exit_status = STATUS_FAILURE; /* worker has reported why */
		return;
	}
	if (w->state == RETIRING && !failed)
		return;
	child_describe_end(how, end, sizeof end);
	report("worker %ld %s%s", (long)child->pid, end, then);
}

static void on_start_again(struct deadline *d)
{
	(void)d;
	parent_update();
}

static void start_later(int64_t lived)
{
	if (deadline_is_set(&start_again))
		return;
	start_pause = child_pause(start_pause, lived);
	if (start_pause > 0)
		deadline_set(&start_again, start_pause, on_start_again);
}

static void on_worker_gone(struct child *child)
{
	struct kept_worker *w = worker_of(child);

	slots_free_all((size_t)(w - workers));
	loop_close(&w->pipe);
	if (w->state != RETIRING && count_present() <= settings->workers)
		start_later(loop_now() - child->started);
	w->state = ABSENT;
	w->accepts = false;
	if (exit_status != 0 && !stopping)
		parent_stop();
	else
		parent_update();
}

static const struct child_owner worker_owner = {
	.work = worker_work, .ended = on_worker_ended, .gone = on_worker_gone,
};

/* Both ends are close-on-exec and non-blocking. False with errno. */
static bool open_pipe(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		fcntl(ends[i], F_SETFD, FD_CLOEXEC);
		fcntl(ends[i], F_SETFL, O_NONBLOCK);
	}
	return true;
}

/* False with errno. */
static bool worker_start(struct kept_worker *w)
{
	int ends[2], error;
	bool started;

	if (!open_pipe(ends))
		return false;
	if (!loop_watch(&w->pipe, ends[0], LOOP_READ, on_told)) {
		error = errno;
		close(ends[0]);
		close(ends[1]);
		errno = error;
		return false;
	}
	w->its_end = ends[1];
	started = child_fork(&w->child, &worker_owner, false);
	error = errno;
	close(ends[1]);
	if (started) {
		w->state = STARTING;
		w->accepts = true;
		w->reload = reloads;
		w->asked = false;
		child_kill_after(&w->child, SERVES_WITHIN, on_late);
	} else {
		loop_close(&w->pipe);
	}
	errno = error;
	return started;
}

/* Closes the pipe in one direction only: WORKER_ACCEPTS_NO_MORE is still to come in the
 * other. */
static void worker_retire(struct kept_worker *w)
{
	w->state = RETIRING;
	shutdown(w->pipe.fd, SHUT_WR);
	child_kill_after(&w->child, settings->stop_timeout + settings->kill_after + HANGS_AFTER,
			 on_late);
}

static void worker_hurry(struct kept_worker *w)
{
	child_signal(&w->child, WORKER_HASTE);
	child_kill_after(&w->child, HASTE_MOST, on_late);
}

/* Starting, replacing and retiring workers. */

static bool start_missing(void)
{
	struct kept_worker *w = find_worker(is_absent);

	if (!w || deadline_is_set(&start_again))
		return false;
	if (worker_start(w))
		return true;
	report("cannot start a worker: %s (trying again)", strerror(errno));
	start_later(0);
	return false;
}

static bool start_successor(void)
{
	struct kept_worker *w = find_worker(is_absent);

	if (!w)
		return false; /* until a retiring worker is gone */
	if (worker_start(w))
		return true;
	report("cannot start a worker: %s; the old workers stay", strerror(errno));
	reload_fail(reloads);
	return false;
}

/* The start is complete as soon as no worker starts: one that cannot be started now is tried
 * again later, while others serve. */
static void tell_manager(void)
{
	if (find_worker(is_starting) || !find_worker(is_serving))
		return;
	if (!is_up) {
		/* Whoever has started us is told of what kept us from serving. */
		journal_take_reports();
		manager_ready();
	}
	is_up = true;
	if (reloading && count_present() == settings->workers && !find_worker(is_outdated)) {
		reloading = false;
		report(REPORT_NOTICE "reloaded");
		manager_ready();
	}
}

static void update_workers(void)
{
	struct kept_worker *outdated;

	for (bool more = true; more;) {
		long present = count_present();

		if (present < settings->workers) {
			more = start_missing();
		} else if (find_worker(is_starting) || !(outdated = find_worker(is_outdated))) {
			more = false;
		} else if (present > settings->workers) {
			worker_retire(outdated);
		} else {
			more = start_successor();
		}
	}
	tell_manager();
}

/* Restores the flags of the socket, whose open file description others may share; not before
 * the last worker has stopped accepting, or accept(2) could block. */
static void close_listener(void)
{
	if (listener < 0)
		return;
	fcntl(listener, F_SETFL, listener_flags);
	close(listener);
	listener = -1;
}

static void parent_update(void)
{
	if (!stopping) {
		update_workers();
		return;
	}
	if (!find_worker(accepts))
		close_listener();
	if (!find_worker(is_left))
		loop_stop();
}

/* The watchdog. */

/* A quarter of the watchdog's time: a worker is found, and replaced, before that has passed. */
static int64_t check_period(void)
{
	return (notify_watchdog() + 1) / 2;
}

/* Requests of a worker that stands still are lost; if the manager ended the service, those of all
 * would be. */
static void worker_replace(struct kept_worker *w)
{
	report("worker %ld has stood still for %g s; killing it, and starting another",
	       (long)w->child.pid, (double)(UNANSWERED_MOST * check_period()) / 1000);
	worker_retire(w);
	child_signal(&w->child, SIGKILL);
}

static void worker_check(struct kept_worker *w, bool in_time)
{
	if (w->state != SERVING)
		return;
	if (!w->asked) {
		w->unanswered = 0;
		w->asked = write(w->pipe.fd, "?", 1) == 1;
	} else if (!in_time) {
		w->unanswered = 0;
	} else if (++w->unanswered == UNANSWERED_MOST) {
		worker_replace(w);
	}
}

/* A check that is late proves nothing against workers: the machine was busy, or all processes
 * were stopped. */
static void on_check(struct deadline *d)
{
	static int64_t last;
	bool in_time = loop_now() - last < 2 * check_period();

	last = loop_now();
	for (struct kept_worker *w = workers; w < workers + numbers; w++)
		worker_check(w, in_time);
	parent_update();
	if (stopping || find_worker(is_serving))
		notify("WATCHDOG=1");
	deadline_set(d, check_period(), on_check);
}

/* The end, and signals. */

static void parent_stop(void)
{
	stopping = true;
	deadline_clear(&start_again);
	on_stopping();
	manager_stopping(settings->stop_timeout + settings->kill_after + HANGS_AFTER);
	for (struct kept_worker *w = workers; w < workers + numbers; w++)
		if (w->state == STARTING || w->state == SERVING)
			worker_retire(w);
	parent_update();
}

static void on_stop(int signal)
{
	(void)signal;
	if (!stopping) {
		parent_stop();
		return;
	}
	for (struct kept_worker *w = workers; w < workers + numbers; w++)
		if (w->state != ABSENT)
			worker_hurry(w);
}

static void on_reload(int signal)
{
	(void)signal;
	if (stopping)
		return;
	journal_reopen();
	access_log_reopen();
	report(REPORT_NOTICE "reloading");
	reloading = true;
	reloads++;
	manager_reloading();
	parent_update();
}

static bool parent_open(bool heeds_hup)
{
	workers = calloc(numbers, sizeof *workers);
	for (size_t i = 0; workers && i < numbers; i++)
		workers[i].pipe = WATCH_NONE;
	return workers && loop_open() && children_open() && loop_catch(SIGTERM, on_stop) &&
	       loop_catch(SIGINT, on_stop) && loop_catch(SIGUSR1, on_stop) &&
	       (!heeds_hup || loop_catch(SIGHUP, on_reload)) &&
	       fcntl(listener, F_SETFL, listener_flags | O_NONBLOCK) == 0;
}

size_t parent_numbers(const struct settings *s)
{
	return 2 * (size_t)s->workers;
}

int parent_run(const struct settings *wanted, int socket, bool heeds_hup,
	       void (*told_to_stop)(void))
{
	settings = wanted;
	listener = socket;
	listener_flags = fcntl(socket, F_GETFL);
	on_stopping = told_to_stop;
	numbers = parent_numbers(settings);
	if (!parent_open(heeds_hup)) {
		report("cannot watch over workers: %s", strerror(errno));
		on_stopping();
		return STATUS_FAILURE;
	}
	parent_update();
	if (notify_watchdog() > 0)
		on_check(&check_again);
	loop_run();
	close_listener();
	journal_flush();
	free(workers);
	return exit_status;
}
