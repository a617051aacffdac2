/*
 * Who asks: a key for the client of a request, by which clients take turns and are counted.
 * Pure.
 */
#ifndef FAIR_H
#define FAIR_H

#include "environment.h"

#include <stdint.h>

/*
 * Returns the key of the client named by a parameter. An address, alone or as the last of a list,
 * stands for its network (/24, or /56 of IPv6); another text for itself. A request without the
 * parameter is known by REMOTE_ADDR. 0 if the client is not known, or by is "none" or
 * empty.
 */
uint64_t fair_client(const struct environment *environment, const char *by);

#endif
