/* Who waits, and whose turn it is. */
#include <config.h>

#include "../wrapper/queue.h"
#include "tap.h"

#include <string.h>

enum { PARTIES = 4, ENTRIES = 64 };

static struct queue queue;
static struct queue_party parties[PARTIES]; /* a, b, c, d */
static struct queue_entry entries[PARTIES][ENTRIES];
static int used[PARTIES];

static void begin(void)
{
	queue = (struct queue){ .waiting = 0 };
	memset(parties, 0, sizeof parties);
	memset(entries, 0, sizeof entries);
	memset(used, 0, sizeof used);
}

/* Lets one wait for each letter. */
static void enter(const char *letters)
{
	for (; *letters; letters++) {
		int party = *letters - 'a';

		queue_enter(&queue, &entries[party][used[party]++], &parties[party]);
	}
}

/* Takes so many, as "a0 b0 ", or fewer if there are no more. */
static const char *take(int count)
{
	static char taken[8 * ENTRIES];
	char *at = taken;
	struct queue_entry *entry;

	*at = '\0';
	while (count-- > 0 && (entry = queue_next(&queue)))
		for (int p = 0; p < PARTIES; p++)
			if (entry >= entries[p] && entry < entries[p] + ENTRIES)
				at += sprintf(at, "%c%d ", 'a' + p, (int)(entry - entries[p]));
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

/* Takes out what waits of a party, by its number. */
static void leave(char letter, int number)
{
	queue_leave(&queue, &entries[letter - 'a'][number]);
}

static void check_order(void)
{
	begin();
	ok(gives(""), "nobody waits at first");
	enter("aaaa");
	ok(gives("a0 a1 a2 a3 "), "a party alone is served in its order");
	begin();
	enter("abcd");
	ok(gives("a0 b0 c0 d0 "), "parties with one each are served as they came");
	begin();
	enter("aaaaabbc");
	ok(gives("a0 b0 c0 a1 b1 a2 a3 a4 "), "parties take turns");
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
	ok(gives("b0 a1 "), "a party that comes back waits behind the others");
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
	ok(gives("a0 c0 "), "a party may leave from the middle of the ring");
	begin();
	enter("abc");
	leave('a', 0);
	leave('c', 0);
	ok(gives("b0 "), "a party may leave from its ends");
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
		while (queue_next(&queue))
			served++;
		fine &= served == 6 - left && queue.waiting == 0 && !queue.turn;
	}
	ok(fine, "whoever leaves, exactly the others are served");
}

int main(void)
{
	check_order();
	check_fairness();
	check_leaving();
	check_all_leavings();
	return tap_done();
}
