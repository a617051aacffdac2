/*
 * Lines of the access log: a format with the letters of php-fpm's access.format and more, or one of
 * those that have a name. Pure. See the manual, ACCESS LOG.
 */
#ifndef ACCESS_FORMAT_H
#define ACCESS_FORMAT_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ACCESS_STEPS_MOST = 64, ACCESS_FAULT_SIZE = 160 };

/* What is written with which characters escaped, and for a missing value. */
enum access_form {
	ACCESS_PLAIN, /* \xNN; a space, too, unless it is between quotes; "-" */
	ACCESS_JSON,  /* "" between quotes, else null; of each format that begins with a brace */
	ACCESS_W3C    /* a space is a plus sign, a double quote %22; "-" */
};

struct access_step {
	char letter;          /* 0: only the text in front */
	const char *argument; /* what stands in braces, or NULL */
	size_t argument_size;
	const char *before;   /* text in front */
	size_t before_size;
	bool quoted;          /* between double quotes */
};

struct access_format {
	enum access_form form;
	const char *header; /* of a new file, behind lines with version and date; NULL: none */
	size_t count;
	struct access_step steps[ACCESS_STEPS_MOST];
	bool wants_headers; /* of responses */
};

/* Compiles a format, or the one that is called combined, json or w3c; NULL is php-fpm's. The text
 * has to stay. False with the place of the fault, and what it is, in words. */
bool access_format_read(struct access_format *out, const char *text, char fault[ACCESS_FAULT_SIZE]);

/* Values of parameters and fields that a request's line needs, one for each step; NULL: not known.
 * For access_values_free(). */
struct access_values {
	char *of[ACCESS_STEPS_MOST];
};

/* Copies what the steps want of the parameters; param gives the value of one, or NULL. Values are
 * cut at 4096 bytes. Without memory some are missing. */
void access_values_take(struct access_values *values, const struct access_format *format,
			const char *(*param)(const void *context, const char *name),
			const void *context);

/* Copies what the steps want of a header of CRLF lines. */
void access_values_take_header(struct access_values *values, const struct access_format *format,
			       const char *header, size_t size);

void access_values_free(struct access_values *values);

/* The rest, known at the end of a request. Times are in milliseconds; -1: there was none. */
struct access_facts {
	const struct access_values *values; /* NULL: none is known */
	const char *script, *pool, *tag;    /* NULL: not known */
	int status;                         /* 0: none was sent */
	int64_t begun;                      /* milliseconds since 1970 */
	int64_t took, queued, started;
	int64_t sent, received;             /* bytes of bodies */
	pid_t script_pid, own_pid, parent_pid; /* 0: none */
	bool was_warm;
	bool is_whole;                      /* the client got all of a response */
	bool is_kept;                       /* its connection */
	bool has_ended;                     /* what follows is known */
	int how;                            /* as wait(2) says it */
	uint64_t user, system;              /* microseconds */
	uint64_t memory;                    /* bytes; 0: not known */
};

/* Adds a line, without its end. */
void access_format_write(const struct access_format *format, const struct access_facts *facts,
			 struct text *out);

#endif
