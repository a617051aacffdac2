/*
 * FastCGI name-value pairs (FastCGI 1.0, section 3.4). Pure.
 */
#ifndef PARAMS_H
#define PARAMS_H

#include <stdbool.h>
#include <stddef.h>

/* Reads one pair at *in, advancing it and reducing *size. Name and value point
 * into the input and are not terminated. False if no whole pair is there. */
bool params_next(const unsigned char **in, size_t *size, const unsigned char **name,
		 size_t *name_length, const unsigned char **value, size_t *value_length);

/*
 * Rewrites a stream of pairs as "NAME=value" strings, each with its NUL, in
 * place: a pair's two lengths cost at least as much as '=' and NUL. Pairs with
 * an empty name, a NUL, or a '=' in the name are left out, since an environment
 * cannot hold them. Returns the size of all strings, *count the number;
 * *complete is false if the stream ended within a pair.
 */
size_t params_to_strings(char *bytes, size_t size, size_t *count, bool *complete);

/* Writes a pair and returns its size, which is that of name and value and up to
 * PARAMS_LENGTHS_MOST bytes for their lengths. */
enum { PARAMS_LENGTHS_MOST = 8 };
size_t params_put(unsigned char *out, const char *name, const char *value);

#endif
