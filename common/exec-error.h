/*
 * Why a file cannot be executed, in words: for somebody who sees only that it is there.
 * Safe in threads.
 */
#ifndef EXEC_ERROR_H
#define EXEC_ERROR_H

#include <stddef.h>

enum { EXEC_LINE_SIZE = 256, EXEC_REASON_SIZE = 512 };

/* The interpreter that the first line of an open file names after "#!", in line; maybe empty.
 * NULL: there is no such line, or fd is -1. */
const char *exec_interpreter(int fd, char line[EXEC_LINE_SIZE]);

/* Writes why execve(2) refused the file with this error. fd reads the file; -1: it cannot be
 * read. */
void exec_explain(char *out, size_t size, const char *path, int fd, int error);

#endif
