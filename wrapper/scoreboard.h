/*
 * The scoreboard: what each request is doing, and counts of what has happened, in memory shared by
 * all workers. Each worker writes its own part, without locks; any worker reads all, for the status
 * page. Without scoreboard_open() nothing is kept, and calls do nothing.
 */
#ifndef SCOREBOARD_H
#define SCOREBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum score_count {
	SCORE_CONNECTIONS,
	SCORE_REQUESTS,
	SCORE_STATUS, /* responses by class: 1xx to 5xx */
	SCORE_STATUS_LAST = SCORE_STATUS + 4,
	SCORE_SCRIPT_5XX, /* of scripts themselves */
	SCORE_ABORTED, /* left by their clients */
	SCORE_CUT,     /* responses without a regular end */
	SCORE_WAITED,  /* requests that found no free slot */
	SCORE_SLOW,
	SCORE_COLD,
	SCORE_WARM,
	SCORE_RECEIVED, /* bytes of bodies */
	SCORE_SENT,     /* bytes of bodies of responses */
	SCORE_EXITED_0, /* ends of scripts */
	SCORE_EXITED,
	SCORE_KILLED, /* by a signal */
	SCORE_CPU_USER, /* of scripts, microseconds */
	SCORE_CPU_SYSTEM,
	SCORE_COUNTS
};

/* Why a request got an error response: refused, up to CAUSE_START_TIME, or failed. */
enum score_cause {
	CAUSE_NONE,
	CAUSE_CONNECTION, /* too many requests on one connection */
	CAUSE_UNFINISHED,
	CAUSE_PARAMS,
	CAUSE_BODY,
	CAUSE_SPOOL,
	CAUSE_CLIENT_TIME,
	CAUSE_PER_CLIENT,
	CAUSE_PER_SCRIPT,
	CAUSE_DISPLACED, /* in the queue, by a request of another client */
	CAUSE_QUEUE,
	CAUSE_QUEUE_TIME,
	CAUSE_SCRIPT, /* not found, or not allowed */
	CAUSE_START,
	CAUSE_START_TIME,
	CAUSE_TIME,
	CAUSE_SILENCE,
	CAUSE_RESPONSE, /* none, or one that cannot be used */
	CAUSE_SYSTEM,   /* want of memory, or an error of the system */
	SCORE_CAUSES
};

enum { SCORE_BOUNDS = 13 }; /* of a histogram */
extern const double score_bounds[SCORE_BOUNDS]; /* seconds */

struct score_histogram {
	uint64_t counts[SCORE_BOUNDS + 1]; /* the last: above all bounds */
	uint64_t sum; /* milliseconds */
};

enum { SCORE_STEPS = 60, SCORE_STEP = 10 /* seconds */ };

/* A step of time. */
struct score_step {
	uint64_t requests, errors; /* ended; of them with 5xx */
	uint64_t run;              /* milliseconds, of the scripts of these requests */
	uint64_t running, waiting; /* most at once */
};

struct score_sums {
	uint64_t counts[SCORE_COUNTS];
	uint64_t causes[SCORE_CAUSES];
	struct score_histogram queued, ran;
	uint64_t running_most, waiting_most;
	uint64_t memory_most; /* bytes, of a script */
	struct score_step steps[SCORE_STEPS]; /* the oldest first; the last is not over */
};

/* What a request is known by. NULL: not sent. */
struct score_texts {
	const char *method, *uri, *query, *user, *script, *client;
	int64_t content_length; /* -1: unknown */
};

/* Times by loop_now(), bytes so far. */
struct score_shown {
	struct { char method[16], uri[512], query[256], user[64], script[256], client[64]; } texts;
	int state; /* see scoreboard_move() */
	pid_t pid; /* 0: no script yet */
	int64_t begun, started, content_length, received, sent;
};

/* A request's part, inside struct request. All zero is not enough: scoreboard_begin(). */
struct score {
	long slot; /* SLOT_SHOWN, or SLOT_NONE */
	enum score_cause cause;
	bool abandoned; /* by its client */
	/* By loop_now(); 0: not yet. */
	int64_t begun, due, launched, started;
	int64_t received;
};

/* Allocates the scoreboard for so many shown requests (SLOT_SHOWN) and so many numbers of workers.
 * False with errno. */
bool scoreboard_open(size_t shown, size_t workers);
bool scoreboard_is_open(void);
int64_t scoreboard_opened(void); /* milliseconds since 1970 */

/* Gives this process the part of a worker, whose counts go on. */
void scoreboard_enter(size_t worker);

void scoreboard_add(enum score_count count, uint64_t number);
void scoreboard_note_memory(uint64_t bytes);

/* A request begins; its parameters are known; it comes to another state (a number for the page);
 * is due for a slot; waits for one; is launched; its script has started, at a time; bytes have
 * moved; it has ended with this status, 0 for none. */
void scoreboard_begin(struct score *score);
void scoreboard_show(struct score *score, const struct score_texts *texts);
void scoreboard_move(const struct score *score, int state);
void scoreboard_due(struct score *score);
void scoreboard_wait(void);
void scoreboard_launch(struct score *score);
void scoreboard_start(struct score *score, pid_t pid, int64_t at);
void scoreboard_pass(const struct score *score, int64_t received, int64_t sent);
void scoreboard_end(struct score *score, int status, bool cut, int64_t sent);

/* Sums up all workers' parts. */
void scoreboard_sum(struct score_sums *out);

/* Copies what is shown in a slot, from 0 to slots_most(SLOT_SHOWN). False if nothing is, or it
 * changes all the time. */
bool scoreboard_read(size_t slot, struct score_shown *out);

#endif
