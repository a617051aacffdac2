/*
 * Where the supervisor's messages and the lines of its children go: a file, a syslog
 * daemon, or standard error. Nothing here waits, but for a file system that does not
 * answer: what nobody takes is counted, and the count is told when there is room again.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Opens it: "syslog", a file by its path, or, NULL, standard error. Messages of
 * our own still go to standard error. False after reporting. */
bool journal_open(const char *where);

/* From now on our messages go there too. */
void journal_take_reports(void);

/* Opens the file anew, after it was moved away, or else keeps it and says so. */
void journal_reopen(void);

/* Writes a line of a process; 0: of our own. */
void journal_write(pid_t process, const char *line, size_t size);

/* Before the end, and before another program takes our place. */
void journal_flush(void);

#endif
