#include <config.h>

#include "pidfile.h"

#include "compat.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Neither wait for the other end of a FIFO, nor follow a symbolic link planted in a directory
 * such as /tmp. */
enum { CAREFUL = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };

enum { NEW_NAMES = 100, PIDS_READ = 65536, FILE_MODE = 0644 };

/* Opens the directory of path, so that it is looked up once; *name is the last component. -1
 * with errno. */
static int open_directory(const char *path, const char **name)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path) + 1 : 1;

	*name = slash ? slash + 1 : path;
	if (**name == '\0' || length >= PATH_MAX) {
		errno = **name ? ENAMETOOLONG : EISDIR;
		return -1;
	}
	snprintf(directory, sizeof directory, "%.*s", length, slash ? path : ".");
	return open(directory, O_SEARCH | O_DIRECTORY | O_CLOEXEC);
}

/* Opens a regular file; -1 with errno, EINVAL for any other kind. */
static int open_regular(int directory, const char *name, int flags)
{
	int fd = openat(directory, name, flags | CAREFUL);
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

/* True if an old file may be overwritten. Root writes only to root's: any other owner could
 * name any process to a start script. */
static bool is_trusted(const struct stat *st)
{
	return geteuid() != 0 || st->st_uid == 0;
}

/* Returns the error number that writing the file would meet; 0: none. */
static int find_obstacle(int directory, const char *name)
{
	struct stat st;

	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISREG(st.st_mode))
			return S_ISLNK(st.st_mode) ? ELOOP : EINVAL;
		if (is_trusted(&st) && faccessat(directory, name, W_OK, AT_EACCESS) == 0)
			return 0;
	} else if (errno != ENOENT) {
		return errno;
	}
	return faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

bool pidfile_open(struct pidfile *out, const char *path)
{
	const char *name;
	int directory, error;

	*out = (struct pidfile){ .path = path };
	if (!path)
		return true;
	directory = open_directory(path, &name);
	error = directory < 0 ? errno : find_obstacle(directory, name);
	if (directory >= 0)
		close(directory);
	if (directory >= 0 && error == EINVAL)
		report("PID-file exists and isn't regular file: '%s' (remove it, or choose "
		       "another path)", path);
	else if (error)
		report("opening PID-file '%s' failed: %s%s", path, strerror(error),
		       error == ENOENT ? " (does the directory exist?)"
		       : error == ELOOP ? " (a symbolic link is not followed)" : "");
	return error == 0;
}

void pidfile_claim(struct pidfile *file)
{
	file->claimed = true;
}

/* Closes fd in any case; false with errno. */
static bool write_pids(int fd, const pid_t *pids, size_t count)
{
	FILE *stream = fdopen(fd, "w");
	int error = errno;

	if (!stream) {
		close(fd);
		errno = error;
		return false;
	}
	for (size_t i = 0; i < count; i++)
		fprintf(stream, "%s%ld", i ? "\n" : "", (long)pids[i]);
	error = fflush(stream) == 0 && !ferror(stream) ? 0 : errno ? errno : EIO;
	if (fclose(stream) != 0 && !error)
		error = errno;
	errno = error;
	return !error;
}

/* Creates a new file beside the old one, with the name in new_name; -1 with errno. */
static int create(int directory, const char *name, char *new_name, size_t size)
{
	int fd = -1;

	errno = EEXIST;
	for (int i = 0; fd < 0 && errno == EEXIST && i < NEW_NAMES; i++) {
		snprintf(new_name, size, "%s.%ld.%d", name, (long)getpid(), i);
		fd = openat(directory, new_name, O_WRONLY | O_CREAT | O_EXCL | CAREFUL, FILE_MODE);
	}
	return fd;
}

/* Renames a complete new file into place: readers find the old file or all of the new one. */
static bool replace(int directory, const char *name, const pid_t *pids, size_t count)
{
	char new_name[PATH_MAX + 64];
	int error, fd = create(directory, name, new_name, sizeof new_name);

	if (fd < 0)
		return false;
	if (write_pids(fd, pids, count) && renameat(directory, new_name, directory, name) == 0)
		return true;
	error = errno;
	unlinkat(directory, new_name, 0);
	errno = error;
	return false;
}

/* Writes the old file: the directory may not be writable, or the file a mount point. */
static bool overwrite(int directory, const char *name, const pid_t *pids, size_t count)
{
	int fd = open_regular(directory, name, O_WRONLY);
	struct stat st;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && is_trusted(&st) && ftruncate(fd, 0) == 0)
		return write_pids(fd, pids, count);
	close(fd);
	return false;
}

/* True if a file names no living process. */
static bool is_stale(int directory, const char *name)
{
	int fd = open_regular(directory, name, O_RDONLY);
	FILE *stream = fd >= 0 ? fdopen(fd, "r") : NULL;
	bool stale = stream != NULL;
	int left = PIDS_READ;
	long pid = 0;

	if (fd >= 0 && !stream)
		close(fd);
	while (stale && left-- > 0 && fscanf(stream, "%ld", &pid) == 1)
		stale = pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
	stale = stale && feof(stream);
	if (stream)
		fclose(stream);
	return stale;
}

void pidfile_write(struct pidfile *file, const pid_t *pids, size_t count)
{
	const char *name;
	int error, directory = file->path ? open_directory(file->path, &name) : -1;

	if (!file->path)
		return;
	if (directory >= 0 && replace(directory, name, pids, count)) {
		close(directory);
		return;
	}
	error = errno;
	if (directory < 0 || !overwrite(directory, name, pids, count)) {
		report("writing pid file failed, '%s': %s (the program runs nevertheless)",
		       file->path, strerror(error));
		pidfile_discard(file);
	}
	if (directory >= 0)
		close(directory);
}

void pidfile_discard(struct pidfile *file)
{
	const char *name;
	int directory = file->path && file->claimed ? open_directory(file->path, &name) : -1;

	if (directory < 0)
		return;
	if (is_stale(directory, name))
		unlinkat(directory, name, 0);
	close(directory);
}

void pidfile_remove(const char *path, pid_t pid)
{
	const char *name;
	char text[24] = "";
	int directory = path ? open_directory(path, &name) : -1, fd;

	if (directory < 0)
		return;
	fd = open_regular(directory, name, O_RDONLY);
	if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 && atol(text) == (long)pid)
		unlinkat(directory, name, 0);
	if (fd >= 0)
		close(fd);
	close(directory);
}
