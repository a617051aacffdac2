/*
 * What a supervisor hands over to the program that takes its place: text to and from
 * structs. Pure.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The variable that has the text. */
#define HANDOVER_VARIABLE "SPAWN_FCGI_HANDOVER"

/* The variable that has what is known of those that wait: see overload.h. */
#define HANDOVER_WAITS_VARIABLE "SPAWN_FCGI_WAITS"

enum { HANDOVER_NAME_SIZE = 128 };

struct handover_worker {
	pid_t pid;
	int64_t started; /* by the clock of the loop */
	int output;      /* descriptor, or -1 */
	int phase;
	bool outdated;
};

struct handover {
	bool trial; /* nothing is to be taken up: only to be said whether that would work */
	int socket;
	bool bound; /* by the supervisor, so that its file is ours to remove */
	char name[HANDOVER_NAME_SIZE]; /* by which that file is known again */
	bool reloading;
	struct handover_worker *workers;
	size_t count;
	char *waits; /* for that variable, or NULL: no part of the text */
};

enum handover_kind {
	HANDOVER_NONE,   /* no text, or it means another process */
	HANDOVER_READ,
	HANDOVER_UNKNOWN /* it means this process, which cannot read it, or has no memory */
};

/* Reads a text, or NULL, which means something to the process pid alone. */
enum handover_kind handover_read(struct handover *out, const char *text, pid_t pid);

/* Writes one. To be freed; NULL without memory. */
char *handover_write(const struct handover *from, pid_t pid);

void handover_free(struct handover *handover);

#endif
