/*
 * State messages to a service manager, by systemd's protocol: sd_notify(3).
 *
 * Messages for which the socket has no room are queued, and sent in order when there is
 * room again; a new message replaces a queued one of the same kind, such as STATUS.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Opens a socket to $NOTIFY_SOCKET. Without that variable, or after reporting an error, nothing
 * is sent. */
void notify_open(void);

/* Closes the socket, in a child that does not execute a program. */
void notify_close(void);

/* True if there is a socket: messages are worth their cost. */
bool notify_is_heard(void);

/* Sends lines such as "READY=1"; never waits. The loop must be open. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sends READY=1, and MAINPID of this process. */
void notify_ready(void);

/* Sends RELOADING=1, with the time. */
void notify_reloading(void);

/* Sends STOPPING=1, and in how many milliseconds this process will have ended at the latest. */
void notify_stopping(int64_t within);

/* Milliseconds from one WATCHDOG=1 to the next, half of the manager's time-out; 0: none. */
int64_t notify_watchdog(void);

/* True if the manager keeps descriptors for us beyond our end: $FDSTORE says so, or the
 * administrator (said). */
bool notify_keeps(bool said);

/* Asks the manager to keep fd, which stays open here, under a name. The loop must be open. */
void notify_store(int fd, const char *name);

/* Asks the manager to drop a name, along with the next message. */
void notify_drop(const char *name);

/* Clears the variables in the environment, so that no child sends anything in our name. */
void notify_leave(void);

#endif
