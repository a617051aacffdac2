/*
 * The event loop: descriptors, deadlines, signals. One per process.
 *
 * Waiting is done by loop-epoll.c or loop-poll.c (see loop-wait.h), signals by
 * loop-signalfd.c or loop-sigpipe.c; where the system refuses the first, the second
 * is used. Callbacks run one at a time, never inside each other.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_HANGUP = 4, /* told if any event is wanted: the far end is closed, or an error */
	LOOP_SHARED = 8  /* modifier: one of the processes that wait for the descriptor
			  * is woken, not all */
};

/* A descriptor and the events wanted. Lives inside the struct that owns the
 * descriptor; fd is -1 for none. */
struct watch {
	int fd;
	unsigned wants;
	size_t slot; /* of loop-epoll.c or loop-poll.c */
	struct watch *next_refused;
	/* Called with the wanted events that came; hangup and errors count as every
	 * event. */
	void (*ready)(struct watch *watch, unsigned events);
};

#define WATCH_NONE ((struct watch){ .fd = -1 })

/* Time for a callback. Lives inside the owner's struct; all zero is "not set". */
struct deadline {
	struct deadline *next, *prev;
	struct lane *lane; /* NULL: not set */
	int64_t at;
	void (*passed)(struct deadline *deadline);
};

/* Pointer to the struct around a watch, a deadline or another part. */
#define LOOP_OWNER(part, type, member) \
	((type *)(void *)((char *)(part) - offsetof(type, member)))

/* Prepares the loop. False with errno. Call before any other function, and again in
 * a forked process with a loop of its own. */
bool loop_open(void);

/* Runs callbacks until loop_stop(). */
void loop_run(void);
void loop_stop(void);

/* Calls done() at the end of every turn, when no other callback runs: after events of
 * descriptors, and again after deadlines. */
void loop_after_turn(void (*done)(void));

/* Milliseconds of CLOCK_MONOTONIC, as last read by the loop. */
int64_t loop_now(void);

/* The same clock, read now; from any thread. */
int64_t loop_clock(void);

/* True if interval milliseconds have passed since the last true result, to limit
 * frequent messages. *last is 0 at first. */
bool loop_is_time(int64_t *last, int64_t interval);

/* Watches a non-blocking descriptor for events; loop_close() closes the descriptor.
 * False with errno; then watch->fd is -1, and fd is still the caller's. */
bool loop_watch(struct watch *watch, int fd, unsigned events,
		void (*ready)(struct watch *, unsigned));

/* Changes the wanted events. False with errno if the system has no memory now: then no
 * event is told until the loop, trying again every 200 ms, succeeds. Only LOOP_SHARED
 * needs memory. */
bool loop_want(struct watch *watch, unsigned events);

/* Closes the descriptor. Afterwards ready() is not called, not even for events
 * already fetched, so the owner may be freed. */
void loop_close(struct watch *watch);

/*
 * Set, move or clear a deadline, in milliseconds from loop_now() (at least 1). The
 * deadline is cleared before passed() is called. Events that came before the deadline
 * are told first, also if the process was stopped meanwhile, and may move the
 * deadline.
 */
void deadline_set(struct deadline *deadline, int64_t delay, void (*passed)(struct deadline *));
void deadline_clear(struct deadline *deadline);
static inline bool deadline_is_set(const struct deadline *deadline)
{
	return deadline->lane;
}

/* Calls caught() from the loop after the signal came, once for all arrivals since
 * the last call. False with errno. */
bool loop_catch(int signal, void (*caught)(int signal));

/* Hold signals back around fork(2): no handler of the parent may run in the child. */
void loop_hold_signals(void);
void loop_release_signals(void);

/* While signals are held back, before exec(3): lets those that have come, but were not told, come
 * again, so that the new program gets them. */
void loop_return_signals(void);

/* Restores the default action of caught signals, in a child before exec or before
 * loop_open(). Async-signal-safe. */
void loop_leave_signals(void);

#endif
