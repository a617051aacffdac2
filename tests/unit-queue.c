/* Who waits, and whose turn it is. */
#include <config.h>

#include "../wrapper/queue.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 4, ENTRIES = 64 };

static struct queue queue;
static struct queue_entry entries[CLIENTS][ENTRIES]; /* of a, b, c, d */
static int used[CLIENTS];

/* Keys of clients share a bucket, so that none is taken for another. */
static uint64_t key_of(char letter)
{
	return (uint64_t)(letter - 'a' + 1) * QUEUE_BUCKETS;
}

static void begin(void)
{
	for (int c = 0; c < CLIENTS; c++)
		for (int i = 0; i < used[c]; i++)
			queue_leave(&queue, &entries[c][i]);
	queue = (struct queue){ .waiting = 0 };
	memset(entries, 0, sizeof entries);
	memset(used, 0, sizeof used);
}

/* Lets one of a client wait for each letter. */
static void enter_for(const char *letters, uint64_t script, bool held)
{
	for (; *letters; letters++) {
		int client = *letters - 'a';

		if (!queue_enter(&queue, &entries[client][used[client]++], key_of(*letters), script,
				 held))
			abort();
	}
}

static void enter(const char *letters)
{
	enter_for(letters, 0, false);
}

/* A letter for each script that runs. */
static void set_running(const char *letters)
{
	queue_forget_running(&queue);
	for (; *letters; letters++)
		queue_count_running(&queue, key_of(*letters));
}

/* Names an entry, as "a0 ". */
static int name(char *out, const struct queue_entry *entry)
{
	for (int c = 0; c < CLIENTS; c++)
		if (entry >= entries[c] && entry < entries[c] + ENTRIES)
			return sprintf(out, "%c%d ", 'a' + c, (int)(entry - entries[c]));
	return 0;
}

/* Takes so many, as "a0 b0 ", or fewer if there are no more; each has ended before the next. */
static const char *take(int count)
{
	static char taken[8 * ENTRIES];
	char *at = taken;
	struct queue_entry *entry;

	*at = '\0';
	while (count-- > 0 && (entry = queue_next(&queue))) {
		at += name(at, entry);
		queue_serve(&queue, entry);
		queue_forget_running(&queue);
	}
	return taken;
}

/* The same while all go on. */
static const char *take_and_keep(int count)
{
	static char taken[8 * ENTRIES];
	char *at = taken;
	struct queue_entry *entry;

	*at = '\0';
	while (count-- > 0 && (entry = queue_next(&queue))) {
		at += name(at, entry);
		queue_serve(&queue, entry);
	}
	return taken;
}

static bool gives(const char *expected)
{
	const char *taken = take(ENTRIES);

	if (strcmp(taken, expected) == 0)
		return queue.waiting == 0 && !queue_next(&queue);
	printf("# \"%s\" instead of \"%s\"\n", taken, expected);
	return false;
}

/* Takes out what waits of a client, by its number. */
static void leave(char letter, int number)
{
	queue_leave(&queue, &entries[letter - 'a'][number]);
}

static void check_order(void)
{
	begin();
	ok(gives(""), "nobody waits at first");
	enter("aaaa");
	ok(gives("a0 a1 a2 a3 "), "a client alone is served in its order");
	begin();
	enter("abcd");
	ok(gives("a0 b0 c0 d0 "), "clients with one each are served as they came");
	begin();
	enter("aaaaabbc");
	ok(gives("a0 b0 c0 a1 b1 a2 a3 a4 "), "clients take turns");
	begin();
	enter("aaaa");
	take(2);
	enter("b");
	ok(strcmp(take(2), "a2 b0 ") == 0 || queue.waiting == 1, "a newcomer waits for one turn at most");
	ok(gives("a3 "), "and the others go on");
	begin();
	enter("ab");
	take(1);
	enter("a");
	ok(gives("b0 a1 "), "a client that comes back waits behind the others");
}

static void check_fairness(void)
{
	int position = 0;

	begin();
	for (int i = 0; i < 50; i++)
		enter("a");
	enter("b");
	for (const char *taken = take(51); taken[0] && taken[0] != 'b'; taken += strcspn(taken, " ") + 1)
		position++;
	ok(position <= 1, "50 of one party do not hold up another");
}

static void check_running(void)
{
	begin();
	enter("aaabb");
	set_running("aab");
	ok(strcmp(take_and_keep(3), "b0 a0 b1 ") == 0,
	   "next is the client with the fewest scripts running");
	begin();
	enter("aaaaaab");
	set_running("aaaaaaaa");
	ok(strcmp(take_and_keep(2), "b0 a0 ") == 0, "a visitor passes one who has all slots");
	begin();
	enter("aaaabbbb");
	ok(strcmp(take_and_keep(8), "a0 b0 a1 b1 a2 b2 a3 b3 ") == 0, "what was just served runs, too");
	begin();
	enter("a");
	set_running("a");
	enter_for("a", 7, false);
	enter("b");
	ok(strcmp(take_and_keep(3), "b0 a0 a1 ") == 0, "a client's requests for each script count together");
}

static void check_holding(void)
{
	begin();
	enter_for("aa", 7, true);
	enter("ab");
	ok(queue.held == 2, "requests at a limit are held");
	ok(strcmp(take(9), "a2 b0 ") == 0 && queue.waiting == 2 && !queue_next(&queue),
	   "and passed over, not so others of their client");
	queue_hold(&queue, queue.parties, false);
	ok(queue.held == 0 && gives("a0 a1 "), "until they are no longer held");
	begin();
	enter("ab");
	queue_hold(&queue, entries[0][0].party, true);
	queue_hold(&queue, entries[0][0].party, true);
	enter("a");
	ok(queue.held == 2, "who joins them is held as well");
	leave('a', 0);
	ok(queue.held == 1, "who leaves is no longer");
	leave('a', 1);
	ok(queue.held == 0 && gives("b0 "), "so are all");
	begin();
	enter_for("a", 7, false);
	enter_for("a", 8, false);
	enter("b");
	ok(gives("a0 b0 a1 "), "one client with two scripts has one turn");
}

static const char *excess_over(char letter)
{
	static char found[8];
	const struct queue_entry *entry = queue_find_excess(&queue, key_of(letter));

	found[0] = '\0';
	if (entry)
		name(found, entry);
	return found;
}

static void check_excess(void)
{
	begin();
	enter("aaabb");
	ok(strcmp(excess_over('d'), "a2 ") == 0, "the client with the most gives way, with its newest");
	ok(strcmp(excess_over('b'), "") == 0, "not for one who has as many then");
	ok(strcmp(excess_over('a'), "") == 0, "nor for itself");
	leave('a', 0);
	leave('a', 1);
	leave('b', 0);
	ok(strcmp(excess_over('d'), "") == 0, "nobody gives way who has one");
	begin();
	enter("bbaaac");
	ok(strcmp(excess_over('d'), "a2 ") == 0, "whoever came first");
	begin();
	enter_for("aa", 7, true);
	enter_for("aa", 8, true);
	enter("bbb");
	ok(excess_over('d')[0] == 'a', "what a client wants of several scripts counts together");
}

static void check_leaving(void)
{
	begin();
	enter("aaabbb");
	leave('a', 1);
	leave('b', 0);
	ok(queue.waiting == 4, "who leaves is no longer counted");
	ok(gives("a0 b1 a2 b2 "), "and not served, whoever else waits");
	begin();
	enter("aaa");
	leave('a', 2);
	enter("a");
	ok(gives("a0 a1 a3 "), "the last may leave");
	begin();
	enter("abc");
	leave('b', 0);
	ok(gives("a0 c0 "), "a client may leave from the middle of the ring");
	begin();
	enter("abc");
	leave('a', 0);
	leave('c', 0);
	ok(gives("b0 "), "a client may leave from its ends");
	begin();
	enter("a");
	leave('a', 0);
	leave('a', 0);
	ok(queue.waiting == 0 && gives(""), "leaving twice does no harm");
	enter("ba");
	ok(gives("b0 a1 "), "and the queue can be used again");
}

/* Every way in which some of three parties' entries leave before the rest is served. */
static void check_all_leavings(void)
{
	bool fine = true;

	for (unsigned set = 0; set < 64; set++) {
		int left = 0, served = 0;

		begin();
		enter("aabbcc");
		for (int i = 0; i < 6; i++)
			if (set & 1u << i) {
				leave((char)('a' + i / 2), i % 2);
				left++;
			}
		fine &= queue.waiting == (size_t)(6 - left);
		while (take(1)[0])
			served++;
		fine &= served == 6 - left && queue.waiting == 0 && !queue.parties;
	}
	ok(fine, "whoever leaves, exactly the others are served");
}

int main(void)
{
	check_order();
	check_fairness();
	check_running();
	check_holding();
	check_excess();
	check_leaving();
	check_all_leavings();
	return tap_done();
}
