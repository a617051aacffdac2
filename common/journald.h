/*
 * Messages to systemd's journal in its native protocol: each has fields besides its text, by which
 * journalctl(1) finds it.
 */
#ifndef JOURNALD_H
#define JOURNALD_H

#include "report.h"

#include <stdbool.h>

extern const char journald_path[];

/* True if a descriptor leads to the journal, as JOURNAL_STREAM says. */
bool journald_is_at(int fd);

/* Connects, anew if need be. False with errno: there is no journal; each message tries again. */
bool journald_open(void);

/* Sends a message, with MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, SYSLOG_PID, MESSAGE_ID (by the kind),
 * DOCUMENTATION and its own fields. Never waits. False with errno. */
bool journald_send(const struct report_message *message);

#endif
