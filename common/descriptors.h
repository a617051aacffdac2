/*
 * Descriptors inherited at start.
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stdbool.h>

/* Opens /dev/null for each closed one of 0 to 2, lest the next socket become
 * standard output. False with errno. */
bool descriptors_fill_standard(void);

/* Make all descriptors from first on close-on-exec, or close them. */
void descriptors_seal(int first);
void descriptors_close(int first);

#endif
