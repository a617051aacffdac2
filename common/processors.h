/*
 * How many processors there are to work on.
 */
#ifndef PROCESSORS_H
#define PROCESSORS_H

/* Those that this process may use; at least 1. */
long processors_available(void);

#endif
