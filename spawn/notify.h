/*
 * Telling a service manager how it goes, by systemd's protocol: sd_notify(3).
 *
 * What its socket has no room for is told as soon as there is room again, in the order
 * in which it came; of several messages that begin alike, such as STATUS, the last one.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Finds the socket of a manager that wants to be told. Nothing is told without one. */
void notify_open(void);

/* Tells some lines, such as "READY=1". Never waits. The loop is open. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells that all runs, and by which process. */
void notify_ready(void);

/* Tells that a reload begins. */
void notify_reloading(void);

/* How often the manager wants to hear of us, in milliseconds; 0: never. */
int64_t notify_watchdog(void);

/* Whether the manager keeps descriptors for us, over our death: it says so, or somebody
 * says it who knows. */
bool notify_keeps(bool said);

/* Has it keep a descriptor, which stays open, under a name. The loop is open. */
void notify_store(int fd, const char *name);

/* Has it let go of that, along with the next message. */
void notify_drop(const char *name);

/* In a child: the program is not to tell anything in our name. */
void notify_leave(void);

#endif
