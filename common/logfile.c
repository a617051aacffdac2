#include <config.h>

#include "logfile.h"

#include "compat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINKS_MOST = 16,
	FLAGS = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
};

/* The way to a file, walked directory by directory. */
struct way {
	int directory;           /* reached so far */
	bool ours;               /* nobody else can change the contents, or the way there */
	bool sticky;             /* nobody else can change our files there: /tmp */
	char ahead[PATH_MAX];    /* the rest of the path */
	char name[NAME_MAX + 1]; /* the part taken off "ahead" */
	int fd;                  /* the file opened at the end */
	bool unended;
};

static const char *explain(int error)
{
	switch (error) {
	case ENOENT:
		return "No such file or directory (does the directory exist?)";
	case ENXIO:
		return "it is a socket, or a FIFO that nobody reads";
	default:
		return strerror(error);
	}
}

/* True for an inherited descriptor: not checked, since chosen by our parent. */
static bool is_descriptor(const char *path)
{
	static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		size_t size = strlen(folders[i]);

		if (strncmp(path, folders[i], size) == 0 && !strchr(path + size, '/'))
			return true;
	}
	return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0;
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Takes the first part off the path. False with errno if there is none, or a too long one. */
static bool take_component(struct way *w)
{
	char *start = w->ahead + strspn(w->ahead, "/");
	size_t size = strcspn(start, "/");

	errno = size == 0 ? EISDIR : ENAMETOOLONG;
	if (size == 0 || size >= sizeof w->name)
		return false;
	memcpy(w->name, start, size);
	w->name[size] = '\0';
	memmove(w->ahead, start + size, strlen(start + size) + 1);
	return true;
}

/* Goes on where a link leads to. False with errno: path too long. */
static bool take_link(struct way *w, const char *target)
{
	char ahead[2 * PATH_MAX];
	int size = snprintf(ahead, sizeof ahead, "%s%s", target, w->ahead);

	errno = ENAMETOOLONG;
	if (size >= (int)sizeof w->ahead)
		return false;
	memcpy(w->ahead, ahead, (size_t)size + 1);
	return true;
}

static bool enter(struct way *w, const char *name)
{
	int next = openat(w->directory, name,
			  O_SEARCH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool known;
	struct stat st;

	if (w->directory >= 0)
		close(w->directory);
	w->directory = next;
	if (next < 0)
		return false;
	known = fstat(next, &st) == 0 && is_ours(&st) && (w->ours || w->sticky);
	w->ours = known && !(st.st_mode & (S_IWGRP | S_IWOTH));
	w->sticky = known && (st.st_mode & S_ISVTX);
	return true;
}

static bool start_way(struct way *w)
{
	if (w->directory >= 0)
		close(w->directory);
	w->directory = AT_FDCWD;
	w->ours = true;
	return enter(w, *w->ahead == '/' ? "/" : ".");
}

/* True if a link was made by us or root, and cannot be changed by others. */
static bool may_follow(const struct way *w)
{
	struct stat st;

	return w->ours ||
	       (w->sticky && fstatat(w->directory, w->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		is_ours(&st) && st.st_nlink == 1);
}

/* True if a file ends within a line, as after a crash or on a full disk. */
static bool ends_within_line(const struct way *w, const struct stat *st)
{
	struct stat same;
	char last = '\n';
	int fd;

	if (!S_ISREG(st->st_mode) || st->st_size == 0)
		return false;
	fd = openat(w->directory, w->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &same) < 0 || same.st_ino != st->st_ino || same.st_dev != st->st_dev ||
	    pread(fd, &last, 1, st->st_size - 1) != 1)
		last = '\n';
	close(fd);
	return last != '\n';
}

static bool is_a_log(const struct way *w, const struct stat *st, const char **why)
{
	if (!S_ISREG(st->st_mode) && !S_ISFIFO(st->st_mode) && !S_ISCHR(st->st_mode))
		*why = S_ISDIR(st->st_mode) ? explain(EISDIR)
		       : "it is no regular file, FIFO or character device";
	else if (!w->ours && st->st_nlink > 1)
		*why = "it has another name, and others may write to its directory (remove it)";
	return !*why;
}

static void open_file(struct way *w, const char **why)
{
	struct stat st;

	w->fd = openat(w->directory, w->name, FLAGS | O_CREAT | O_NOFOLLOW, 0640);
	if (w->fd < 0 || fstat(w->fd, &st) < 0)
		*why = explain(errno);
	else if (is_a_log(w, &st, why))
		w->unended = ends_within_line(w, &st);
}

static void look_at_file(struct way *w, const char **why)
{
	struct stat st;
	bool is_there = fstatat(w->directory, w->name, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (!is_there && errno != ENOENT)
		*why = explain(errno);
	else if ((!is_there || is_a_log(w, &st, why)) &&
		 faccessat(w->directory, is_there ? w->name : ".", W_OK, AT_EACCESS) < 0)
		*why = explain(errno);
}

/* Goes to the directory of the file, and calls arrive(). Opens an inherited descriptor. */
static void walk(struct way *w, const char *path, void (*arrive)(struct way *, const char **),
		 const char **why)
{
	char target[PATH_MAX];
	int links = 0;
	bool going = take_link(w, path);

	for (bool anew = true; going; ) {
		ssize_t size;

		if (anew && is_descriptor(w->ahead)) {
			w->fd = open(w->ahead, FLAGS);
			going = w->fd >= 0;
			break;
		}
		going = (!anew || start_way(w)) && take_component(w);
		if (!going)
			break;
		anew = false;
		size = readlinkat(w->directory, w->name, target, sizeof target - 1);
		if (size < 0 && *w->ahead == '\0') {
			arrive(w, why);
			break;
		}
		if (size < 0) {
			going = enter(w, w->name);
			continue;
		}
		if (!may_follow(w)) {
			*why = "a symbolic link is not followed where others may write to a "
			       "directory on the way (name the file itself)";
			break;
		}
		target[size] = '\0';
		anew = *target == '/';
		errno = ELOOP;
		going = ++links <= LINKS_MOST && take_link(w, target);
	}
	if (!going)
		*why = explain(errno);
	if (w->directory >= 0)
		close(w->directory);
	if (*why && w->fd >= 0) {
		close(w->fd);
		w->fd = -1;
	}
}

int logfile_open(const char *path, bool *unended, const char **why)
{
	struct way w = { .directory = -1, .fd = -1 };

	*why = NULL;
	walk(&w, path, open_file, why);
	*unended = w.unended;
	return w.fd;
}

bool logfile_could_open(const char *path, const char **why)
{
	struct way w = { .directory = -1, .fd = -1 };

	*why = NULL;
	walk(&w, path, look_at_file, why);
	if (w.fd >= 0)
		close(w.fd);
	return !*why;
}
