/*
 * A number for bytes: other bytes have another one, as far as that matters. Pure.
 */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a. Never 0. */
static inline uint64_t hash_bytes(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	uint64_t hash = 0xcbf29ce484222325;

	while (size-- > 0)
		hash = (hash ^ *at++) * 0x100000001b3;
	return hash ? hash : 1;
}

#endif
