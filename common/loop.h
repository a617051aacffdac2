/*
 * The event loop: descriptors, deadlines, signals. One per process.
 *
 * Waiting itself is loop-epoll.c or loop-poll.c (see loop-wait.h), signals are
 * loop-signalfd.c or loop-sigpipe.c; where the system refuses the first, the second
 * takes its place. Callbacks run one at a time, never inside each other.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_HANGUP = 4, /* told whenever anything is wanted: nobody holds the far end */
	LOOP_SHARED = 8  /* wanted along with the others: it is enough to wake one of the
			  * processes that wait for this descriptor */
};

/* A descriptor and what is wanted of it. Lives inside the struct that owns the
 * descriptor; fd is -1 while there is none. */
struct watch {
	int fd;
	unsigned wants;
	size_t slot; /* for the waiting code alone */
	struct watch *next_refused;
	/* Called with those of the wanted events that came true; the end of the
	 * stream and errors count as every event. */
	void (*ready)(struct watch *watch, unsigned events);
};

#define WATCH_NONE ((struct watch){ .fd = -1 })

/* A moment at which something is to happen. Lives inside its owner; all zero
 * is "not set". */
struct deadline {
	struct deadline *next, *prev;
	struct lane *lane; /* NULL: not set */
	int64_t at;
	void (*passed)(struct deadline *deadline);
};

/* The struct in which a watch, a deadline or another part lives. */
#define LOOP_OWNER(part, type, member) \
	((type *)(void *)((char *)(part) - offsetof(type, member)))

/* Prepares the loop: false with errno. Call once before anything else, and
 * again in a forked process that wants a loop of its own. */
bool loop_open(void);

/* Runs callbacks until loop_stop(). */
void loop_run(void);
void loop_stop(void);

/* Has done() called at the end of every turn, when no other callback runs: after what
 * the descriptors told, and again after deadlines. */
void loop_after_turn(void (*done)(void));

/* Milliseconds of a clock that only goes forward, as of this turn of the loop. */
int64_t loop_now(void);

/* Whether so many milliseconds have passed since this was last true, so that
 * what comes often is told rarely. *last is 0 at first. */
bool loop_is_time(int64_t *last, int64_t interval);

/* Takes up a descriptor that is non-blocking, and says what is wanted of it. False
 * with errno if the system has no room for it; then watch->fd is -1. */
bool loop_watch(struct watch *watch, int fd, unsigned events,
		void (*ready)(struct watch *, unsigned));

/* Says what is wanted from now on. False with errno if the system has no room for
 * that now: then nothing is told until it has, which the loop tries again and again.
 * Only what is LOOP_SHARED needs room. */
bool loop_want(struct watch *watch, unsigned events);

/* Lets go of the descriptor and closes it. Afterwards ready() is not called
 * again, not even for events already fetched, so the owner may be freed. */
void loop_close(struct watch *watch);

/*
 * Sets, moves or clears a deadline, in milliseconds from now (at least 1). It
 * is cleared before passed() is called. What had come before that moment is told
 * first, also if the process was stopped meanwhile, so that a deadline can be moved
 * by it.
 */
void deadline_set(struct deadline *deadline, int64_t delay, void (*passed)(struct deadline *));
void deadline_clear(struct deadline *deadline);
static inline bool deadline_is_set(const struct deadline *deadline)
{
	return deadline->lane;
}

/* Has caught() called from the loop after the signal came, once for any number
 * of arrivals since the last call. */
bool loop_catch(int signal, void (*caught)(int signal));

/* While a child shares our memory, no handler of ours may run in it. */
void loop_hold_signals(void);
void loop_release_signals(void);

/* In a child on its way to exec, and in one that opens a loop of its own: caught
 * signals do again what they do by default. Async-signal-safe. */
void loop_leave_signals(void);

#endif
