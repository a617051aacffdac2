/*
 * Explains errors of execve(2) in words: ENOENT for an existing file, for example, means a
 * missing interpreter. Safe in threads.
 */
#ifndef EXEC_ERROR_H
#define EXEC_ERROR_H

#include <stddef.h>

enum { EXEC_LINE_SIZE = 256, EXEC_REASON_SIZE = 512 };

/* Returns the interpreter after "#!" in the first line of fd, copied to line; maybe empty.
 * NULL: no such line, or fd is -1. */
const char *exec_interpreter(int fd, char line[EXEC_LINE_SIZE]);

/* Writes the reason why execve(2) of path failed with error, an errno value. fd is the file,
 * open for reading, or -1. */
void exec_explain(char *out, size_t size, const char *path, int fd, int error);

#endif
