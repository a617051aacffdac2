/*
 * The tie of a process to its parent, however that ends: lifeline-linux.c or
 * lifeline-freebsd.c; lifeline-none.c where the system has nothing of the kind.
 */
#ifndef LIFELINE_H
#define LIFELINE_H

#include <stdbool.h>
#include <sys/types.h>

/* In the parent, once: reports if the system refuses that. */
void lifeline_open(void);

/*
 * From now on the end of the parent, the thread that has forked this process, sends it this
 * signal, also after it has executed a program. A change of user or group, and the execution of
 * a program that brings rights with it, cut the tie: so this comes last. False if the parent,
 * which was this one, has ended already. What the system refuses is no failure.
 */
bool lifeline_tie(pid_t parent, int signal);

#endif
