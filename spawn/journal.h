/*
 * Where the supervisor's messages and the lines of its children go: a file,
 * syslog, or standard error.
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

/* Opens the file anew, after it was moved away. */
void journal_reopen(void);

/* Writes a line of a process. Never waits: what nobody takes is counted instead. */
void journal_write(pid_t process, const char *line, size_t size);

#endif
