/* Texts of a supervisor that hands over, whole, cut and broken: what is read is what was written,
 * or is at least written in the same way again. */
#include <config.h>

#include "fuzz.h"
#include "handover.h"

enum { WORKERS_MOST = 6, TEXT_MOST = 1024, SELF = 4711 };

static char text[TEXT_MOST];
static struct handover_worker workers[WORKERS_MOST];
static struct handover sent;
static bool is_whole;

static int64_t some_number(void)
{
	uint64_t number = fuzz_next();

	return (int64_t)(fuzz_chance(30) ? number << 32 | fuzz_next()
			 : fuzz_chance(50) ? number & 15 : number);
}

static void make_sent(void)
{
	size_t name = 1 + fuzz_below(fuzz_chance(80) ? 10 : HANDOVER_NAME_SIZE - 1);

	sent = (struct handover){
		.trial = fuzz_chance(50), .socket = (int)(some_number() & 0x7fffffff),
		.bound = fuzz_chance(50), .reloading = fuzz_chance(50), .workers = workers,
		.count = fuzz_below(WORKERS_MOST + 1),
	};
	for (size_t i = 0; i < name; i++)
		sent.name[i] = "abc-019 :"[fuzz_below(9)];
	for (size_t i = 0; i < sent.count; i++)
		workers[i] = (struct handover_worker){
			.pid = 2 + (pid_t)(some_number() & 0x3fffffff), .started = some_number(),
			.output = (int)(some_number() & 0x7fffffff) - 1,
			.phase = (int)fuzz_below(4), .outdated = fuzz_chance(50),
		};
}

static void make_text(void)
{
	char *written;
	size_t size;

	is_whole = false;
	if (fuzz_given(text, sizeof text - 1, &size)) {
		text[size] = '\0';
		return;
	}
	make_sent();
	written = handover_write(&sent, SELF);
	snprintf(text, sizeof text, "%s", written);
	free(written);
	size = strlen(text);
	is_whole = fuzz_chance(30);
	for (size_t changes = is_whole ? 0 : fuzz_below(4); changes > 0; changes--)
		text[fuzz_below(size)] = fuzz_chance(80) ? "0123456789 ;-+x"[fuzz_below(15)]
							 : (char)fuzz_next();
	if (!is_whole && fuzz_chance(30))
		text[fuzz_below(size + 1)] = '\0';
}

static bool is_same(const struct handover *a, const struct handover *b)
{
	bool same = a->trial == b->trial && a->socket == b->socket && a->bound == b->bound &&
		    a->reloading == b->reloading && strcmp(a->name, b->name) == 0 &&
		    a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++) {
		const struct handover_worker *x = &a->workers[i], *y = &b->workers[i];

		same = x->pid == y->pid && x->started == y->started && x->output == y->output &&
		       x->phase == y->phase && x->outdated == y->outdated;
	}
	return same;
}

/* What is read can be handed over once more. */
static void expect_again(const struct handover *found)
{
	struct handover again;
	char *written = handover_write(found, SELF);

	fuzz_expect(handover_read(&again, written, SELF) == HANDOVER_READ && is_same(found, &again),
		    "what was read is not written so that it can be read");
	handover_free(&again);
	free(written);
}

static void one_round(void)
{
	struct handover found;
	enum handover_kind kind;
	char *copy;

	make_text();
	copy = strdup(text); /* of just that size, for who watches memory */
	kind = handover_read(&found, copy, SELF);
	free(copy);
	fuzz_expect(!is_whole || (kind == HANDOVER_READ && is_same(&sent, &found)),
		    "what was written is not read");
	if (kind == HANDOVER_READ) {
		expect_again(&found);
		for (size_t i = 0; i < found.count; i++)
			fuzz_expect(found.workers[i].pid > 1, "not a process of anybody");
		handover_free(&found);
	} else {
		fuzz_expect(!found.workers && found.count == 0, "a part was taken up");
	}
}

FUZZ_ENTRY("what is handed over is read as it was written", 20000, one_round)
