/* What workers may do together: exact limits, and equal parts for those that wait. */
#include <config.h>

#include "../wrapper/slots.h"
#include "tap.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 4, MANY = 1000000, SPOOL = 1000, ROUNDS = 20000, RIVALS = 4 };

static long taken[64];

static bool begin(size_t running, size_t waiting, size_t background, size_t workers)
{
	const size_t most[SLOT_KINDS] = {
		[SLOT_RUNNING] = running,
		[SLOT_WAITING] = waiting,
		[SLOT_UNFINISHED] = 1,
		[SLOT_BACKGROUND] = background,
	};
	bool fine = slots_open(most, SPOOL, workers);

	slots_enter(0);
	return fine;
}

/* Takes so many, if there are: how many it got. */
static int take(enum slot_kind kind, int count)
{
	int got = 0;

	while (got < count && (taken[got] = slots_take(kind)) != SLOT_NONE)
		got++;
	return got;
}

/* Does something as another worker, which is killed afterwards: what it says. */
static int as_worker(size_t number, int (*work)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		slots_enter(number);
		_exit(work());
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status)
		       ? WEXITSTATUS(status) : -1;
}

static int take_all(void)
{
	return take(SLOT_RUNNING, 64);
}

static int wait_and_take_all(void)
{
	return take(SLOT_WAITING, 1) == 1 ? take_all() : -1;
}

static void check_limits(void)
{
	bool distinct = true;

	ok(begin(SLOTS, 2, 0, 1), "slots can be made");
	ok(take(SLOT_RUNNING, 64) == SLOTS, "as many are taken as there are");
	for (int i = 0; i < SLOTS; i++)
		for (int k = 0; k < i; k++)
			distinct &= taken[i] != taken[k];
	ok(distinct, "each once");
	ok(slots_taken(SLOT_RUNNING) == SLOTS && slots_most(SLOT_RUNNING) == SLOTS,
	   "and counted");
	slots_give(SLOT_RUNNING, taken[1]);
	ok(take(SLOT_RUNNING, 64) == 1, "what is given back can be taken again");
	ok(take(SLOT_WAITING, 64) == 2, "each kind has slots of its own");
	ok(take(SLOT_BACKGROUND, 64) == 0, "or none");
	ok(!slots_are_shared(), "one worker shares with nobody");
	ok(begin(MANY, 2, 0, 1) && take(SLOT_RUNNING, 1) == 1 && slots_most(SLOT_RUNNING) == MANY,
	   "there may be a million of them");
}

static void check_workers(void)
{
	begin(SLOTS, 2, 0, 2);
	ok(!slots_are_shared(), "one that is alone shares with nobody");
	take(SLOT_RUNNING, 3);
	ok(as_worker(1, take_all) == 1, "what one has taken another cannot take");
	ok(slots_are_shared(), "two workers share");
	ok(take(SLOT_RUNNING, 1) == 0 && slots_taken(SLOT_RUNNING) == SLOTS,
	   "what a worker held when it was killed stays taken");
	ok(as_worker(1, take_all) == 1, "until the next of its number comes");
	slots_enter(0);
	ok(slots_taken(SLOT_RUNNING) == 1, "which gives back nothing of the others");
	slots_free_all(1);
	ok(slots_taken(SLOT_RUNNING) == 0 && !slots_are_shared(), "or until it is told to be gone");
}

static long waiting[64];

static void wait_with(int count)
{
	for (int i = 0; i < count; i++)
		waiting[i] = slots_take(SLOT_WAITING);
}

/* As admission does: so many of those that wait run, if a slot is due. How many do. */
static int serve(int count)
{
	int running = 0;

	while (running < count && slots_take(SLOT_RUNNING) != SLOT_NONE)
		slots_give(SLOT_WAITING, waiting[running++]);
	return running;
}

static int serve_one_of_four(void)
{
	wait_with(4);
	return serve(1);
}

static int serve_six_of_twelve(void)
{
	wait_with(12);
	return serve(6);
}

static void check_parts(void)
{
	begin(8, 8, 0, 2);
	wait_with(4);
	ok(as_worker(1, serve_one_of_four) == 1, "another worker has requests that wait");
	ok(serve(4) == 2, "then this one runs no greater part of its own");
	begin(8, 16, 0, 2);
	wait_with(4);
	serve(1);
	ok(as_worker(1, serve_six_of_twelve) == 4,
	   "who has more that wait may run more");
	begin(8, 8, 0, 2);
	take(SLOT_RUNNING, 4);
	as_worker(1, wait_and_take_all);
	slots_give(SLOT_RUNNING, taken[0]);
	ok(take(SLOT_RUNNING, 64) == 1, "its part is due to it again and again");
	begin(8, 8, 0, 3);
	as_worker(1, take_all);
	ok(as_worker(2, wait_and_take_all) == 0 && take(SLOT_RUNNING, 64) == 0,
	   "a part is no reason for more than there are");
	begin(8, 8, 0, 2);
	ok(take(SLOT_RUNNING, 64) == 8, "while nobody waits, one may take all");
}

static int claim_one(void)
{
	long slot = slots_take(SLOT_RUNNING);

	return slots_claim(slot, SLOT_SCRIPT, 7, 2);
}

static void check_keys(void)
{
	begin(4, 2, 0, 2);
	take(SLOT_RUNNING, 2);
	slots_mark(SLOT_RUNNING, taken[0], SLOT_CLIENT, 5);
	ok(slots_key(taken[0], SLOT_CLIENT) == 5 && slots_key(taken[0], SLOT_SCRIPT) == 0 &&
	   slots_key(taken[1], SLOT_CLIENT) == 0, "a slot has keys of its own");
	slots_mark(SLOT_RUNNING, taken[1], SLOT_CLIENT, 5);
	ok(slots_marked(SLOT_RUNNING, SLOT_CLIENT, 5) == 2 &&
	   slots_marked(SLOT_WAITING, SLOT_CLIENT, 5) == 0 &&
	   slots_marked(SLOT_RUNNING, SLOT_SCRIPT, 5) == 0, "by which they are counted");
	slots_mark(SLOT_RUNNING, taken[0], SLOT_SCRIPT, 6);
	slots_mark(SLOT_RUNNING, taken[1], SLOT_SCRIPT, 6);
	ok(slots_marked(SLOT_RUNNING, SLOT_CLIENT, 6) == 0, "the one apart from the other");
	slots_give(SLOT_RUNNING, taken[1]);
	ok(slots_marked(SLOT_RUNNING, SLOT_CLIENT, 5) == 1, "as long as they are taken");
	ok(slots_claim(taken[0], SLOT_SCRIPT, 7, 2) && as_worker(1, claim_one) == 1,
	   "as many get the key as may");
	take(SLOT_RUNNING, 1);
	ok(!slots_claim(taken[0], SLOT_SCRIPT, 7, 2) && slots_key(taken[0], SLOT_SCRIPT) == 0,
	   "and no more, of all workers");
	slots_free_all(1);
	ok(slots_claim(taken[0], SLOT_SCRIPT, 7, 2), "a killed worker's are no longer counted");
}

static int wait_only_held(void)
{
	wait_with(4);
	slots_hold_back(4);
	return 0;
}

static int wait_for_any(void)
{
	wait_with(4);
	slots_hold_back(3);
	return 0;
}

static void check_held(void)
{
	begin(8, 8, 0, 2);
	take(SLOT_RUNNING, 4);
	as_worker(1, wait_only_held);
	ok(take(SLOT_RUNNING, 1) == 1, "no slot is due to who could not use it");
	as_worker(1, wait_for_any);
	ok(take(SLOT_RUNNING, 1) == 0, "but to who could");
}

static int wake(void)
{
	return slots_wake();
}

static int take_and_wake(void)
{
	return take(SLOT_RUNNING, 1) == 1 && slots_wake() && !slots_wake();
}

static void check_rest(void)
{
	begin(SLOTS, 2, 1, 2);
	ok(!slots_wake(), "nobody rests at first");
	ok(slots_rest() && !slots_wake(), "who rests is not woken while no slot is taken");
	ok(as_worker(1, take_and_wake) == 1, "but by the worker that takes one, once");
	ok(!slots_rest() && as_worker(1, wake) == 0, "there is no rest while slots are taken");
	slots_free_all(1);
	ok(slots_rest(), "until those of a killed worker are freed");
	take(SLOT_BACKGROUND, 1);
	ok(slots_wake() && !slots_rest(), "nor while a script goes on in the background");
}

static int spool_rest(void)
{
	return slots_spool(SPOOL - 600) && !slots_spool(1);
}

static void check_spool(void)
{
	begin(SLOTS, 2, 0, 2);
	ok(slots_spool(600) && !slots_spool(SPOOL - 599), "bytes on disk have a limit");
	ok(as_worker(1, spool_rest) == 1, "which is one for all workers");
	ok(!slots_spool(1), "and what a worker held when it was killed stays taken");
	slots_free_all(1);
	slots_unspool(100);
	ok(slots_spool(SPOOL - 500) && !slots_spool(1), "what is given back can be taken again");
}

/* Several take and give as fast as they can; never do more hold a slot than may. */
static void check_contention(void)
{
	atomic_int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				  -1, 0);
	atomic_int *holding = shared, *wrong = shared + 1;

	begin(2, 0, 0, RIVALS);
	for (size_t w = 0; w < RIVALS; w++) {
		if (fork() != 0)
			continue;
		slots_enter(w);
		for (int i = 0; i < ROUNDS; i++) {
			long slot = slots_take(SLOT_RUNNING);

			if (slot == SLOT_NONE)
				continue;
			if (atomic_fetch_add(holding, 1) >= 2)
				atomic_store(wrong, 1);
			atomic_fetch_sub(holding, 1);
			slots_give(SLOT_RUNNING, slot);
		}
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	ok(!*wrong && slots_taken(SLOT_RUNNING) == 0, "the limit holds whoever takes meanwhile");
}

int main(void)
{
	check_limits();
	check_workers();
	check_parts();
	check_keys();
	check_held();
	check_contention();
	check_rest();
	check_spool();
	return tap_done();
}
