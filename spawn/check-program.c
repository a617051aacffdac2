#include <config.h>

#include "check-program.h"

#include "program.h"
#include "report.h"
#include "self.h"
#include "trial.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* False after reporting. */
static bool would_execute(const char *path, char **words, const char *root, bool by_shell)
{
	struct trial trial;

	trial_run(&trial, path, words);
	if (trial.error == ENOEXEC && by_shell && trial_is_text(path))
		return true;
	if (trial.error)
		program_explain(path, root, trial.error);
	else if (trial.signal)
		report("exec failed, %s: signal %d (%s) while it was loaded (does --limit leave it "
		       "enough memory?)", path, trial.signal, strsignal(trial.signal));
	return !trial.error && !trial.signal;
}

/* Copies the command at the start of a shell line. False if only the shell can tell. */
static bool find_command(const char *line, char *out, size_t size)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_./+,:@%=-";
	size_t length;

	line += strspn(line, " \t");
	length = strspn(line, plain);
	if (length == 0 || length >= size || *line == '-' || !strchr(" \t\n;&|", line[length]))
		return false;
	snprintf(out, size, "%.*s", (int)length, line);
	return true;
}

/* Finds a command in PATH as the shell does. If false, found is a file of the name without
 * permission to execute, or empty. */
static bool search(const char *path, const char *command, char *found, size_t size)
{
	char file[PATH_MAX];
	struct stat st;

	*found = '\0';
	for (const char *end; ; path = end + 1) {
		int length = (int)strcspn(path, ":");

		end = path + length;
		if (snprintf(file, sizeof file, "%.*s/%s", length ? length : 1, length ? path : ".",
			     command) < (int)size &&
		    stat(file, &st) == 0 && S_ISREG(st.st_mode)) {
			strcpy(found, file);
			if (access(file, X_OK) == 0)
				return true;
		}
		if (!*end)
			return false;
	}
}

static bool shell_reads(void *argument)
{
	char **words = argument;

	execl("/bin/sh", words[0], "-n", words[1], words[2], (char *)NULL);
	return false;
}

/* Checks a shell line without running any of it. False after reporting. */
static bool check_command(const char *line, char **shell_words, const char *root)
{
	char command[PATH_MAX], found[PATH_MAX];
	const char *path = getenv("PATH");
	char *words[] = { command, NULL };
	bool is_found;

	if (!self_apart(shell_reads, shell_words)) {
		report("-f: the shell does not understand this line: %s", line);
		return false;
	}
	is_found = find_command(line, command, sizeof command);
	if (is_found && strchr(command, '/'))
		return would_execute(command, words, root, true);
	if (!is_found || !path) {
		report("-f: what the shell makes of this line was not looked at: %s", line);
		return true;
	}
	if (search(path, command, found, sizeof found))
		return would_execute(found, words, root, true);
	if (*found)
		program_explain(found, root, EACCES);
	else
		report("-f: the shell would not find the command %s (PATH is %s)", command, path);
	return false;
}

bool check_program(const struct settings *s, const struct identity *identity)
{
	const char *path;
	char **words;

	if (!program_prepare(s, identity) || !program_find(s, &path, &words) ||
	    !would_execute(path, words, s->root, false))
		return false;
	return s->program || check_command(s->command, words, s->root);
}
