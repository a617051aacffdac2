/*
 * Characters of a text that is, or is not, UTF-8. Pure.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the first character of a text, and returns the length in bytes; 0 if not UTF-8
 * (RFC 3629), with the number of bytes cut off at the end in *missing. */
size_t utf8_decode(const unsigned char *text, size_t size, uint32_t *character, size_t *missing);

/* True for characters that terminals and viewers obey instead of showing: control characters
 * (C0 except tabs, DEL, C1), ends of lines, and marks that change the direction of text. */
bool utf8_is_obeyed(uint32_t character);

#endif
