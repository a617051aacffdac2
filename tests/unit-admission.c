/* Which requests may start their scripts now. */
#include <config.h>

#include "tap.h"
#include "world.h"

#include "../wrapper/admission.h"

#include <string.h>

enum { TICKETS = 8, SHORTAGE_PAUSE = 200, LOOK_AGAIN = 5 };

static struct admission admission;
static struct queue_party parties[TICKETS];
static struct ticket tickets[TICKETS];
static struct ticket *granted[TICKETS];
static size_t granted_count;

static void begin(size_t scripts, size_t queue)
{
	struct settings settings = world_settings();

	world_open(&settings);
	world.slots_most[SLOT_RUNNING] = scripts;
	world.slots_most[SLOT_WAITING] = queue;
	memset(&admission, 0, sizeof admission);
	memset(parties, 0, sizeof parties);
	for (size_t i = 0; i < TICKETS; i++)
		tickets[i] = TICKET_NONE;
	granted_count = 0;
}

static enum admission_answer ask(size_t number, size_t party)
{
	return admission_ask(&admission, &tickets[number], &parties[party]);
}

static void on_granted(struct ticket *t)
{
	granted[granted_count++] = t;
}

static void serve(void)
{
	admission_serve(&admission, on_granted);
}

/* A script has ended. */
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
	ok(granted[1] == &tickets[4], "parties in turn");
	ok(granted[2] == &tickets[1] && granted[3] == &tickets[2] && granted[4] == &tickets[3],
	   "and each party's in the order in which they came");
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
}

int main(void)
{
	test_slots();
	test_order();
	test_leaving();
	test_shortage();
	test_sharing();
	return tap_done();
}
