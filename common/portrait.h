/*
 * What a process does, seen from outside, in words: portrait-linux.c from /proc, or portrait-none.c
 * where the system shows nothing. May wait for as long as the process is stuck: for a thread of its
 * own (describer.h).
 */
#ifndef PORTRAIT_H
#define PORTRAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PORTRAIT_SIZE = 4096 };

/* Makes this thread see what another user is shown, or what we are; may be NULL. */
typedef void portrait_look_as(bool begin);

/* Writes lines about a process and up to eight of its children: command line, age, state, what it
 * waits for, processor time and memory, as far as the system shows them. Lines are sanitized, and
 * end in LF. False if there is nothing to say: the process is gone, or not shown. */
bool portrait_draw(pid_t process, portrait_look_as *look_as, char out[PORTRAIT_SIZE]);

#endif
