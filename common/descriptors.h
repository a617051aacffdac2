/*
 * Descriptors that a program was started with.
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stdbool.h>

/* Opens /dev/null in place of those of 0 to 2 that are closed, or the next
 * socket would become somebody's standard output. False with errno. */
bool descriptors_fill_standard(void);

/* Makes all from the first one on close-on-exec, or closes them. */
void descriptors_seal(int first);
void descriptors_close(int first);

#endif
