#include <config.h>

#include "program.h"

#include "exec-error.h"
#include "lifeline.h"
#include "listen.h"
#include "self.h"
#include "report.h"
#include "rlimits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char shell[] = "/bin/sh";

/* Keeps the environment, or PATH alone, and adds --php-children and --env. */
static bool set_environment(const struct settings *s)
{
	static char *nothing[] = { NULL };
	const char *path = getenv("PATH");
	char number[24];
	bool done = true;

	if (s->clear_env) {
		environ = nothing;
		done = !path || setenv("PATH", path, 1) == 0;
	}
	snprintf(number, sizeof number, "%ld", s->php_children);
	if (s->php_children >= 0)
		done = done && setenv("PHP_FCGI_CHILDREN", number, 1) == 0;
	for (size_t i = 0; i < s->env.count; i++)
		done = done && putenv((char *)(size_t)s->env.texts[i]) == 0;
	if (!done)
		report("cannot set the environment of the program: %s", strerror(errno));
	return done;
}

void program_explain(const char *path, const char *root, int error)
{
	const bool is_sought = !strchr(path, '/') && access(path, F_OK) < 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char reason[EXEC_REASON_SIZE];

	exec_explain(reason, sizeof reason, path, fd, error);
	if (fd >= 0)
		close(fd);
	report("exec failed, %s%s: %s%s", path, root ? ", looked up inside the chroot" : "", reason,
	       is_sought ? " (PATH is not searched: give the whole path)" : "");
}

bool program_find(const struct settings *s, const char **path, char ***words)
{
	static const char prefix[] = "exec ";
	static char name[] = "sh", option[] = "-c";
	static char *shell_words[] = { name, option, NULL, NULL };

	if (s->program) {
		*path = s->program[0];
		*words = s->program;
		return true;
	}
	/* With "exec" no shell stays between us and the program. */
	shell_words[2] = malloc(sizeof prefix + strlen(s->command));
	if (!shell_words[2]) {
		report("exec failed, %s: %s", shell, strerror(errno));
		return false;
	}
	strcpy(shell_words[2], prefix);
	strcat(shell_words[2], s->command);
	*path = shell;
	*words = shell_words;
	return true;
}

/* Moves the descriptors into place and executes. Errors from now on are reported on the
 * old stderr. */
static int execute(const struct settings *s, int listener, int output, pid_t tied_to)
{
	int old_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	bool limited;
	const char *path;
	char **words;
	int error;

	if (!program_find(s, &path, &words))
		return EXIT_OWN_ERROR;
	dup2(listener, STDIN_FILENO);
	if (output >= 0) {
		dup2(output, STDOUT_FILENO);
		dup2(output, STDERR_FILENO);
	}
	self_leave();
	if (tied_to && !lifeline_tie(tied_to, s->stop_signal))
		return EXIT_OWN_ERROR; /* the parent is gone: no report */
	limited = rlimits_apply(false);
	if (limited)
		execv(path, words);
	error = errno;
	dup2(old_stderr, STDERR_FILENO);
	if (limited) {
		program_explain(path, s->root, error);
		return error;
	}
	report("cannot limit what the program may use (--limit): %s", strerror(error));
	return EXIT_OWN_ERROR;
}

bool program_prepare(const struct settings *s, const struct identity *identity)
{
	if ((s->root && !self_change_root(s->root)) || !identity_assume(identity))
		return false;
	if (s->directory && chdir(s->directory) < 0) {
		report("cannot change to directory '%s': %s", s->directory, strerror(errno));
		return false;
	}
	return set_environment(s);
}

int program_become(const struct settings *s, const struct identity *identity, int listener,
		   int output, pid_t tied_to)
{
	if (!program_prepare(s, identity))
		return EXIT_OWN_ERROR;
	/* The sockets of LISTEN_FDS close at exec, except with -n alone: this process is
	 * LISTEN_PID then. */
	if (!s->in_place || s->supervise)
		listen_forget_inherited();
	return execute(s, listener, output, tied_to);
}
