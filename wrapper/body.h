/*
 * A request body that the script has not read yet: first in, first out, a
 * bounded piece of memory and behind it a temporary file without a name.
 */
#ifndef BODY_H
#define BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { BODY_MEMORY = 64 * 1024 };

struct body {
	unsigned char *memory; /* NULL until needed */
	size_t start, end;     /* of what memory holds */
	int file;              /* -1: none */
	off_t read_at, written; /* of the file */
	unsigned char *held; /* the newest bytes, for which there was no disk; NULL: none */
	size_t held_size;
	int held_error; /* errno for them */
};

#define BODY_EMPTY ((struct body){ .file = -1 })

/* Where temporary files are made; the text is not copied. */
void body_set_directory(const char *path);

/*
 * Takes bytes in. False with errno if there is no memory or no disk for some of them,
 * ENOBUFS if that is the limit on what all bodies may take there: up to
 * BODY_MEMORY bytes are then held in memory, as long as there is some, and
 * body_is_held() is true. So are those that come behind them, with the same errno.
 * What could not even be held is lost: errno is ENOMEM.
 */
bool body_append(struct body *body, const unsigned char *bytes, size_t size);

/* Whether bytes are held, so that no more should come until all before them are consumed. */
bool body_is_held(const struct body *body);

/* The oldest bytes of a body that is not empty, *size of them; NULL with errno
 * if the file cannot be read. Gone only after body_consume(). */
const unsigned char *body_peek(struct body *body, size_t *size);
void body_consume(struct body *body, size_t size);

bool body_is_empty(const struct body *body);

/* Whether something waits, and all of it in memory. */
bool body_is_in_memory(const struct body *body);

void body_free(struct body *body);

#endif
