/*
 * Execution of scripts in new processes: exec.c, by fork(2), on every system;
 * exec-linux.c, in a fraction of the time, where the system allows it. All functions but
 * exec_open() may be called from any thread.
 */
#ifndef EXEC_H
#define EXEC_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

/* Finds out which way is possible. Call once in a process, while it has one thread. */
void exec_open(void);

/*
 * Runs become() in a new process. Returns when the process has executed a program, or
 * become() has returned and the process exits. The process may share the caller's memory,
 * and the caller's descriptors until exec_own_descriptors(): become() may change nothing
 * but *notice, which the caller has afterwards.
 *
 * *child is set to the pid for other threads to see, before the process runs or, with
 * fork(2), at once afterwards. The caller must have blocked all signals; the new process
 * inherits the mask, since no handler of the caller may run there. Returns the pid, or -1
 * with errno.
 */
pid_t exec_start(void (*become)(void *context), void *context, void *notice, size_t size,
		 atomic_int *child);

/*
 * Makes a process group for children of the caller to join until exec_close_group();
 * afterwards the group lives as long as it has members. A script in the group is no
 * leader, and so may become one by setsid(2) or setpgid(2). Returns the number of the
 * group; -1 with errno; 0 if the system refuses such groups.
 */
pid_t exec_open_group(void);
void exec_close_group(pid_t group);

/* Releases a closed group after the end of its script. The number of an empty group may serve
 * for another group. exec_drop_groups() gives up the numbers of all closed groups. */
void exec_free_group(pid_t group, _Bool empty);
void exec_drop_groups(void);

/* Functions for become(), async-signal-safe, down to exec_here(). */

/* Gives the new process descriptors of its own. May close descriptors from first on that are
 * close-on-exec. */
void exec_own_descriptors(int first);

/* Closes descriptors from first on, so that a process waiting for a file system keeps no pipe
 * of others open. Without exec-linux.c, closes only those below 4096. */
void exec_close_from(int first);

/* Has the calling process killed when the thread that started it ends, if the system can do so.
 * parent is the process of that thread. */
void exec_follow_parent(pid_t parent);

/* Executes a file in the current directory. Fails with ELOOP for a symbolic link, and with
 * ENOSYS where the system cannot check and execute in one step. */
int exec_here(const char *name, char *const *arguments, char *const *environment);

/* Hides memory and descriptors of the calling process, and of its children, from other
 * processes of the same user, such as scripts, if the system can do so. Not if the parent
 * process has the same user: a supervisor without root's power could not see any more who is
 * busy. */
void exec_hide(void);

/* The fast way: exec-linux.c, or exec-none.c. */

/* True if the fast way is possible. If the system refuses it, *why names the calls, with
 * errno. */
_Bool exec_fast_is_possible(const char **why);
pid_t exec_fast_start(void (*become)(void *), void *context, atomic_int *child);
pid_t exec_fast_group(void);
void exec_fast_close_group(pid_t group);
void exec_fast_free_group(pid_t group, _Bool empty);
void exec_fast_drop_groups(void);
void exec_fast_own_descriptors(int first);
void exec_fast_close_from(int first);
int exec_fast_here(const char *name, char *const *arguments, char *const *environment);

#endif
