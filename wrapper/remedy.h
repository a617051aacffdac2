/*
 * What to do about a message, as DIAGNOSTICS of the manual says it. Pure.
 */
#ifndef REMEDY_H
#define REMEDY_H

/* Returns the remedy for a message, in sentences; NULL if the message has it already, or none is
 * known. */
const char *remedy_of(const char *message);

#endif
