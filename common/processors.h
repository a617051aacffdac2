/*
 * Number of processors.
 */
#ifndef PROCESSORS_H
#define PROCESSORS_H

/* Returns the number available to the calling process; at least 1. */
long processors_available(void);

#endif
