/*
 * How a new process comes to execute a script: exec.c, by fork(2), on every
 * system; and exec-linux.c, in a fraction of the time, where the system allows that.
 * All but exec_open() may be called from any thread.
 */
#ifndef EXEC_H
#define EXEC_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

/* Finds out which way is possible. Once in a process, while it has one thread. */
void exec_open(void);

/*
 * Runs become() in a new process, and returns when that has executed a program
 * or returned, in which case it has exited. The process may share the memory of
 * this one, and its descriptors until exec_own_descriptors(): become() may
 * change nothing but *notice, of which this process then has the new content.
 * *child is set to the process before that does anything, for other threads to
 * see. All signals are blocked in the thread that calls, and so in the new process,
 * where no handler of this one may run. Returns the process, or -1 with errno.
 */
pid_t exec_start(void (*become)(void *context), void *context, void *notice, size_t size,
		 atomic_int *child);

/*
 * A process group which children of this process may join until exec_close_group();
 * it then lives as long as it has members. A script in it is no leader, and so may
 * become one by setsid(2) or setpgid(2). The group's number, -1 with errno, or 0 if the
 * system refuses such groups.
 */
pid_t exec_open_group(void);
void exec_close_group(pid_t group);

/* Tells of a closed group whose script is done with; if it is empty, its number may serve for
 * another group. exec_drop_groups() lets go of the numbers of all groups that are closed. */
void exec_free_group(pid_t group, _Bool empty);
void exec_drop_groups(void);

/* The following are for become(), and async-signal-safe. */

/* From here on the descriptors are this process's own, and of those that are
 * close-on-exec only the ones below first are sure to be open. */
void exec_own_descriptors(int first);

/* Closes those from first on, so that a process which waits for a file system keeps
 * nothing of others open. Where that is slow, only the lower ones. */
void exec_close_from(int first);

/* Has this process killed when the thread that started it ends, if the system can
 * do that; parent is that thread's process. */
void exec_follow_parent(pid_t parent);

/* Executes a file in the current directory, unless it is a symbolic link (errno
 * is then ELOOP). ENOSYS where that cannot be done in one step. */
int exec_here(const char *name, char *const *arguments, char *const *environment);

/* Has the system close the memory and descriptors of this process, and of those that
 * it forks, to others of the same user, as scripts are, if it can do that. Not if this
 * user is also who started it: a supervisor without root's power could not see who is
 * busy any more. */
void exec_hide(void);

/* The fast way: exec-linux.c, or exec-none.c. */

/* Whether it is possible here; if not although it should be, *why is what was
 * refused, with errno. */
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
