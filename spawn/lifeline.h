/*
 * The tie of a process to its parent, for any end of the parent: lifeline-linux.c or
 * lifeline-freebsd.c; lifeline-none.c where the system has nothing of the kind.
 */
#ifndef LIFELINE_H
#define LIFELINE_H

#include <stdbool.h>
#include <sys/types.h>

/* In the parent, once: reports if the system refuses ties. */
void lifeline_open(void);

/*
 * From now on the end of the parent (the thread that forked this process) sends this process the
 * signal, also after execve(2). A change of user or group, and the execution of a program with
 * rights of its own (set-user-ID) cut the tie: call last. False if the parent, a pid, has ended
 * already. A refusal by the system is no failure.
 */
bool lifeline_tie(pid_t parent, int signal);

#endif
