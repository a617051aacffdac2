/*
 * retire.h, with processes, looks at them and a clock that are made up here: who serves is left
 * alone, nobody stays longer than allowed, and one look is for all.
 */
#include <config.h>

#include "retire.h"

#include "census.h"
#include "report.h"
#include "tap.h"

#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 60, NEVER = -1, FIRST_PID = 100 };

/* A process, and what was done to it. */
static struct process {
	struct worker worker;
	long connections;
	bool hidden, gone;
	int slow;         /* looks until it is still, after it was stopped */
	bool accepts;     /* on its way there; the look at which it is still misses that */
	bool wakes;       /* as soon as it was seen to be still: somebody else lets it go on */
	bool left_others; /* when it has ended */

	bool stopped;
	int stops, asked, kills;
	int64_t asked_at, killed_at;
} all[MOST];

static int count;
static int64_t now;
static struct deadline *set; /* any number, in no order */
static struct settings settings;

static int looks, looked_at; /* censuses, and sessions in all of these */
static int fail_from;        /* this census fails, and all after it; 0: none */
static int64_t pause_of_looks;
static int others_stopped, others_continued;
static char told[512];

static struct process *process_of(const struct worker *w)
{
	return (struct process *)(void *)((char *)(uintptr_t)w - offsetof(struct process, worker));
}

static struct process *process_of_child(const struct child *c)
{
	return process_of(LOOP_OWNER((uintptr_t)c, struct worker, child));
}

/* The loop. */

int64_t loop_now(void)
{
	return now;
}

void deadline_clear(struct deadline *d)
{
	struct deadline **link = &set;

	while (*link && *link != d)
		link = &(*link)->next;
	if (*link)
		*link = d->next;
	d->lane = NULL;
}

void deadline_set(struct deadline *d, int64_t delay, void (*passed)(struct deadline *))
{
	static char any;

	deadline_clear(d);
	d->at = now + (delay > 1 ? delay : 1);
	d->passed = passed;
	d->lane = (struct lane *)(void *)&any;
	d->next = set;
	set = d;
}

static struct deadline *first_due(int64_t until)
{
	struct deadline *first = NULL;

	for (struct deadline *d = set; d; d = d->next)
		if (d->at <= until && (!first || d->at < first->at))
			first = d;
	return first;
}

/* Lets so many milliseconds pass. */
static void pass(int64_t milliseconds)
{
	int64_t until = now + milliseconds;
	struct deadline *d;

	while ((d = first_due(until))) {
		now = d->at;
		deadline_clear(d);
		d->passed(d);
	}
	now = until;
}

/* Workers and their processes. */

struct worker *worker_first;

long worker_count(void)
{
	return count;
}

bool worker_is_here(const struct worker *w)
{
	return w->phase <= WORKER_READY;
}

void worker_let_go(struct worker *w)
{
	deadline_clear(&w->look_ready);
	deadline_clear(&w->expiry);
}

void worker_signal(struct worker *w, int signal)
{
	struct process *p = process_of(w);

	if (signal == SIGKILL)
		return; /* worker_kill comes with it */
	p->asked++;
	p->asked_at = now;
	if (signal != settings.stop_signal)
		p->asked = -100;
}

void worker_kill(struct worker *w)
{
	struct process *p = process_of(w);

	p->kills++;
	p->killed_at = now;
	p->gone = true;
}

void child_signal_group(struct child *child, int signal)
{
	struct process *p = process_of_child(child);

	if (signal == SIGSTOP)
		p->stops++;
	p->stopped = signal == SIGSTOP;
}

void child_kill_after(struct child *child, int64_t timeout, void (*passed)(struct deadline *))
{
	deadline_set(&child->kill, timeout, passed);
}

struct child *child_of_kill(struct deadline *d)
{
	return LOOP_OWNER(d, struct child, kill);
}

bool child_left_others(const struct child *child)
{
	return child->ended && process_of_child(child)->left_others;
}

static void look_at(struct process *p, struct census_entry *entry)
{
	bool still = p->stopped && p->slow == 0;

	*entry = (struct census_entry){
		.leader = entry->leader, .processes = !p->gone, .awake = !p->gone && !still,
		.connections = p->gone ? 0 : p->connections, .hidden = p->hidden,
	};
	if (p->stopped && p->slow > 0)
		p->slow--;
	if (still && p->wakes)
		p->slow = 1000;
	if (still && p->accepts) {
		p->connections++;
		p->accepts = false;
	}
}

bool census_take(struct census_entry *entries, size_t sessions, long *waiting)
{
	*waiting = 0;
	looks++;
	looked_at += (int)sessions;
	if (fail_from && looks >= fail_from)
		return false;
	for (size_t i = 0; i < sessions; i++)
		look_at(&all[entries[i].leader - FIRST_PID], &entries[i]);
	return true;
}

int64_t census_pause(void)
{
	return pause_of_looks;
}

void census_signal_others(const pid_t *leaders, size_t sessions, int signal)
{
	(void)leaders;
	*(signal == SIGSTOP ? &others_stopped : &others_continued) += (int)sessions;
}

void report(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(told, sizeof told, format, arguments);
	va_end(arguments);
}

/* A pool of so many that are idle, and nothing done yet. */
static void begin(int processes, bool watched)
{
	while (set)
		deadline_clear(set);
	memset(all, 0, sizeof all);
	settings = (struct settings){ .stop_signal = SIGUSR1, .stop_timeout = 10000,
				      .stop_busy = NEVER };
	now = 1000000;
	looks = looked_at = fail_from = 0;
	pause_of_looks = 0;
	others_stopped = others_continued = 0;
	*told = '\0';
	count = processes;
	worker_first = processes > 0 ? &all[0].worker : NULL;
	for (int i = 0; i < processes; i++) {
		all[i].worker.child.pid = FIRST_PID + i;
		all[i].worker.phase = WORKER_READY;
		all[i].worker.next = i + 1 < processes ? &all[i + 1].worker : NULL;
	}
	retire_open(&settings, watched);
}

static bool is_untouched(const struct process *p)
{
	return p->stops == 0 && p->asked == 0 && p->kills == 0;
}

/* Who was stopped goes on. */
static bool all_go_on(void)
{
	for (int i = 0; i < count; i++)
		if (all[i].stopped)
			return false;
	return others_stopped == others_continued;
}

static void on_expiry(struct deadline *d)
{
	(void)d;
}

static void idle_ones(void)
{
	struct process *p = all;

	begin(1, true);
	deadline_set(&p->worker.look_ready, 5, on_expiry);
	deadline_set(&p->worker.expiry, 5, on_expiry);
	retire(&p->worker, 0);
	ok(p->worker.phase == WORKER_RETIRING && !worker_is_here(&p->worker), "it does not count");
	ok(!p->worker.look_ready.lane && !p->worker.expiry.lane,
	   "and its age and start do not matter any more");
	pass(2);
	ok(p->asked == 1 && p->worker.phase == WORKER_ASKED, "who is idle is asked at once");
	ok(p->stops == 1 && others_stopped == 1 && all_go_on(),
	   "while it is stopped, with all of its session, and goes on");
	ok(set == &p->worker.child.kill && !set->next, "with nothing more to look at");
	pass(9000);
	ok(p->asked == 1 && p->stops == 1 && looks == 3, "once, and is not looked at again");

	begin(1, true);
	p->worker.phase = WORKER_STARTING;
	retire(&p->worker, 0);
	pass(2);
	ok(p->asked == 1, "so is who is not ready yet");
}

static void busy_ones(void)
{
	struct process *p = all;

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 0);
	pass(3600000);
	ok(is_untouched(p) && p->worker.phase == WORKER_RETIRING,
	   "who is busy is neither stopped nor asked, for an hour");
	ok(looks > 3600 && looks < 3600 * 8, "while it is looked at a few times a second");
	p->connections = 0;
	pass(300);
	ok(p->asked == 1 && p->kills == 0, "when it is idle it is asked");

	begin(2, true);
	all[0].connections = 2;
	retire(&all[0].worker, 0);
	pass(1000);
	retire(&all[1].worker, 0);
	pass(2);
	ok(all[1].asked == 1 && is_untouched(&all[0]), "another does not wait for it");
	all[0].connections = 0;
	pass(20);
	ok(all[0].asked == 1, "and looks are frequent then");
}

static void busy_ones_that_may_be_asked(void)
{
	struct process *p = all;

	begin(1, true);
	settings.stop_busy = 500;
	p->connections = 1;
	retire(&p->worker, 0);
	pass(499);
	ok(is_untouched(p), "--stop-busy: not before");
	pass(300);
	ok(p->asked == 1 && p->stops == 0 && p->kills == 0, "but then, without being stopped");
	pass(9000);
	ok(p->asked == 1 && p->kills == 0, "once");

	begin(1, true);
	settings.stop_busy = 0;
	p->connections = 1;
	retire(&p->worker, 0);
	pass(1);
	ok(p->asked == 1 && p->stops == 0 && looks == 0, "--stop-busy 0: at once, without a look");
}

static void bounded_ones(void)
{
	struct process *p = all;

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 10000);
	pass(8999);
	ok(is_untouched(p), "a bound: who is busy has nearly all of the time");
	pass(1);
	ok(p->asked == 1 && p->stops == 0 && p->worker.phase == WORKER_ASKED,
	   "and is asked a second before its end");
	pass(999);
	ok(p->kills == 0, "not killed before that");
	pass(1);
	ok(p->kills == 1 && p->killed_at == 1010000, "but then, to the millisecond");
	ok(strcmp(told, "process 100 did not stop in time; killing it") == 0, "which is told");

	begin(1, true);
	settings.stop_timeout = 400;
	p->connections = 1;
	retire(&p->worker, 400);
	pass(500);
	ok(p->asked_at == 1000300 && p->killed_at == 1000400,
	   "of a short time it is the last quarter");

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 5);
	pass(10);
	ok(p->asked == 1 && p->killed_at == 1000005, "of a shorter one all but a millisecond");

	begin(1, true);
	retire(&p->worker, 10000);
	pass(2);
	ok(p->asked == 1, "who is idle is asked at once");
	pass(9997);
	ok(p->asked == 1 && p->kills == 0, "and not again");
	pass(1);
	ok(p->kills == 1 && p->killed_at == 1010000, "and killed at the end, if it is still there");
}

static void bounds_meet(void)
{
	struct process *p = all;

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 5000);
	retire(&p->worker, 10000);
	pass(20000);
	ok(p->asked == 1 && p->killed_at == 1005000, "of two bounds the earlier one counts");

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 10000);
	pass(1000);
	retire(&p->worker, 3000);
	pass(20000);
	ok(p->asked == 1 && p->asked_at == 1003000 && p->killed_at == 1004000,
	   "also if it comes later");

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 0);
	pass(100000);
	retire(&p->worker, 2000);
	pass(2000);
	ok(p->asked_at == 1101000 && p->killed_at == 1102000, "or is the first");

	begin(1, true);
	retire(&p->worker, 0);
	pass(2);
	p->connections = 1;
	retire(&p->worker, 2000);
	pass(2000);
	ok(p->asked == 1 && p->killed_at == 1002002, "who was asked already is killed only");

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 10000);
	pass(9500);
	retire(&p->worker, 20000);
	pass(500);
	ok(p->asked == 1 && p->kills == 1, "a stop that comes shortly before the end changes nothing");
}

static void overdue_ones(void)
{
	struct process *p = all;

	begin(1, true);
	retire(&p->worker, 0);
	pass(10000);
	ok(p->asked == 1 && p->kills == 0, "no bound: who was asked has --stop-timeout");
	pass(2);
	ok(p->kills == 1 && strstr(told, "100 did not stop in time, and is idle; killing it"),
	   "and is killed then if it is idle, which is told");

	begin(1, true);
	retire(&p->worker, 0);
	pass(2);
	p->connections = 1;
	pass(99000);
	ok(p->kills == 0 && p->stops == 1, "who serves then is not");
	p->connections = 0;
	pass(10000);
	ok(p->kills == 1, "until it does not");
}

static void many_at_once(void)
{
	int asked = 0, stops = 0;

	begin(MOST, true);
	all[7].connections = 1;
	for (int i = 0; i < MOST; i++)
		retire(&all[i].worker, 0);
	pass(1);
	for (int i = 0; i < MOST; i++) {
		asked += all[i].asked;
		stops += all[i].stops;
	}
	ok(asked == MOST - 1 && stops == MOST - 1 && is_untouched(&all[7]),
	   "many at once: who is idle is asked");
	ok(looks == 3, "in three looks: who may be idle, whether all are still, who is idle");
	ok(looked_at == MOST + 2 * (MOST - 1), "of which the last two are not at who is busy");
	ok(all_go_on() && others_stopped == MOST - 1, "all of them go on");
	looks = looked_at = 0;
	pass(8);
	ok(looks == 1 && looked_at == 1, "then only who is left is looked at, once each time");

	begin(MOST, true);
	all[3].slow = 5;
	for (int i = 0; i < MOST; i++)
		retire(&all[i].worker, 0);
	pass(1);
	ok(looks == 8 && all[3].asked == 1 && all[4].asked == 1,
	   "one that takes a while to stop costs a few looks, not some for each");
}

static void races(void)
{
	struct process *p = all;

	begin(1, true);
	p->accepts = true;
	retire(&p->worker, 0);
	pass(2);
	ok(p->stops == 1 && p->asked == 0 && all_go_on(),
	   "who has accepted something on its way to the stop is left alone");
	pass(5000);
	ok(p->stops == 1 && p->asked == 0, "and not stopped again while it serves");
	p->connections = 0;
	pass(300);
	ok(p->asked == 1, "and asked afterwards");

	begin(2, true);
	all[0].accepts = true;
	retire(&all[0].worker, 0);
	retire(&all[1].worker, 0);
	pass(2);
	ok(all[0].asked == 0 && all[1].asked == 1, "that it has is no matter of the others");

	begin(1, true);
	p->accepts = true;
	p->slow = 19;
	retire(&p->worker, 0);
	pass(2);
	ok(looks == 21 && p->asked == 0 && all_go_on(),
	   "also if it is still at the last of these looks");

	begin(1, true);
	p->wakes = true;
	retire(&p->worker, 0);
	pass(2);
	ok(p->stops == 1 && p->asked == 0 && all_go_on(),
	   "so is who is let go on by somebody else meanwhile");

	begin(2, true);
	all[0].slow = 1000;
	retire(&all[0].worker, 0);
	retire(&all[1].worker, 0);
	pass(2);
	ok(all[0].asked == 0 && all[1].asked == 1 && all_go_on(),
	   "who does not stop is let go on after a while, and not asked");
	ok(looks == 21, "which is bounded");
	all[0].slow = 0;
	pass(300);
	ok(all[0].asked == 1, "but tried again");
}

static void hidden_ones(void)
{
	struct process *p = all;

	begin(1, true);
	p->hidden = true;
	retire(&p->worker, 10000);
	pass(8999);
	ok(is_untouched(p), "who hides is taken for busy");
	pass(1001);
	ok(p->asked_at == 1009000 && p->killed_at == 1010000, "and asked, and killed, like that");

	begin(1, true);
	retire(&p->worker, 0);
	pass(2);
	p->hidden = true;
	pass(100000);
	ok(p->asked == 1 && p->kills == 0, "and not killed as one that is idle");
}

static void unseen_ones(void)
{
	struct process *p = all;

	begin(1, false);
	p->connections = 1;
	retire(&p->worker, 0);
	pass(1);
	ok(p->asked == 1 && p->stops == 0 && looks == 0,
	   "where nobody can be told busy from idle, all are asked at once");
	pass(100000);
	ok(p->asked == 1 && p->kills == 0 && looks == 0, "and not killed as one that is idle");
	retire(&p->worker, 100);
	pass(100);
	ok(p->kills == 1, "but when a bound says so");
	begin(1, false);
	ok(!retire_if_idle(&p->worker) && is_untouched(p) && looks == 0, "none is known to be idle");
}

static void if_idle(void)
{
	struct process *p = all;

	begin(1, true);
	deadline_set(&p->worker.expiry, 5, on_expiry);
	ok(retire_if_idle(&p->worker) && p->asked == 1 && p->worker.phase == WORKER_ASKED &&
	   !p->worker.expiry.lane && all_go_on(), "asked if it is idle: it is, at once");
	pass(10002);
	ok(p->kills == 1, "and killed if it does not heed that");
	begin(1, true);
	p->connections = 1;
	ok(!retire_if_idle(&p->worker) && is_untouched(p) && p->worker.phase == WORKER_READY,
	   "asked if it is idle: it is not, and goes on as before");
	pass(100000);
	ok(is_untouched(p), "for ever");
}

static void blind_looks(void)
{
	struct process *p = all;

	begin(1, true);
	fail_from = 1;
	retire(&p->worker, 0);
	pass(1000);
	ok(is_untouched(p) && looks > 3, "looks fail: nobody is touched, and all is tried again");
	fail_from = 0;
	pass(300);
	ok(p->asked == 1, "with success, when they do not");

	begin(1, true);
	fail_from = 2;
	retire(&p->worker, 0);
	pass(1);
	ok(p->stops == 1 && p->asked == 0 && all_go_on(),
	   "looks fail while somebody is stopped: it goes on");
	begin(1, true);
	fail_from = 3;
	p->accepts = true;
	retire(&p->worker, 0);
	pass(1);
	ok(p->stops == 1 && p->asked == 0 && all_go_on(), "also if one has not failed");

	begin(1, true);
	fail_from = 1;
	retire(&p->worker, 10000);
	pass(10000);
	ok(p->asked_at == 1009000 && p->killed_at == 1010000, "a bound holds without looks");
}

static void costly_looks(void)
{
	begin(1, true);
	all[0].connections = 1;
	pause_of_looks = 100;
	retire(&all[0].worker, 0);
	pass(110);
	ok(looks == 2, "looks that cost much are fewer");
	pause_of_looks = 100000;
	pass(1000);
	looks = 0;
	pass(1000);
	ok(looks >= 3, "but some a second there are");
}

static void remains(void)
{
	struct process *p = all;

	begin(1, true);
	p->worker.child.ended = true;
	retire_remains(&p->worker);
	pass(20000);
	ok(is_untouched(p) && looks == 0, "who has ended and left nobody is left alone");

	begin(1, true);
	p->worker.child.ended = p->left_others = true;
	retire_remains(&p->worker);
	ok(!worker_is_here(&p->worker), "what it has left does not count");
	pass(2);
	ok(p->asked == 1, "and is asked");
	pass(9998);
	ok(p->kills == 1 && p->killed_at == 1010000, "and killed after --stop-timeout");

	begin(1, true);
	retire(&p->worker, 0);
	pass(2);
	p->worker.child.ended = p->left_others = true;
	retire_remains(&p->worker);
	pass(2);
	ok(p->asked == 2, "also if it was asked itself before");
	pass(10000);
	ok(p->kills == 1, "and killed");

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 0);
	pass(50);
	p->worker.child.ended = p->left_others = true;
	retire_remains(&p->worker);
	pass(8999);
	ok(p->asked == 0, "what is left and serves may do that");
	pass(1001);
	ok(p->asked == 1 && p->kills == 1 && p->killed_at == 1010050,
	   "for --stop-timeout, also if its leader was to end anyway");

	begin(1, true);
	p->connections = 1;
	retire(&p->worker, 3000);
	p->worker.child.ended = p->left_others = true;
	pass(1000);
	retire_remains(&p->worker);
	pass(10000);
	ok(p->killed_at == 1003000, "and not longer than its leader could");
}

static void resumed_ones(void)
{
	struct process *p = all;

	begin(1, true);
	retire_resume(&p->worker);
	pass(20000);
	ok(is_untouched(p), "taken up from an earlier life: who was to stay stays");

	begin(1, true);
	p->worker.phase = WORKER_RETIRING;
	retire_resume(&p->worker);
	pass(2);
	ok(p->asked == 1, "who was to end is asked");

	begin(1, true);
	p->worker.phase = WORKER_ASKED;
	retire_resume(&p->worker);
	pass(9999);
	ok(is_untouched(p), "who was asked is not asked again");
	pass(3);
	ok(p->asked == 0 && p->kills == 1, "but killed if it is idle");

	begin(1, true);
	p->worker.phase = WORKER_RETIRING;
	p->worker.child.ended = p->left_others = true;
	p->connections = 1;
	retire_resume(&p->worker);
	pass(10000);
	ok(p->asked_at == 1009000 && p->killed_at == 1010000,
	   "what an ended one has left is still bounded");
}

int main(void)
{
	idle_ones();
	busy_ones();
	busy_ones_that_may_be_asked();
	bounded_ones();
	bounds_meet();
	overdue_ones();
	many_at_once();
	races();
	hidden_ones();
	unseen_ones();
	if_idle();
	blind_looks();
	costly_looks();
	remains();
	resumed_ones();
	return tap_done();
}
