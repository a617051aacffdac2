/*
 * --server-timing: where the time of a request went, as a header field that browsers show
 * (Server Timing, W3C).
 */
#ifndef TIMING_H
#define TIMING_H

#include "scoreboard.h"

#include <stddef.h>

enum { TIMING_SIZE = 128 };

/* Writes the line, with CRLF: how long the request waited for a slot, how long the start of its
 * script took, and how long the script has run by now; a part for each that has begun. "" if none
 * has. Returns out. */
const char *timing_line(const struct score *score, int64_t now, char out[TIMING_SIZE]);

#endif
