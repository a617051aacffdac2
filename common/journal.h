/*
 * Messages of this program and lines of its workers, to where the administrator wants them
 * (sink.h).
 * Nothing here waits, but for a file system that does not answer: lines not taken are counted, and
 * the count is told when there is room again.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Opens the place that --log names; NULL is standard error. Our own messages still go to standard
 * error. False after reporting. */
bool journal_open(const char *where);

/* From now on report() writes to the journal, if it is open. Call from the loop's thread. */
void journal_take_reports(void);

/* Writes what other threads have reported. Call at the end of a turn, where there are threads. */
void journal_turn(void);

/* Opens the file, if any, anew after a rotation, or keeps the old one after reporting; connects to
 * syslog or systemd's journal anew. */
void journal_reopen(void);

/* Writes a line of a process. */
void journal_write(pid_t process, const char *line, size_t size);

/* Before the end and before execve(2): tries to write the count, and messages to syslog. */
void journal_flush(void);

#endif
