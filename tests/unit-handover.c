/*
 * handover.h: what is written is read, by the process that it means; anything else is refused
 * as a whole.
 */
#include <config.h>

#include "handover.h"
#include "tap.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { SELF = 4711, MANY = 5000, MUTATIONS = 20000 };

static struct handover_worker two[] = {
	{ .pid = 2, .started = INT64_MAX, .output = -1, .phase = 0, .outdated = true },
	{ .pid = INT_MAX, .started = -1, .output = INT_MAX, .phase = 3, .outdated = false },
};

static bool is_same_worker(const struct handover_worker *a, const struct handover_worker *b)
{
	return a->pid == b->pid && a->started == b->started && a->output == b->output &&
	       a->phase == b->phase && a->outdated == b->outdated;
}

static bool is_same(const struct handover *a, const struct handover *b)
{
	bool same = a->trial == b->trial && a->socket == b->socket && a->bound == b->bound &&
		    strcmp(a->name, b->name) == 0 && a->reloading == b->reloading &&
		    a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = is_same_worker(&a->workers[i], &b->workers[i]);
	return same;
}

/* Whether it comes back as it was. */
static bool returns(const struct handover *sent)
{
	char *text = handover_write(sent, SELF);
	struct handover found;
	bool same = text && handover_read(&found, text, SELF) == HANDOVER_READ &&
		    is_same(sent, &found);

	if (text)
		handover_free(&found);
	free(text);
	return same;
}

static void round_trips(void)
{
	struct handover h = { .socket = 7, .name = "spawn-fcgi-1-2-3-4" };

	ok(returns(&h), "a supervisor without processes");
	h.trial = true;
	ok(returns(&h), "that it is a trial");
	h.trial = false;
	h.bound = true;
	ok(returns(&h), "that the socket is its own");
	h.bound = false;
	h.reloading = true;
	ok(returns(&h), "that it is reloading");
	h.socket = INT_MAX;
	ok(returns(&h), "any descriptor");
	memset(h.name, 'x', sizeof h.name - 1);
	ok(returns(&h), "the longest name");
	strcpy(h.name, "a name: 1 2 3");
	ok(returns(&h), "blanks in it");
	h.workers = two;
	h.count = 2;
	ok(returns(&h), "processes, with the least and the most of each number");
	h.trial = h.bound = true;
	memset(h.name, 'x', sizeof h.name - 1);
	ok(returns(&h), "all of that");
}

/* Each field alone makes another text. */
static void every_field(void)
{
	const struct handover_worker w = two[0];
	struct handover_worker others[] = { w, w, w, w, w };
	bool all = true;

	others[0].pid++;
	others[1].started--;
	others[2].output++;
	others[3].phase++;
	others[4].outdated = false;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		struct handover h = { .name = "n", .workers = &others[i], .count = 1 };

		all = all && returns(&h);
	}
	ok(all, "each number of a process on its own");
}

static void many(void)
{
	struct handover h = { .name = "n", .count = MANY };

	h.workers = calloc(MANY, sizeof *h.workers);
	for (int i = 0; i < MANY; i++)
		h.workers[i] = (struct handover_worker){
			.pid = 100 + i, .started = 1000000000 + i, .output = i, .phase = i % 4,
			.outdated = i % 3 == 0,
		};
	ok(returns(&h), "%d processes", MANY);
	free(h.workers);
}

static enum handover_kind kind_of(const char *text)
{
	struct handover found = { .count = 77 };
	enum handover_kind kind = handover_read(&found, text, SELF);

	if (kind == HANDOVER_READ)
		handover_free(&found);
	else if (found.workers || found.count > 0 || found.socket != -1)
		return -1; /* something is left */
	return kind;
}

static void others(void)
{
	ok(kind_of(NULL) == HANDOVER_NONE, "no text");
	ok(kind_of("") == HANDOVER_NONE, "an empty one");
	ok(kind_of("hello") == HANDOVER_NONE, "something else");
	ok(kind_of("4712 2 0 3 0 0 0 n") == HANDOVER_NONE, "another process's");
	ok(kind_of("47 2 0 3 0 0 0 n") == HANDOVER_NONE &&
	   kind_of("47110 2 0 3 0 0 0 n") == HANDOVER_NONE, "one whose number begins alike");
	ok(kind_of("99999999999999999999 2 0 3 0 0 0 n") == HANDOVER_NONE,
	   "one with a number that is no process's");
	ok(kind_of("4711 1 0 3 0 0 0 n") == HANDOVER_UNKNOWN &&
	   kind_of("4711 3 something new") == HANDOVER_UNKNOWN &&
	   kind_of("4711 4294967298 0 3 0 0 0 n") == HANDOVER_UNKNOWN, "one of another version");
	ok(kind_of("4711") == HANDOVER_UNKNOWN && kind_of("4711 2") == HANDOVER_UNKNOWN,
	   "one that ends at once");
}

static void wrong(void)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{ "4711 2 2 3 0 0 0 n", "a trial that is neither yes nor no" },
		{ "4711 2 0 -1 0 0 0 n", "no socket" },
		{ "4711 2 0 2147483648 0 0 0 n", "a descriptor beyond all" },
		{ "4711 2 0 3 9 0 0 n", "bound that is neither" },
		{ "4711 2 0 3 0 -1 0 n", "reloading that is neither" },
		{ "4711 2 0 3 0 0 -1 n", "fewer processes than none" },
		{ "4711 2 0 3 0 0 100001 n", "more than there can be" },
		{ "4711 2 0 3 0 0 18446744073709551616 n", "more than can be counted" },
		{ "4711 2 0 3 0 0 0", "no name" },
		{ "4711 2 0 3 0 0 0 ", "an empty name" },
		{ "4711 2 0 3 0 0 1 n", "fewer processes than it says" },
		{ "4711 2 0 3 0 0 0 n;5 1 6 1 0", "more processes than it says" },
		{ "4711 2 0 3 0 0 1 n;5 1 6 1 0;", "something behind the last" },
		{ "4711 2 0 3 0 0 1 n;1 1 6 1 0", "process 1" },
		{ "4711 2 0 3 0 0 1 n;0 1 6 1 0", "process 0" },
		{ "4711 2 0 3 0 0 1 n;-5 1 6 1 0", "a group of processes" },
		{ "4711 2 0 3 0 0 1 n;2147483648 1 6 1 0", "a process beyond all" },
		{ "4711 2 0 3 0 0 1 n;5 9223372036854775808 6 1 0", "a time beyond all" },
		{ "4711 2 0 3 0 0 1 n;5 1 -2 1 0", "an output below none" },
		{ "4711 2 0 3 0 0 1 n;5 1 6 -1 0", "a phase below all" },
		{ "4711 2 0 3 0 0 1 n;5 1 6 1 2", "outdated that is neither" },
		{ "4711 2 0 3 0 0 1 n;5 1 6 1", "a process cut short" },
		{ "4711 2 0 3 0 0 1 n;5 1 6 1 ", "one cut at a blank" },
		{ "4711 2 0 3 0 0 1 n;5 1 6 1 0x", "letters" },
		{ "4711 2 0 3 0 0 1 n;5 1  6 1 0", "two blanks" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ok(kind_of(rows[i].text) == HANDOVER_UNKNOWN, "refused: %s", rows[i].what);
}

static void too_long(void)
{
	char text[HANDOVER_NAME_SIZE + 64] = "4711 2 0 3 0 0 0 ";
	size_t head = strlen(text);

	memset(text + head, 'x', HANDOVER_NAME_SIZE - 1);
	ok(kind_of(text) == HANDOVER_READ, "a name for which there is just room");
	text[head + HANDOVER_NAME_SIZE - 1] = 'x';
	ok(kind_of(text) == HANDOVER_UNKNOWN, "refused: one longer");
}

/* Where a cut leaves less than was written, nothing is taken up. */
static void truncated(void)
{
	struct handover h = { .socket = 7, .name = "n", .workers = two, .count = 2 };
	char *text = handover_write(&h, SELF);
	size_t size = strlen(text), wrong_ones = 0;

	while (size-- > 0) {
		text[size] = '\0';
		/* "4711" is the first that means this process. */
		wrong_ones += kind_of(text) != (size < 4 ? HANDOVER_NONE : HANDOVER_UNKNOWN);
	}
	ok(wrong_ones == 0, "no part of a text is taken for the whole");
	free(text);
}

/* What is read from a text with faults is of some supervisor, and is written the same way. */
static void mutations(void)
{
	struct handover h = { .socket = 7, .name = "n", .workers = two, .count = 2 }, found;
	static const char letters[] = "0123456789 ;-n";
	char *good = handover_write(&h, SELF);
	size_t size = strlen(good), faults = 0, reads = 0;

	srand(1);
	for (int i = 0; i < MUTATIONS; i++) {
		char *text = strdup(good);

		for (int changes = 1 + rand() % 3; changes > 0; changes--)
			text[(size_t)rand() % size] = letters[(size_t)rand() % sizeof letters];
		if (handover_read(&found, text, SELF) == HANDOVER_READ) {
			reads++;
			faults += !returns(&found);
			handover_free(&found);
		} else {
			faults += found.workers != NULL;
		}
		free(text);
	}
	ok(faults == 0 && reads > 100, "%d texts with faults, of which some can be read", MUTATIONS);
	free(good);
}

int main(void)
{
	round_trips();
	every_field();
	many();
	others();
	wrong();
	too_long();
	truncated();
	mutations();
	return tap_done();
}
