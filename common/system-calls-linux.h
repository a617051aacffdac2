/*
 * Names of the system calls in which programs wait.
 */
#ifndef SYSTEM_CALLS_LINUX_H
#define SYSTEM_CALLS_LINUX_H

/* The name of a call of our own architecture and word size; NULL: not among those. */
const char *system_call_name(long number);

#endif
