/*
 * What has happened to the pool since its start, counted for --status. Pure but for being one for
 * the process: each count is raised where the thing happens.
 */
#ifndef COUNTS_H
#define COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum counts_end { /* of a process */
	END_EXIT,    /* by itself, with status 0 */
	END_FAILURE, /* by itself, with another status */
	END_SIGNAL,  /* by a signal that was not ours */
	END_ASKED,   /* asked to end */
	END_KILLED,  /* asked, but killed when its time was over */
	ENDS
};

enum counts_refusal { REFUSED_MANY, REFUSED_LATE, REFUSED_LAST, REFUSALS };

struct counts {
	int64_t start;        /* milliseconds since 1970 */
	uint64_t connections; /* seen with the processes: a lower bound */
	uint64_t queue_most, busy_most; /* seen at a look */
	uint64_t memory_most; /* bytes of a process, with its own processes */
	uint64_t limit_reached;
	uint64_t overdue; /* requests above --request-timeout */
	uint64_t slow;    /* above --slow-log */
	uint64_t starts, restarts; /* the latter: in place of one that ended by itself */
	uint64_t crashes, reloads;
	uint64_t ends[ENDS], refused[REFUSALS];
};

extern struct counts counts;

/* Notes a look at the pool: busy processes and waiting connections. now is in milliseconds of any
 * steady clock. */
void counts_look(int64_t now, long busy, long waiting);

/* The most that was seen in each of the last COUNTS_STEPS times of COUNTS_STEP seconds, the last
 * one up to now; 0 without a look. */
enum { COUNTS_STEP = 10, COUNTS_STEPS = 60 };
void counts_series(int64_t now, double busy[COUNTS_STEPS], double waiting[COUNTS_STEPS]);

/* Convert all counts to text for the program taking our place, and back. Counts that the text
 * does not have stay 0; false if it is no such text: then all stay as they are. */
enum { COUNTS_TEXT = 512 };
void counts_write(char text[COUNTS_TEXT]);
bool counts_read(const char *text);

#endif
