/* What workers write on the scoreboard, and what any of them reads there. */
#include <config.h>

#include "../wrapper/scoreboard.h"
#include "../wrapper/slots.h"
#include "loop.h"
#include "tap.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHOWN = 3, WORKERS = 2 };

static int64_t now = 1000000;
static struct score_sums sums;

/* In the place of the loop's clock. */
int64_t loop_now(void)
{
	return now;
}

static const struct score_texts texts = {
	.method = "GET", .uri = "/a", .query = "b=c", .script = "/srv/a", .client = "192.0.2.1",
	.content_length = -1,
};

static void begin(void)
{
	const size_t most[SLOT_KINDS] = {
		[SLOT_RUNNING] = 8, [SLOT_WAITING] = 8, [SLOT_SHOWN] = SHOWN,
	};

	slots_open(most, 0, WORKERS);
	slots_enter(0);
	scoreboard_open(SHOWN, WORKERS);
	scoreboard_enter(0);
}

static void as_worker(size_t number, void (*work)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		slots_enter(number);
		scoreboard_enter(number);
		work();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* A request that waits, runs, and ends with a status. */
static void serve(int64_t wait, int64_t run, int status)
{
	struct score score;

	scoreboard_begin(&score);
	scoreboard_show(&score, &texts);
	scoreboard_due(&score);
	now += wait;
	scoreboard_launch(&score);
	scoreboard_start(&score, 77, now);
	now += run;
	scoreboard_end(&score, status, false, 100);
}

static void serve_two(void)
{
	serve(0, 0, 200);
	serve(0, 0, 404);
}

static void check_closed(void)
{
	struct score score;

	scoreboard_begin(&score);
	scoreboard_show(&score, &texts);
	scoreboard_add(SCORE_CONNECTIONS, 1);
	scoreboard_end(&score, 200, false, 0);
	ok(!scoreboard_is_open() && score.slot == SLOT_NONE, "without a scoreboard nothing is kept");
}

static void check_counts(void)
{
	struct score score;

	begin();
	serve(0, 0, 200);
	serve(0, 0, 503);
	as_worker(1, serve_two);
	as_worker(1, serve_two);
	scoreboard_sum(&sums);
	ok(sums.counts[SCORE_REQUESTS] == 6 && sums.counts[SCORE_STATUS + 1] == 3 &&
	   sums.counts[SCORE_STATUS + 3] == 2 && sums.counts[SCORE_STATUS + 4] == 1 &&
	   sums.counts[SCORE_SENT] == 600,
	   "all workers are counted, also those that have come after another of their number");
	ok(sums.counts[SCORE_SCRIPT_5XX] == 1, "a 5xx without a cause is a script's");

	scoreboard_begin(&score);
	score.cause = CAUSE_TIME;
	scoreboard_end(&score, 504, false, 0);
	scoreboard_begin(&score);
	score.abandoned = true;
	scoreboard_end(&score, 0, true, 0);
	scoreboard_begin(&score);
	scoreboard_end(&score, 200, true, 0);
	scoreboard_sum(&sums);
	ok(sums.causes[CAUSE_TIME] == 1 && sums.counts[SCORE_SCRIPT_5XX] == 1,
	   "one with a cause is counted by that");
	ok(sums.counts[SCORE_ABORTED] == 1 && sums.counts[SCORE_CUT] == 1,
	   "who has left is no response cut");
}

static void check_times(void)
{
	begin();
	serve(5, 60000, 200);
	serve(6, 60001, 200);
	scoreboard_sum(&sums);
	ok(sums.queued.counts[0] == 1 && sums.queued.counts[1] == 1 && sums.queued.sum == 11,
	   "a wait counts up to a bound and with it");
	ok(sums.ran.counts[SCORE_BOUNDS - 1] == 1 && sums.ran.counts[SCORE_BOUNDS] == 1 &&
	   sums.ran.sum == 120001, "a run above all bounds is counted, too");
}

static void check_steps(void)
{
	const int64_t step = SCORE_STEP * 1000;

	begin();
	now -= now % step;
	serve(0, 4, 500);
	serve(0, 0, 200);
	scoreboard_sum(&sums);
	ok(sums.steps[SCORE_STEPS - 1].requests == 2 && sums.steps[SCORE_STEPS - 1].errors == 1 &&
	   sums.steps[SCORE_STEPS - 1].run == 4, "a request counts in the step in which it ends");
	now += step;
	scoreboard_sum(&sums);
	ok(sums.steps[SCORE_STEPS - 2].requests == 2 && sums.steps[SCORE_STEPS - 1].requests == 0,
	   "which moves on with the time");
	now += (SCORE_STEPS - 2) * step;
	scoreboard_sum(&sums);
	ok(sums.steps[0].requests == 2, "as far as the beginning");
	now += step;
	scoreboard_sum(&sums);
	ok(sums.steps[0].requests == 0 && sums.steps[SCORE_STEPS - 1].requests == 0,
	   "and is gone");
	serve(0, 0, 200);
	scoreboard_sum(&sums);
	ok(sums.steps[SCORE_STEPS - 1].requests == 1, "a step that comes in its place begins at 0");
}

static void check_most(void)
{
	struct score score;

	begin();
	slots_take(SLOT_RUNNING);
	slots_take(SLOT_RUNNING);
	scoreboard_begin(&score);
	scoreboard_launch(&score);
	slots_take(SLOT_WAITING);
	scoreboard_wait();
	slots_give(SLOT_RUNNING, 0);
	scoreboard_launch(&score);
	scoreboard_note_memory(5000);
	scoreboard_note_memory(4000);
	scoreboard_sum(&sums);
	ok(sums.running_most == 2 && sums.waiting_most == 1 && sums.memory_most == 5000,
	   "the most stays");
	ok(sums.counts[SCORE_WAITED] == 1, "who waits is counted");
}


static void leave_one(void)
{
	struct score score;

	scoreboard_begin(&score);
	scoreboard_show(&score, &texts);
}

static void check_shown(void)
{
	char large[1000];
	struct score_texts long_texts = { .method = large, .uri = large, .content_length = 7 };
	struct score_shown shown;
	struct score score, others[SHOWN];

	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	begin();
	scoreboard_begin(&score);
	scoreboard_show(&score, &texts);
	scoreboard_move(&score, 4);
	scoreboard_start(&score, 99, now);
	scoreboard_pass(&score, 10, 20);
	ok(scoreboard_read((size_t)score.slot, &shown) && strcmp(shown.texts.uri, "/a") == 0 &&
	   strcmp(shown.texts.client, "192.0.2.1") == 0 && shown.texts.user[0] == '\0' &&
	   shown.state == 4 && shown.pid == 99 && shown.received == 10 && shown.sent == 20,
	   "a request is shown as it is");
	scoreboard_end(&score, 200, false, 20);
	ok(score.slot == SLOT_NONE && !scoreboard_read(0, &shown) && !scoreboard_read(1, &shown),
	   "until it has ended");

	scoreboard_begin(&score);
	scoreboard_show(&score, &long_texts);
	ok(scoreboard_read((size_t)score.slot, &shown) &&
	   strlen(shown.texts.method) == sizeof shown.texts.method - 1 && shown.pid == 0 &&
	   shown.content_length == 7, "texts are cut, and nothing of an earlier one is left");
	scoreboard_end(&score, 200, false, 0);

	for (int i = 0; i < SHOWN; i++) {
		scoreboard_begin(&others[i]);
		scoreboard_show(&others[i], &texts);
	}
	scoreboard_begin(&score);
	scoreboard_show(&score, &texts);
	scoreboard_move(&score, 1);
	scoreboard_pass(&score, 1, 1);
	scoreboard_end(&score, 200, false, 0);
	scoreboard_sum(&sums);
	ok(score.slot == SLOT_NONE && sums.counts[SCORE_STATUS + 1] == 3,
	   "who finds no room is counted, and not shown");
	for (int i = 0; i < SHOWN; i++)
		scoreboard_end(&others[i], 200, false, 0);

	begin();
	as_worker(1, leave_one);
	ok(scoreboard_read(0, &shown), "what another worker does is shown");
	slots_free_all(1);
	ok(!scoreboard_read(0, &shown), "until it is known to have been killed");
	scoreboard_begin(&score);
	scoreboard_show(&score, &texts);
	ok(score.slot == 0 && scoreboard_read(0, &shown), "its place serves for another");
}

int main(void)
{
	check_closed();
	check_counts();
	check_times();
	check_steps();
	check_most();
	check_shown();
	return tap_done();
}
