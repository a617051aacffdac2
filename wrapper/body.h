/*
 * Request body not read by the script yet, first in, first out: a buffer in memory, and
 * behind it a temporary file without a name.
 */
#ifndef BODY_H
#define BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { BODY_MEMORY = 64 * 1024 };

struct body {
	unsigned char *memory; /* NULL until needed */
	size_t start, end;     /* unread bytes in memory */
	int file;              /* -1: none */
	off_t read_at, written; /* offsets in the file */
	unsigned char *held; /* newest bytes, for which there was no disk; NULL: none */
	size_t held_size;
	int held_error; /* errno for the held bytes */
};

#define BODY_EMPTY ((struct body){ .file = -1 })

/* Sets the directory of temporary files. path is not copied. */
void body_set_directory(const char *path);

/*
 * Appends bytes. False with errno if there is no memory or disk for some of them; ENOBUFS
 * if the limit on the spool of all workers is reached. Up to BODY_MEMORY bytes are then
 * held in memory, body_is_held() is true, and later bytes are held too, with the same
 * errno. ENOMEM: bytes could not be held, and are lost.
 */
bool body_append(struct body *body, const unsigned char *bytes, size_t size);

/* True if bytes are held: append no more until all bytes before them are consumed. */
bool body_is_held(const struct body *body);

/* Returns the oldest bytes of a body that is not empty, *size of them; NULL with errno if the
 * file cannot be read or emptied, or there is no memory. Bytes stay until body_consume(). */
const unsigned char *body_peek(struct body *body, size_t *size);
void body_consume(struct body *body, size_t size);

bool body_is_empty(const struct body *body);

/* True if unread bytes are in memory and none in the file. */
bool body_is_in_memory(const struct body *body);

void body_free(struct body *body);

#endif
