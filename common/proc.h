/*
 * Processes as shown in /proc, for files that look at them from outside: Linux alone.
 * See proc(5).
 */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Generations below a child that are looked at. */
enum { PROC_DEPTH_MOST = 8 };

typedef void proc_visitor(pid_t pid, void *argument);

/* Reads a small file of a process or thread, as a string of less than size bytes.
 * False if there is none, or permission is refused. */
bool proc_read(pid_t pid, const char *name, char *out, size_t size);

/* Reads a set of signals from a field of "status": bit 0 is signal 1. False if there
 * is none. */
bool proc_read_signals(pid_t pid, const char *field, uint64_t *out);

/* Visit the threads of a process, or the children of all its threads. */
void proc_visit_threads(pid_t pid, proc_visitor *visit, void *argument);
void proc_visit_children(pid_t pid, proc_visitor *visit, void *argument);

#endif
