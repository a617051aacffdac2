/*
 * State that a supervisor hands over to the program taking its place: text to and from
 * structs. Pure.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The environment variable of the text. */
#define HANDOVER_VARIABLE "SPAWN_FCGI_HANDOVER"

/* The environment variable of the waiting connections: see overload_write(). */
#define HANDOVER_WAITS_VARIABLE "SPAWN_FCGI_WAITS"

/* The environment variables of the socket of --status and of what was counted: see
 * status_server_describe() and counts_write(). */
#define HANDOVER_STATUS_VARIABLE "SPAWN_FCGI_STATUS"
#define HANDOVER_COUNTS_VARIABLE "SPAWN_FCGI_COUNTS"

enum { HANDOVER_NAME_SIZE = 128 };

struct handover_worker {
	pid_t pid;
	int64_t started; /* by the clock of the loop */
	int output;      /* descriptor, or -1 */
	int phase;
	bool outdated;
};

struct handover {
	bool trial; /* take nothing up: only say if that would work */
	int socket;
	bool bound; /* by the supervisor: the file is ours to remove */
	char name[HANDOVER_NAME_SIZE]; /* of listener_name(), to know the file again */
	bool reloading;
	struct handover_worker *workers;
	size_t count;
	/* No part of the text, but for the variables above. */
	char *waits; /* or NULL */
	char status[160], counts[512];
	int status_socket; /* to be passed on; -1: none */
};

enum handover_kind {
	HANDOVER_NONE,   /* no text, or for another process */
	HANDOVER_READ,
	HANDOVER_UNKNOWN /* for this process, but unreadable, or no memory */
};

/* Reads a text, or NULL, meant for the process pid alone. handover_free() frees out. */
enum handover_kind handover_read(struct handover *out, const char *text, pid_t pid);

/* Returns the text. The caller frees it; NULL without memory. */
char *handover_write(const struct handover *from, pid_t pid);

void handover_free(struct handover *handover);

#endif
