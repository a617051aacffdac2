/*
 * System calls for connections, requests and scripts. A test program puts other functions
 * in the place of os.c, and runs the state machine without sockets, files or processes.
 * Functions named after a system call behave the same, but never fail with EINTR.
 */
#ifndef OS_H
#define OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

ssize_t os_read(int fd, void *bytes, size_t size);
ssize_t os_write(int fd, const void *bytes, size_t size);
void os_close(int fd);

/* Closes the writing side of a socket. False with errno. */
bool os_shutdown(int socket);

/* Returns those poll(2) events that are true now; POLLHUP and POLLERR always count. */
short os_poll(int fd, short events);

/* Returns the bytes written to a socket and not taken by the peer yet; 0 if the system does not
 * tell. */
long os_unsent(int socket);

/* Opens a pipe, both ends close-on-exec; ends[ours] does not block. False with errno. */
bool os_pipe(int ends[2], int ours);

int os_kill(pid_t process_or_group, int signal);

/* Returns the process group of a child not reaped yet. */
pid_t os_group_of(pid_t process);

/* True if no process has the number of a group once ours, or only an ended child of ours: then
 * a group of that number, if any, is still ours. */
bool os_keeps_group(pid_t group);

/* What a child has used, with the children that it has waited for. */
struct os_usage {
	uint64_t user, system; /* microseconds */
	uint64_t memory;       /* bytes, of the largest process; 0: not known */
};

/* Reaps the next child that has ended. Returns its pid; 0 if there is none. */
pid_t os_reap(int *status, struct os_usage *usage);

/* Reaps child if it has ended. */
void os_reap_child(pid_t child);

/* True if process is a child not reaped yet. */
bool os_is_child(pid_t process);

/* Opens a file without a name in directory. -1 with errno. */
int os_spool_open(const char *directory);
ssize_t os_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t os_pwrite(int fd, const void *bytes, size_t size, off_t at);
bool os_empty(int fd);

#endif
