/* Which requests may start their scripts now. */
#include <config.h>

#include "tap.h"
#include "world.h"

#include "../wrapper/admission.h"

#include <string.h>

enum { TICKETS = 8, SHORTAGE_PAUSE = 200, LOOK_AGAIN = 5 };

static struct admission admission;
static struct ticket tickets[TICKETS];
static struct ticket *granted[TICKETS];
static size_t granted_count;
static struct ticket *displaced; /* the last one */

static void begin(size_t scripts, size_t queue)
{
	struct settings settings = world_settings();

	world_open(&settings);
	world.slots_most[SLOT_RUNNING] = scripts;
	world.slots_most[SLOT_WAITING] = queue;
	for (size_t i = 0; i < TICKETS; i++)
		queue_leave(&admission.queue, &tickets[i].entry);
	memset(&admission, 0, sizeof admission);
	for (size_t i = 0; i < TICKETS; i++)
		tickets[i] = TICKET_NONE;
	granted_count = 0;
	displaced = NULL;
}

static void on_displaced(struct ticket *t)
{
	displaced = t;
}

static enum admission_answer ask_for(size_t number, size_t client, uint64_t script)
{
	tickets[number].client = client + 1;
	tickets[number].script = script;
	return admission_ask(&admission, &tickets[number], on_displaced);
}

static enum admission_answer ask(size_t number, size_t client)
{
	return ask_for(number, client, 0);
}

static void on_granted(struct ticket *t)
{
	granted[granted_count++] = t;
}

static void serve(void)
{
	admission_serve(&admission, on_granted);
}

/* The first script has ended. */
static void give_back(void)
{
	slots_give(SLOT_RUNNING, 0);
}

static bool were_granted(size_t count, const size_t *numbers)
{
	bool same = granted_count == count;

	for (size_t i = 0; i < count && same; i++)
		same = granted[i] == &tickets[numbers[i]];
	return same;
}

#define GRANTED(...) \
	were_granted(sizeof (size_t[]){ __VA_ARGS__ } / sizeof(size_t), (size_t[]){ __VA_ARGS__ })

static void test_slots(void)
{
	begin(1, 2);
	ok(ask(0, 0) == ADMISSION_GRANTED && tickets[0].running != SLOT_NONE && slots_taken(SLOT_RUNNING) == 1,
	   "who comes first gets a slot");
	ok(ask(1, 0) == ADMISSION_WAITS && slots_taken(SLOT_WAITING) == 1, "the next one waits");
	ok(ask(2, 0) == ADMISSION_WAITS && ask(3, 0) == ADMISSION_FULL && slots_taken(SLOT_WAITING) == 2,
	   "as many as --queue allows, and no more");
	serve();
	ok(granted_count == 0, "nobody is granted a slot that is taken");
	give_back();
	serve();
	ok(GRANTED(1) && tickets[1].running != SLOT_NONE && slots_taken(SLOT_RUNNING) == 1 &&
	   slots_taken(SLOT_WAITING) == 1, "the first that waits is granted one that comes back");
	ok(ask(3, 0) == ADMISSION_WAITS, "and there is room in the queue");
	ok(!world.fault, "no slot was given back twice");

	begin(1, 0);
	ask(0, 0);
	ok(ask(1, 0) == ADMISSION_FULL, "a queue of 0 lets nobody wait");
}

static void test_order(void)
{
	begin(0, 8);
	for (size_t i = 0; i < 4; i++)
		ask(i, 0);
	world.slots_most[SLOT_RUNNING] = 4;
	ok(ask(4, 1) == ADMISSION_WAITS, "who comes later does not pass those who wait");
	serve();
	world.slots_most[SLOT_RUNNING] = 5;
	serve();
	ok(granted_count == 5 && granted[0] == &tickets[0], "all are served");
	ok(granted[1] == &tickets[4], "clients in turn");
	ok(granted[2] == &tickets[1] && granted[3] == &tickets[2] && granted[4] == &tickets[3],
	   "and each client's in the order in which they came");
	begin(4, 8);
	for (size_t i = 0; i < 6; i++)
		ask(i, 0);
	ask(6, 1);
	give_back();
	serve();
	ok(GRANTED(6), "who has nothing running goes before who has, even if that came first");
}

static void test_leaving(void)
{
	begin(0, 4);
	ask(0, 0);
	ask(1, 0);
	admission_leave(&admission, &tickets[0]);
	ok(slots_taken(SLOT_WAITING) == 1, "who leaves the queue gives back the slot there");
	admission_leave(&admission, &tickets[0]);
	admission_leave(&admission, &tickets[5]);
	ok(slots_taken(SLOT_WAITING) == 1 && !world.fault, "once");
	world.slots_most[SLOT_RUNNING] = 4;
	serve();
	ok(GRANTED(1), "and is not granted anything");
	admission_leave(&admission, &tickets[1]);
	ok(slots_taken(SLOT_RUNNING) == 1 && slots_taken(SLOT_WAITING) == 0 && !world.fault,
	   "who was granted a slot does not wait any more");
}

static void test_shortage(void)
{
	begin(4, 4);
	admission_back_off(&admission);
	ok(ask(0, 0) == ADMISSION_WAITS, "while the system is short of something, all wait");
	world_pass(SHORTAGE_PAUSE - 1);
	serve();
	ok(granted_count == 0, "for 200 ms");
	world_pass(1);
	serve();
	ok(GRANTED(0), "and then no longer");
	admission_back_off(&admission);
	ask(1, 0);
	world_pass(SHORTAGE_PAUSE - 1);
	admission_back_off(&admission);
	world_pass(SHORTAGE_PAUSE - 1);
	serve();
	ok(granted_count == 1, "a second shortage prolongs the pause");
	world_pass(1);
	serve();
	ok(granted_count == 2, "by no more than that");
}

static void test_sharing(void)
{
	begin(0, 4);
	ask(0, 0);
	serve();
	ok(world_next_deadline() == -1, "one worker waits for its own scripts only");
	world.slots_shared = true;
	serve();
	ok(world_next_deadline() == LOOK_AGAIN, "with others, slots are looked for again");
	admission_leave(&admission, &tickets[0]);
	world_pass(LOOK_AGAIN);
	serve();
	ok(world_next_deadline() == -1, "while somebody waits");
	ask(1, 0);
	world.slots_most[SLOT_RUNNING] = 1;
	serve();
	ok(GRANTED(1) && world_next_deadline() == -1, "not after the last has been served");
}

static void test_client_limit(void)
{
	begin(4, 4);
	admission.client_most = 2;
	ok(ask(0, 0) == ADMISSION_GRANTED && ask(1, 0) == ADMISSION_GRANTED, "a client gets slots");
	ok(ask(2, 0) == ADMISSION_WAITS, "up to --max-per-client");
	ok(admission_find_limit(&admission, &tickets[2]) == ADMISSION_BY_CLIENT, "which is told");
	serve();
	ok(granted_count == 0 && world.slots_held_back == 1, "beyond it a client is held back");
	ok(ask(3, 1) == ADMISSION_WAITS, "who comes now is behind it");
	serve();
	ok(GRANTED(3), "and passes it");
	give_back();
	serve();
	ok(granted_count == 2 && granted[1] == &tickets[2] && world.slots_held_back == 0,
	   "it goes on when one of its scripts has ended");

	begin(4, 1);
	admission.client_most = 1;
	ask(0, 0);
	ask(1, 0);
	serve();
	ok(ask(2, 1) == ADMISSION_GRANTED, "a queue full of who is held keeps no slot from others");
	ok(ask(3, 0) == ADMISSION_FULL, "and has no room for more of who is held");

	begin(4, 4);
	ask(0, 0);
	ok(ask(1, 0) == ADMISSION_GRANTED && ask(2, 0) == ADMISSION_GRANTED,
	   "without --max-per-client there is no limit");
}

static void test_script_limit(void)
{
	begin(4, 4);
	admission.script_most = 1;
	ask(0, 0);
	ok(admission_take_script(tickets[0].running, 7, 1), "a script may run");
	ask(1, 1);
	ok(!admission_take_script(tickets[1].running, 7, 1), "up to --max-per-script");
	slots_give(SLOT_RUNNING, tickets[1].running);
	ok(ask_for(1, 1, 7) == ADMISSION_WAITS, "beyond it a request waits");
	ok(admission_find_limit(&admission, &tickets[1]) == ADMISSION_BY_SCRIPT, "which is told");
	serve();
	ok(granted_count == 0 && world.slots_held_back == 1, "as long as the other runs");
	ask(2, 1);
	serve();
	ok(GRANTED(2), "others of its client pass it");
	ok(admission_take_script(tickets[2].running, 8, 1), "with another script");
	give_back();
	ask(3, 2);
	serve();
	ok(granted_count == 3 && tickets[1].running != SLOT_NONE,
	   "it goes on when the script has ended");
	ok(admission_take_script(tickets[1].running, 7, 1), "and is counted once");
	ok(!admission_take_script(tickets[3].running, 7, 1), "before who came later");

	begin(4, 4);
	admission.script_most = 2;
	ask(0, 0);
	admission_take_script(tickets[0].running, 7, 2);
	ask_for(1, 1, 7);
	ask(2, 2);
	serve();
	slots_give(SLOT_RUNNING, tickets[1].running);
	ask_for(1, 1, 7);
	ok(!admission_take_script(tickets[2].running, 7, 2),
	   "nobody takes the place for which another waits");

	begin(4, 8);
	admission.script_most = 2;
	for (size_t i = 0; i < 4; i++)
		ask_for(i, i, 7);
	serve();
	ok(GRANTED(0, 1), "in one turn no more are granted than may run");
}

/* Another worker has as many scripts running: of a client, of a script. */
static void run_elsewhere(size_t count, uint64_t client, uint64_t script)
{
	for (; count > 0; count--) {
		long slot = slots_take(SLOT_RUNNING);

		slots_mark(SLOT_RUNNING, slot, SLOT_CLIENT, client + 1);
		slots_mark(SLOT_RUNNING, slot, SLOT_SCRIPT, script);
	}
	world.slots_shared = true;
}

static void test_limits_of_all(void)
{
	long slot;

	begin(8, 8);
	admission.client_most = admission.script_most = 2;
	run_elsewhere(2, 0, 7);
	ok(ask(0, 0) == ADMISSION_WAITS, "what a client runs in other workers counts");
	ask_for(1, 1, 7);
	serve();
	ok(granted_count == 0, "and what runs of a script there");
	give_back();
	serve();
	ok(granted_count == 0, "who is held gets nothing at once when a script of others ends");
	world_pass(LOOK_AGAIN);
	serve();
	ok(granted_count == 2, "but at the next look");

	begin(8, 8);
	admission.client_most = 2;
	run_elsewhere(1, 0, 0);
	slot = slots_take(SLOT_WAITING);
	slots_mark(SLOT_WAITING, slot, SLOT_CLIENT, 1);
	ok(ask(0, 0) == ADMISSION_WAITS, "who comes does not pass who waits in another worker");
	serve();
	ok(granted_count == 0, "at once");
	world_pass(LOOK_AGAIN);
	serve();
	ok(GRANTED(0), "but has the same chance from the next look on");
}

static void test_full_queue(void)
{
	begin(0, 3);
	for (size_t i = 0; i < 3; i++)
		ask(i, 0);
	ok(ask(3, 0) == ADMISSION_FULL && !displaced, "a full queue has no room for one more of the same");
	ok(ask(4, 1) == ADMISSION_WAITS && displaced == &tickets[2] && displaced->waiting == SLOT_NONE,
	   "another client gets the place of the newest of who has most");
	ok(slots_taken(SLOT_WAITING) == 3 && admission.queue.waiting == 3 && !world.fault,
	   "and no more wait than may");
	displaced = NULL;
	ok(ask(5, 1) == ADMISSION_FULL && !displaced, "but not if it would have as many then");
	world.slots_most[SLOT_RUNNING] = 8;
	serve();
	ok(GRANTED(0, 4, 1), "who is displaced is granted nothing");
}

static void test_memory(void)
{
	begin(0, 4);
	world.refuse = world_refuse_memory;
	ok(ask(0, 0) == ADMISSION_NO_MEMORY && slots_taken(SLOT_WAITING) == 0 &&
	   tickets[0].waiting == SLOT_NONE, "without memory nobody waits");
	world.refuse = NULL;
	ok(ask(0, 0) == ADMISSION_WAITS, "until there is some");
}

int main(void)
{
	test_client_limit();
	test_script_limit();
	test_limits_of_all();
	test_full_queue();
	test_memory();
	test_slots();
	test_order();
	test_leaving();
	test_shortage();
	test_sharing();
	return tap_done();
}
