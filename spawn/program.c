#include <config.h>

#include "program.h"

#include "listen.h"
#include "process.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char shell[] = "/bin/sh";

/* The value that tells PHP how many processes to be. */
static bool set_environment(long php_children)
{
	char number[24];

	if (php_children < 0)
		return true;
	snprintf(number, sizeof number, "%ld", php_children);
	if (setenv("PHP_FCGI_CHILDREN", number, 1) == 0)
		return true;
	report("cannot set PHP_FCGI_CHILDREN: %s", strerror(errno));
	return false;
}

/* The interpreter that a script names after "#!", in place. NULL: none. */
static const char *find_interpreter(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "r");
	char *name = NULL;

	if (!file)
		return NULL;
	if (fgets(line, (int)size, file) && strncmp(line, "#!", 2) == 0) {
		name = line + 2 + strspn(line + 2, " \t");
		name[strcspn(name, " \t\n")] = '\0';
	}
	fclose(file);
	return name;
}

static void report_absence(const char *path, const char *root)
{
	const char *inside = root ? ", looked up inside the chroot" : "";
	char line[256];
	const char *interpreter;

	if (access(path, F_OK) < 0) {
		report("exec failed, %s%s: %s%s", path, inside, strerror(ENOENT),
		       strchr(path, '/') ? "" : " (PATH is not searched: give the whole path)");
		return;
	}
	interpreter = find_interpreter(path, line, sizeof line);
	if (!interpreter)
		report("exec failed, %s: the file exists, but its dynamic loader does not%s "
		       "(was it built for another system?)", path, inside);
	else if (strchr(interpreter, '\r'))
		report("exec failed, %s: its first line ends in a carriage return "
		       "(convert the line ends to Unix)", path);
	else
		report("exec failed, %s: its interpreter %s does not exist%s "
		       "(see its first line)", path, interpreter, inside);
}

static const char *explain_denial(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return "may this user search all directories on the way?";
	if (!S_ISREG(st.st_mode))
		return "it is not a file";
	if (access(path, X_OK) < 0)
		return "this user may not execute it: chmod +x?";
	return "its interpreter is not executable, or the file system is mounted noexec";
}

/* Says why the program cannot be executed, to somebody who sees only that the
 * file is there. */
static void report_exec(const char *path, const char *root, int error)
{
	switch (error) {
	case ENOENT:
		report_absence(path, root);
		break;
	case ENOEXEC:
		report("exec failed, %s: %s (a script needs a first line such as #!%s, a binary "
		       "the format of this machine)", path, strerror(error), shell);
		break;
	case EACCES:
		report("exec failed, %s: %s (%s)", path, strerror(error), explain_denial(path));
		break;
	default:
		report("exec failed, %s: %s", path, strerror(error));
	}
}

/* Returns, with errno, if it failed. "exec" keeps the shell from staying
 * between us and the program. */
static void execute_command(const char *command)
{
	static const char prefix[] = "exec ";
	char *line = malloc(sizeof prefix + strlen(command));

	if (!line)
		return;
	strcpy(line, prefix);
	strcat(line, command);
	execl(shell, "sh", "-c", line, (char *)NULL);
	free(line);
}

/* Hands descriptors over and executes. What goes wrong now is still said on the
 * stderr that we had. */
static int execute(const struct settings *s, int listener, int output)
{
	int old_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int error;

	dup2(listener, STDIN_FILENO);
	if (output >= 0) {
		dup2(output, STDOUT_FILENO);
		dup2(output, STDERR_FILENO);
	}
	process_leave();
	if (s->program)
		execv(s->program[0], s->program);
	else
		execute_command(s->command);
	error = errno;
	dup2(old_stderr, STDERR_FILENO);
	report_exec(s->program ? s->program[0] : shell, s->root, error);
	return error;
}

bool program_is_executable(const struct settings *s)
{
	const char *path = s->program ? s->program[0] : shell;
	char line[256];
	const char *interpreter;
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, X_OK) < 0) {
		report_exec(path, s->root, errno == ENOENT ? ENOENT : EACCES);
		return false;
	}
	interpreter = find_interpreter(path, line, sizeof line);
	if (!interpreter || access(interpreter, X_OK) == 0)
		return true;
	report_absence(path, s->root);
	return false;
}

int program_become(const struct settings *s, const struct identity *identity, int listener,
		   int output)
{
	if (s->root && !process_change_root(s->root))
		return EXIT_OWN_ERROR;
	if (!identity_assume(identity))
		return EXIT_OWN_ERROR;
	if (s->directory && chdir(s->directory) < 0) {
		report("cannot change to directory '%s': %s", s->directory, strerror(errno));
		return EXIT_OWN_ERROR;
	}
	if (!set_environment(s->php_children))
		return EXIT_OWN_ERROR;
	/* Those descriptors are closed, and with -n the number of the process stays. */
	listen_forget_inherited();
	return execute(s, listener, output);
}
