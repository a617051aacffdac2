/*
 * The id of a request, by which a visitor's failure is found in the logs of the web server, of
 * fcgiwrap and of the script.
 */
#ifndef TAG_H
#define TAG_H

#include <stdbool.h>

enum { TAG_MOST = 128, TAG_MADE = 32 /* characters */ };

/* The parameter that has it, unless --request-id names another. */
#define TAG_USUAL "REQUEST_ID"

/* True if a text, or NULL, may stand in a line of a log, a header and an environment: 1 to
 * TAG_MOST letters, digits and -._=+/@. */
bool tag_is_usable(const char *text);

/* Writes a new one: TAG_MADE hexadecimal digits, of which the first half is the same for all that
 * this process makes. From /dev/urandom, or, where that cannot be read, clock and process id.
 * For the loop's thread. */
void tag_make(char out[TAG_MADE + 1]);

#endif
