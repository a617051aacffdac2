#include <config.h>

#include "parent.h"

#include "children.h"
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
	SERVES_WITHIN = 30000, /* for a worker to come up */
	HANGS_AFTER = 1000,    /* beyond the time-outs to which workers keep themselves */
	HASTE_MOST = 1000
};

/* A worker as its parent sees it, in the place of its number. */
struct charge {
	struct child child;
	enum { ABSENT, STARTING, SERVING, RETIRING } state;
	unsigned long reload; /* how many there had been when it was started */
	bool accepts;
	struct watch pipe; /* our end: what it tells, see worker_run() */
	int its_end;       /* while it is forked */
};

static const struct settings *settings;
static int listener, listener_flags;
static void (*on_stopping)(void);
static struct charge *charges;
static size_t numbers;
static unsigned long reloads;
static bool reloading, stopping, has_served;
static int exit_status;
static int64_t start_pause;
static struct deadline start_again;

static void parent_update(void);
static void parent_stop(void);

static struct charge *charge_of(struct child *child)
{
	return LOOP_OWNER(child, struct charge, child);
}

static struct charge *find_charge(bool (*suits)(const struct charge *))
{
	for (struct charge *c = charges; c < charges + numbers; c++)
		if (suits(c))
			return c;
	return NULL;
}

static bool is_absent(const struct charge *c)
{
	return c->state == ABSENT;
}

static bool is_starting(const struct charge *c)
{
	return c->state == STARTING;
}

static bool is_outdated(const struct charge *c)
{
	return c->state == SERVING && c->reload != reloads;
}

static bool is_left(const struct charge *c)
{
	return c->state != ABSENT;
}

static bool accepts(const struct charge *c)
{
	return c->accepts;
}

/* Those that are there to stay. */
static long count_present(void)
{
	long count = 0;

	for (size_t i = 0; i < numbers; i++)
		count += charges[i].state == STARTING || charges[i].state == SERVING;
	return count;
}

/* The start of a worker. */

static int charge_work(struct child *child)
{
	struct charge *c = charge_of(child);

	/* A pipe that is held open here would not tell the others that the parent is gone. */
	for (size_t i = 0; i < numbers; i++)
		if (charges[i].pipe.fd >= 0)
			close(charges[i].pipe.fd);
	return worker_run(settings, c - charges, listener, c->its_end);
}

static void on_late(struct deadline *d)
{
	struct charge *c = charge_of(child_of_kill(d));

	report("worker %ld did not %s in time; killing it", (long)c->child.pid,
	       c->state == STARTING ? "begin to serve" : "stop");
	child_signal(&c->child, SIGKILL);
}

static void on_told(struct watch *watch, unsigned events)
{
	struct charge *c = LOOP_OWNER(watch, struct charge, pipe);
	char what;
	ssize_t n = read(watch->fd, &what, 1);

	(void)events;
	if (n == 0) {
		loop_want(watch, 0); /* what there is to do is done when it is reaped */
	} else if (n > 0 && what == WORKER_SERVES && c->state == STARTING) {
		deadline_clear(&c->child.kill);
		c->state = SERVING;
		has_served = true;
	} else if (n > 0 && what == WORKER_ACCEPTS_NO_MORE) {
		c->accepts = false;
	}
	parent_update();
}

/* A worker that has failed in its start while others serve: those stay, unless there
 * was another reload since. */
static void reload_fail(unsigned long reload)
{
	for (struct charge *c = charges; c < charges + numbers; c++)
		if (c->reload < reload)
			c->reload = reload;
	reloading = false;
}

static void on_charge_ended(struct child *child, int how)
{
	struct charge *c = charge_of(child);
	bool failed = !WIFEXITED(how) || WEXITSTATUS(how) != 0;
	const char *then = "; starting another";
	char end[80];

	if (c->state == RETIRING) {
		then = "";
	} else if (c->state == STARTING && count_present() > settings->workers) {
		then = " before it served; the old workers stay";
		reload_fail(c->reload);
	} else if (c->state == STARTING && !has_served && WIFEXITED(how) && failed) {
		exit_status = STATUS_FAILURE; /* it has said why */
		return;
	}
	if (c->state == RETIRING && !failed)
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

static void on_charge_gone(struct child *child)
{
	struct charge *c = charge_of(child);

	slots_free_all((size_t)(c - charges));
	loop_close(&c->pipe);
	if (c->state != RETIRING && count_present() <= settings->workers)
		start_later(loop_now() - child->started);
	c->state = ABSENT;
	c->accepts = false;
	if (exit_status != 0 && !stopping)
		parent_stop();
	else
		parent_update();
}

static const struct child_owner charge_owner = {
	.work = charge_work, .ended = on_charge_ended, .gone = on_charge_gone,
};

/* Both ends are of this process only. */
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
static bool charge_start(struct charge *c)
{
	int ends[2], error;
	bool started;

	if (!open_pipe(ends))
		return false;
	if (!loop_watch(&c->pipe, ends[0], LOOP_READ, on_told)) {
		error = errno;
		close(ends[0]);
		close(ends[1]);
		errno = error;
		return false;
	}
	c->its_end = ends[1];
	started = child_fork(&c->child, &charge_owner, false);
	error = errno;
	close(ends[1]);
	if (started) {
		c->state = STARTING;
		c->accepts = true;
		c->reload = reloads;
		child_kill_after(&c->child, SERVES_WITHIN, on_late);
	} else {
		loop_close(&c->pipe);
	}
	errno = error;
	return started;
}

/* The pipe ends in one direction; in the other the worker has yet to tell that it accepts no
 * more. */
static void charge_retire(struct charge *c)
{
	c->state = RETIRING;
	shutdown(c->pipe.fd, SHUT_WR);
	child_kill_after(&c->child, settings->stop_timeout + settings->kill_after + HANGS_AFTER,
			 on_late);
}

static void charge_hurry(struct charge *c)
{
	child_signal(&c->child, WORKER_HASTE);
	child_kill_after(&c->child, HASTE_MOST, on_late);
}

/* What is to be done next, from what there is. */

static bool start_missing(void)
{
	if (deadline_is_set(&start_again))
		return false;
	if (charge_start(find_charge(is_absent)))
		return true;
	report("cannot start a worker: %s (trying again)", strerror(errno));
	start_later(0);
	return false;
}

static bool start_successor(void)
{
	struct charge *c = find_charge(is_absent);

	if (!c)
		return false; /* until one that retires is gone */
	if (charge_start(c))
		return true;
	report("cannot start a worker: %s; the old workers stay", strerror(errno));
	reload_fail(reloads);
	return false;
}

static void update_workers(void)
{
	struct charge *outdated;

	for (bool more = true; more;) {
		long present = count_present();

		if (present < settings->workers) {
			more = start_missing();
		} else if (find_charge(is_starting) || !(outdated = find_charge(is_outdated))) {
			more = false;
		} else if (present > settings->workers) {
			charge_retire(outdated);
		} else {
			more = start_successor();
		}
	}
	if (reloading && count_present() == settings->workers && !find_charge(is_starting) &&
	    !find_charge(is_outdated)) {
		reloading = false;
		report("reloaded");
	}
}

/* Others may go on with the same open file, so it becomes again what it was; but not
 * before nobody here can wait in accept(2) any more. */
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
	if (!find_charge(accepts))
		close_listener();
	if (!find_charge(is_left))
		loop_stop();
}

/* The end, and signals. */

static void parent_stop(void)
{
	stopping = true;
	deadline_clear(&start_again);
	on_stopping();
	for (struct charge *c = charges; c < charges + numbers; c++)
		if (c->state == STARTING || c->state == SERVING)
			charge_retire(c);
	parent_update();
}

static void on_stop(int signal)
{
	(void)signal;
	if (!stopping) {
		parent_stop();
		return;
	}
	for (struct charge *c = charges; c < charges + numbers; c++)
		if (c->state != ABSENT)
			charge_hurry(c);
}

static void on_reload(int signal)
{
	(void)signal;
	if (stopping)
		return;
	report("reloading");
	reloading = true;
	reloads++;
	parent_update();
}

static bool parent_open(bool heeds_hup)
{
	charges = calloc(numbers, sizeof *charges);
	for (size_t i = 0; charges && i < numbers; i++)
		charges[i].pipe = WATCH_NONE;
	return charges && loop_open() && children_open() && loop_catch(SIGTERM, on_stop) &&
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
	loop_run();
	close_listener();
	free(charges);
	return exit_status;
}
