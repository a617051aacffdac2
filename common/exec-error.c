#include <config.h>

#include "exec-error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *exec_interpreter(int fd, char line[EXEC_LINE_SIZE])
{
	ssize_t n = fd < 0 ? -1 : pread(fd, line, EXEC_LINE_SIZE - 1, 0);

	if (n < 2 || line[0] != '#' || line[1] != '!')
		return NULL;
	line[n] = '\0';
	line += 2 + strspn(line + 2, " \t");
	line[strcspn(line, " \t\n")] = '\0';
	return line;
}

static void explain_absence(char *out, size_t size, const char *path, const char *interpreter)
{
	struct stat st;

	if (stat(path, &st) < 0)
		snprintf(out, size, "%s", strerror(errno));
	else if (!interpreter)
		snprintf(out, size, "the file exists, but its dynamic loader does not (was it built "
			 "for another system?)");
	else if (strchr(interpreter, '\r'))
		snprintf(out, size, "its first line ends in a carriage return (convert the file to "
			 "Unix line ends)");
	else if (access(interpreter, F_OK) < 0)
		snprintf(out, size, "its interpreter %s does not exist (see its first line)",
			 interpreter);
	else
		snprintf(out, size, "its interpreter %s exists, but the interpreter or dynamic "
			 "loader of that does not", interpreter);
}

static void explain_denial(char *out, size_t size, const char *path, const char *interpreter)
{
	const char *denied = strerror(EACCES);
	struct stat st;

	if (stat(path, &st) < 0)
		snprintf(out, size, "%s (may this user search all directories on the way?)", denied);
	else if (!S_ISREG(st.st_mode))
		snprintf(out, size, "%s (it is not a file)", denied);
	else if (access(path, X_OK) < 0)
		snprintf(out, size, "%s (this user may not execute it: chmod +x?)", denied);
	else if (interpreter && access(interpreter, X_OK) < 0)
		snprintf(out, size, "%s (its interpreter is not executable by this user: %s)",
			 denied, interpreter);
	else
		snprintf(out, size, "%s (is the file system mounted noexec?)", denied);
}

void exec_explain(char *out, size_t size, const char *path, int fd, int error)
{
	char line[EXEC_LINE_SIZE];
	const char *interpreter = exec_interpreter(fd, line);

	switch (error) {
	case ENOENT:
		explain_absence(out, size, path, interpreter);
		break;
	case EACCES:
		explain_denial(out, size, path, interpreter);
		break;
	case ENOEXEC:
		snprintf(out, size, "%s (a script needs a first line such as #!/bin/sh, a binary "
			 "the format of this machine)", strerror(error));
		break;
	default:
		snprintf(out, size, "%s", strerror(error));
	}
}
