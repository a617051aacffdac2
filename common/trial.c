#include <config.h>

#include "trial.h"

#include "exec-error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool trial_is_text(const char *path)
{
	char bytes[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);

	if (fd >= 0)
		close(fd);
	return n >= 0 && !memchr(bytes, '\0', (size_t)n);
}

/* Predicts the errno of execv(3) from mode and first line; 0: none. */
static int foresee(const char *path)
{
	char line[EXEC_LINE_SIZE];
	const char *interpreter;
	struct stat st;
	int fd;

	if (stat(path, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	if (access(path, X_OK) < 0)
		return errno;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	interpreter = exec_interpreter(fd, line);
	if (fd >= 0)
		close(fd);
	if (!interpreter || !*interpreter)
		return trial_is_text(path) ? ENOEXEC : 0;
	return access(interpreter, X_OK) < 0 ? errno : 0;
}

void trial_run(struct trial *out, const char *path, char **words)
{
	*out = (struct trial){ .error = 0 };
	if (!trial_execute(out, path, words))
		*out = (struct trial){ .error = foresee(path) };
}
