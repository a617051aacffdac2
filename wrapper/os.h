/*
 * The system as connections, requests and running scripts meet it. One seam: a
 * test program puts its own world in the place of os.c, and runs the state
 * machine without sockets, files or processes. Semantics are those of the calls
 * named; EINTR is never returned.
 */
#ifndef OS_H
#define OS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

ssize_t os_read(int fd, void *bytes, size_t size);
ssize_t os_write(int fd, const void *bytes, size_t size);
void os_close(int fd);

/* Closes the writing side of a socket. False with errno. */
bool os_shutdown(int socket);

/* Which of these poll(2) events are true now; POLLHUP and POLLERR always count. */
short os_poll(int fd, short events);

/* Bytes written to a socket that its peer has not taken yet, as far as the system
 * tells; else 0. */
long os_unsent(int socket);

/* A pipe, both ends close-on-exec; ends[ours] does not block. False with errno. */
bool os_pipe(int ends[2], int ours);

int os_kill(pid_t process_or_group, int signal);

/* The process group of a child that was not reaped yet. */
pid_t os_group_of(pid_t process);

/* Whether a number that was a group's of ours still is, if that has members: a process that has
 * it now is one of ours that has ended, or its number is somebody else's. */
bool os_keeps_group(pid_t group);

/* The next child that has ended: 0 if there is none. */
pid_t os_reap(int *status);

/* Reaps this child, if it has ended. */
void os_reap_child(pid_t child);

/* Whether this is a child that was not reaped yet. */
bool os_is_child(pid_t process);

/* A file without a name, for bytes that wait. -1 with errno. */
int os_spool_open(const char *directory);
ssize_t os_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t os_pwrite(int fd, const void *bytes, size_t size, off_t at);
bool os_empty(int fd);

#endif
