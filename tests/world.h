/*
 * A world in memory for connections, requests and scripts: at link time it takes the place of
 * the loop (loop.h), the system (os.h, splice.h), the launcher and the slots. There is one thread,
 * one process and a clock that only a test moves. Nothing happens by itself: a test plays client,
 * script, starter and time, and has the loop turn.
 *
 * What a program may never do (to close twice, to touch what is not its own, to spin) is noted in
 * world.fault.
 */
#ifndef WORLD_H
#define WORLD_H

#include "../wrapper/launcher.h"
#include "../wrapper/service.h"
#include "../wrapper/settings.h"
#include "../wrapper/slots.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WORLD_SCRIPTS = 320,
	WORLD_PIPE_SIZE = 64 * 1024,   /* what a pipe holds */
	WORLD_LARGE_PIPE = 256 * 1024, /* and one that was made larger */
	WORLD_START = 1000000          /* of the clock, in milliseconds */
};

/* Calls that a system may refuse. */
enum world_call {
	WORLD_READ,
	WORLD_WRITE,
	WORLD_PIPE,
	WORLD_WATCH,
	WORLD_SHUTDOWN,
	WORLD_SPOOL_OPEN,
	WORLD_SPOOL_READ,
	WORLD_SPOOL_WRITE,
	WORLD_SPOOL_EMPTY,
	WORLD_SPLICE,
	WORLD_MEMORY,
	WORLD_CALLS
};

/* A script, from the moment when a starter has taken up its job. */
struct world_script {
	struct launch_job *job; /* until its starter has told of it; then NULL */
	bool finished;          /* the start, which the loop hears of when it wants to */
	pid_t pid;
	pid_t group;
	pid_t own_group;        /* that it made itself, or 0 */
	int ends[3];            /* its descriptors; -1: none */
	bool exited, reaped;
	int status;             /* as wait(2) gives it */
	bool deaf;              /* TERM does not end it */
	int helpers;            /* others of its group, who hold its descriptors, too */
	bool left_number;       /* that of its group is somebody else's, since it has left it */
	unsigned signals;       /* that have come, as bits */
	long serial;            /* the value of the parameter SERIAL, or -1 */
};

struct world {
	const char *fault; /* the first that was found, or NULL */
	int64_t now;
	struct settings settings;
	struct service service;
	struct world_script scripts[WORLD_SCRIPTS];

	/* What a test may change at any time: */
	size_t slots_most[SLOT_KINDS];
	int64_t spool_most;
	bool slots_shared;
	bool can_splice;
	size_t socket_size; /* what a socket made from now on holds, in each direction */
	/* An error number if a call is to fail, or 0; how many of so many bytes go in one call; and
	 * which of so many comes first. NULL: none, all, the first. */
	int (*refuse)(enum world_call call, int fd);
	size_t (*cut)(size_t size);
	size_t (*choose)(size_t count);

	/* What has become of it: */
	size_t slots_taken[SLOT_KINDS];
	size_t slots_held_back; /* requests that wait for a limit of their own */
	int64_t spooled;
	size_t watches, deadlines, descriptors, launches; /* of the program, now */
	size_t allocations;    /* of the modules under test, that were not freed */
	unsigned long moves;   /* whatever happened that was not in vain */
	unsigned reports;
	char report[1024];     /* the last one */
};

extern struct world world;

/* A new world with these settings, whose service has no connections yet. */
void world_open(const struct settings *settings);

/* Settings as they are by default. */
struct settings world_settings(void);

/* One turn of the loop: false if nothing was to be done. */
bool world_turn(void);

/* Turns until nothing is to be done any more. */
void world_run(void);

/* Moves the clock from deadline to deadline, and runs; or at once, and turns once. */
void world_pass(int64_t milliseconds);
void world_jump(int64_t milliseconds);

/* Milliseconds to the next deadline, or -1: none. */
int64_t world_next_deadline(void);

/* SCRIPT_NAME of a page that is answered without a script, and the size of that. */
#define WORLD_PAGE "/page"
enum { WORLD_PAGE_SIZE = 200000 };

/* For world.refuse: nothing can be read; there is no memory. */
int world_refuse_reading(enum world_call call, int fd);
int world_refuse_memory(enum world_call call, int fd);

/* Notes a fault if something does not hold. */
void world_expect(bool holds, const char *what);

/* What of the program is left although all should be over, or NULL. */
const char *world_find_remains(void);

/* Clients and scripts at their ends. Reading gives 0 at the end and -1 if there is nothing yet
 * or any more (errno); writing gives what was taken, 0 if nothing just now, -1 if nobody reads. */
int world_connect(void); /* the client's end, or -1 if the program did not want it */
ssize_t world_get(int fd, void *bytes, size_t size);
ssize_t world_put(int fd, const void *bytes, size_t size);
void world_shut(int fd);  /* a client's writing side */
void world_close(int fd);
void world_vanish(int fd); /* a client's host: with a reset */
size_t world_room(int fd); /* for writing */
bool world_is_socket(int fd);

/* A job that no starter has taken up yet: by its number in their order, or NULL. */
struct launch_job *world_job(size_t number);

/* A starter makes a script of a job; and tells the loop, at once or if that waits for it, or
 * has failed before. */
struct world_script *world_spawn(struct launch_job *job);
void world_tell(struct world_script *script);
void world_finish(struct world_script *script);
void world_fail(struct launch_job *job, enum launch_step step, int error, int status);

/* The end of a child that belongs to no job, such as a template. */
void world_end_stranger(void);

/* A start without ado: the oldest job's script, which has been told of; NULL: no job. */
struct world_script *world_start(void);

void world_end_output(struct world_script *script, int number); /* closes one of its ends */
void world_exit(struct world_script *script, int status);
void world_end_helpers(struct world_script *script);

/* What the modules under test call instead of malloc(3) and its like. */
void *world_malloc(size_t size);
void *world_calloc(size_t count, size_t size);
void *world_realloc(void *old, size_t size);
char *world_strdup(const char *text);
void world_free(void *memory);

#endif
