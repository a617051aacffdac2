/*
 * Threads of ours: they get no signals, which belong to the loop's thread, and nobody waits for
 * their end.
 */
#ifndef THREAD_H
#define THREAD_H

#include <stdbool.h>
#include <stddef.h>

/* Starts one with a stack of so many bytes. False with errno. */
bool thread_start(void *(*run)(void *context), void *context, size_t stack);

#endif
