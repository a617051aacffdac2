/*
 * Telling a service manager how it goes, by systemd's protocol: sd_notify(3).
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Finds the socket of a manager that wants to be told. Nothing is told without one. */
void notify_open(void);

/* Tells some lines, such as "READY=1". Never waits. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells that a reload begins. */
void notify_reloading(void);

/* How often the manager wants to hear of us, in milliseconds; 0: never. */
int64_t notify_watchdog(void);

/* In a child: the program is not to tell anything in our name. */
void notify_leave(void);

#endif
