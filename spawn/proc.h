/*
 * Processes as Linux shows them in /proc: for the rooms that look at some from
 * outside. See proc(5).
 */
#ifndef PROC_H
#define PROC_H

#include "identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How many generations below a child are looked at. */
enum { PROC_DEPTH_MOST = 8 };

typedef void proc_visitor(pid_t pid, void *argument);

/* What a process has open is shown to its own user, and to root only if root has
 * all capabilities, which it has not in a container. So look as this user, and
 * then as ourselves again; what a process hides from its own user as fcgiwrap does,
 * only root sees. */
void proc_look_as(const struct identity *identity, bool begin);

/* Reads a small file of a process or thread. False if there is none, or it may
 * not be read. */
bool proc_read(pid_t pid, const char *name, char *out, size_t size);

/* Reads a set of signals, as a field of "status" has it: bit 0 is signal 1. */
bool proc_read_signals(pid_t pid, const char *field, uint64_t *out);

/* Visits the threads of a process, and all children of its threads. */
void proc_visit_threads(pid_t pid, proc_visitor *visit, void *argument);
void proc_visit_children(pid_t pid, proc_visitor *visit, void *argument);

#endif
