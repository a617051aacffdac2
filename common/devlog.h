/*
 * Messages to the syslog daemon of this machine, by a socket of our own: syslog(3) waits
 * for a hanging daemon, and silently loses messages not taken.
 */
#ifndef DEVLOG_H
#define DEVLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h> /* the priorities */

/* Path of the daemon's socket. */
extern const char devlog_path[];

/* Connects to the daemon, anew if need be. False with errno if none listens: each message tries
 * again. */
bool devlog_open(void);

/* Sends a text of one line, as facility "daemon" in the form of RFC 3164. Never waits: keeps
 * a message not taken at once. False if no more can be kept. */
bool devlog_send(int priority, const char *text, size_t size);

/* Before the end: gives the daemon up to 250 ms for the kept messages. */
void devlog_flush(void);

#endif
