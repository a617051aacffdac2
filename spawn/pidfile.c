#include <config.h>

#include "pidfile.h"

#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool pidfile_open(struct pidfile *out, const char *path)
{
	/* Never wait for the other end of a FIFO, nor follow what somebody may
	 * have planted in a directory such as /tmp. */
	const int careful = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat st;

	*out = (struct pidfile){ .path = path, .fd = -1 };
	if (!path)
		return true;
	out->fd = open(path, careful | O_CREAT | O_EXCL, 0644);
	out->ours = out->fd >= 0;
	if (out->ours)
		return true;
	if (errno == EEXIST)
		out->fd = open(path, careful);
	if (out->fd < 0) {
		report("opening PID-file '%s' failed: %s%s", path, strerror(errno),
		       errno == ENOENT ? " (does the directory exist?)"
		       : errno == ELOOP ? " (a symbolic link is not followed)" : "");
		return false;
	}
	if (fstat(out->fd, &st) == 0 && S_ISREG(st.st_mode))
		return true;
	report("PID-file exists and isn't regular file: '%s' (remove it, or choose another path)",
	       path);
	close(out->fd);
	return false;
}

void pidfile_claim(struct pidfile *file)
{
	if (file->fd < 0)
		return;
	file->ours = true;
	if (ftruncate(file->fd, 0) < 0)
		report("cannot empty the old PID-file '%s': %s", file->path, strerror(errno));
}

void pidfile_write(struct pidfile *file, const pid_t *pids, size_t count)
{
	FILE *stream;

	if (file->fd < 0)
		return;
	stream = fdopen(file->fd, "w");
	for (size_t i = 0; stream && i < count; i++)
		fprintf(stream, "%s%ld", i ? "\n" : "", (long)pids[i]);
	if (!stream || ferror(stream) || fflush(stream) == EOF)
		report("writing pid file failed, '%s': %s (the program runs nevertheless)",
		       file->path, strerror(errno));
	if (stream)
		fclose(stream);
	file->fd = -1;
}

void pidfile_discard(struct pidfile *file)
{
	if (file->fd < 0)
		return;
	if (file->ours)
		unlink(file->path);
	close(file->fd);
	file->fd = -1;
}

void pidfile_remove(const char *path, pid_t pid)
{
	FILE *stream = path ? fopen(path, "r") : NULL;
	long number = 0;

	if (!stream)
		return;
	if (fscanf(stream, "%ld", &number) == 1 && number == (long)pid)
		unlink(path);
	fclose(stream);
}
