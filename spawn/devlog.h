/*
 * Messages to the syslog daemon of this machine, by a socket of our own: syslog(3) waits
 * for a daemon that hangs, and loses in silence what nobody takes.
 */
#ifndef DEVLOG_H
#define DEVLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h> /* the priorities */

/* Where the daemon listens. */
extern const char devlog_path[];

/* Connects to it, anew if need be. False, with errno, if there is none: it is looked for
 * again with each message. */
bool devlog_open(void);

/* Sends a text of one line, as facility "daemon" in the form of RFC 3164. Never waits: what
 * the daemon does not take at once is kept for it. False if no more can be kept. */
bool devlog_send(int priority, const char *text, size_t size);

/* Before the end: gives the daemon a moment for what was kept. */
void devlog_flush(void);

#endif
