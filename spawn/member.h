/*
 * One supervised process of the pool: its start, its output, its end.
 */
#ifndef MEMBER_H
#define MEMBER_H

#include "census.h"
#include "children.h"
#include "identity.h"
#include "lines.h"
#include "loop.h"
#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

enum member_phase {
	MEMBER_STARTING, /* not known to serve yet */
	MEMBER_READY,
	MEMBER_RETIRING, /* it will be asked to end when it serves nobody */
	MEMBER_ASKED     /* it was asked to end */
};

enum { MEMBER_LAST_LINES = 3 };

struct member {
	struct child child;
	enum member_phase phase;
	struct member *next, *prev;
	struct watch output;
	struct lines lines;
	char last[MEMBER_LAST_LINES][160]; /* what it wrote last, in a ring */
	unsigned written;
	struct watch birth; /* ends when the process has become the program */
	struct deadline look_ready, retry, expiry, left_out;
	bool failed;   /* it could not become the program */
	bool outdated; /* to be replaced by a new one */
	bool busy;     /* with a connection, when it was looked at last, or hidden */
	bool hidden;   /* not all of it could be seen */
	int64_t born;  /* when it became the program */
	int64_t idle_since, retiring_since;
	int64_t end_at; /* then it must end, whether it serves or not; 0: never */
	int64_t work; /* processor time, when it was looked at last */
	int64_t retry_delay;
};

/* What all members have in common. */
struct member_plan {
	const struct settings *settings;
	const struct identity *identity;
	int listener;
	bool watched; /* a census can be taken */
	bool up;      /* what fails is for the journal, not for who started us */
	/* It was seen to wait for connections, or has run for --start-time. */
	void (*ready)(struct member *member);
	/* It has lived long enough (--max-lifetime). */
	void (*expired)(struct member *member);
	/* It has ended, with this wait status. */
	void (*ended)(struct member *member, int status);
	/* Nothing of it is left; the struct is freed after that. */
	void (*gone)(struct member *member);
};

void member_open(const struct member_plan *plan);

/* All members, in the order in which they were started. */
extern struct member *member_first;
long member_count(void);

/* Starts one more. NULL, with errno. */
struct member *member_start(void);

/* Takes up one that was started before this process executed itself anew. */
struct member *member_adopt(pid_t pid, int64_t started, int output, enum member_phase phase);

/* Whether it is one of those that the pool counts on. */
bool member_is_here(const struct member *member);

/*
 * Asks it to end as soon as it serves nobody, or, whatever it does, after --stop-busy. If that
 * may not take longer than so many milliseconds (0: however long it takes), it is asked
 * shortly before, and killed then.
 */
void member_retire(struct member *member, int64_t within);

/* Asks it to end if it serves nobody now. */
bool member_retire_if_idle(struct member *member);

void member_kill(struct member *member);

/* Writes out what it has written so far, also without a line end. */
void member_flush(struct member *member);

/* The last lines that it wrote, the oldest first; NULL beyond the end. */
const char *member_last_line(const struct member *member, unsigned number);

#endif
