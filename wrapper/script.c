#include <config.h>

#include "script.h"

#include "compat.h"
#include "exec-error.h"
#include "hash.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

/* Format and arguments for a path in a message; cuts a long path. */
#define SHOWN "%.*s%s"
#define SHOW(path) SCRIPT_SHOWN_MOST, (path), strlen(path) > SCRIPT_SHOWN_MOST ? "..." : ""

/* O_NONBLOCK, since another user may put a FIFO in place of the file, or hold a lease. */
enum { OPEN_FILE = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };

static const struct option_list *files, *roots, *interpreters;
static char we[64]; /* "user NAME (uid N)", for messages */

/* Roots by realpath(3), in the order of the option. */
static struct {
	pthread_mutex_t lock;
	char **real;
} resolved = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The start. */

static bool open_root(const char *directory, char **out)
{
	struct stat st;

	*out = realpath(directory, NULL);
	if (!*out || stat(*out, &st) < 0) {
		report("--root %s: %s", directory, strerror(errno));
		return false;
	}
	if (S_ISDIR(st.st_mode))
		return true;
	report("--root %s: not a directory", directory);
	return false;
}

static bool check_interpreter(const char *rule)
{
	const char *path = strchr(rule, '=');

	if (rule[0] != '.' || !path || path == rule + 1 || path[1] != '/') {
		report("--interpreter wants .SUFFIX=/PATH, not \"%s\"", rule);
		return false;
	}
	if (access(path + 1, X_OK) == 0)
		return true;
	report("--interpreter %s: %s", rule, strerror(errno));
	return false;
}

bool script_open(const struct option_list *f, const struct option_list *r,
		 const struct option_list *i)
{
	const struct passwd *user = getpwuid(geteuid());

	snprintf(we, sizeof we, "user %s (uid %ld)", user ? user->pw_name : "without a name",
		 (long)geteuid());
	files = f;
	roots = r;
	interpreters = i;
	if (r->count > 0 && !(resolved.real = calloc(r->count, sizeof *resolved.real))) {
		report("--root: %s", strerror(errno));
		return false;
	}
	for (size_t n = 0; n < r->count; n++)
		if (!open_root(r->texts[n], &resolved.real[n]))
			return false;
	for (size_t n = 0; n < i->count; n++)
		if (!check_interpreter(i->texts[n]))
			return false;
	return true;
}

/* Refusals. */

static bool refuse(struct script *s, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool refuse(struct script *s, int status, const char *format, ...)
{
	va_list arguments;

	s->status = status;
	va_start(arguments, format);
	vsnprintf(s->reason, sizeof s->reason, format, arguments);
	va_end(arguments);
	return false;
}

static bool refuse_no_memory(struct script *s)
{
	s->shortage = true;
	return refuse(s, 503, "no memory to find a script");
}

/* Maps the errno of a system call to an HTTP status. */
static bool refuse_by_error(struct script *s, const char *path, int error)
{
	int status = 500;

	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		status = 404;
		break;
	case EACCES:
	case EPERM:
	case ELOOP:
		status = 403;
		break;
	case EAGAIN: /* a lease, no shortage: other requests need not wait */
		return refuse(s, 503, "script " SHOWN ": somebody holds a lease on it", SHOW(path));
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		status = 503;
		s->shortage = true;
	}
	return refuse(s, status, "script " SHOWN ": %s", SHOW(path), strerror(error));
}

/* Names the first unsearchable directory of path. */
static bool refuse_unsearchable(struct script *s, char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		bool closed;

		*slash = '\0';
		closed = access(path, X_OK) < 0 && errno == EACCES;
		if (closed)
			refuse(s, 403, "script in " SHOWN ": this directory may not be searched by %s "
			       "(mode o+x, or a group, is missing)", SHOW(path), we);
		*slash = '/';
		if (closed)
			return false;
	}
	return refuse_by_error(s, path, EACCES);
}

/* Names the first missing component behind an existing prefix. */
static bool refuse_missing(struct script *s, const char *whole, size_t prefix)
{
	size_t next = prefix + 1 + strcspn(whole + prefix + 1, "/");
	bool cut = next > SCRIPT_SHOWN_MOST;

	return refuse(s, 404, "no such script: %.*s%s does not exist",
		      cut ? SCRIPT_SHOWN_MOST : (int)next, whole, cut ? "..." : "");
}

/* The target of a request. */

static char *join(const char *a, const char *b)
{
	char *both = malloc(strlen(a) + strlen(b) + 1);

	return both ? strcat(strcpy(both, a), b) : NULL;
}

/* Apache's mod_proxy_fcgi sends "proxy:fcgi://host:port/path?query",
 * "proxy:balancer://name/path" or "proxy:unix:/socket|fcgi://name/path". */
static char *without_proxy_prefix(const char *name)
{
	const char *authority = strncmp(name, "proxy:", 6) == 0 ? strstr(name, "://") : NULL;
	const char *path = authority ? strchr(authority + 3, '/') : NULL;

	if (!path)
		return strdup(name);
	return strndup(path, strcspn(path, "?"));
}

static int hex_value(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return digit ? (int)(digit - digits) : -1;
}

/* Returns the byte of an escape such as %20; 0 without an escape, and for '/' and NUL. */
static char escaped_byte(const char *text)
{
	int high = text[0] == '%' ? hex_value(text[1]) : -1;
	int low = high < 0 ? -1 : hex_value(text[2]);
	char byte = low < 0 ? '\0' : (char)(high * 16 + low);

	return byte == '/' ? '\0' : byte;
}

static void decode_percent(char *text)
{
	char *out = text;

	for (; *text; text++) {
		char byte = escaped_byte(text);

		*out++ = byte ? byte : *text;
		if (byte)
			text += 2;
	}
	*out = '\0';
}

static const char *component_start(const char *path, const char *end)
{
	while (end > path && end[-1] != '/')
		end--;
	return end;
}

/* True if the component, decoded, is the one at name. */
static bool decodes_to(const char *component, const char *end, const char *name,
		       const char *name_end)
{
	while (component < end && name < name_end) {
		char byte = escaped_byte(component);

		if ((byte ? byte : *component) != *name++)
			return false;
		component += byte ? 3 : 1;
	}
	return component == end && name == name_end;
}

static bool has_escape(const char *text, const char *end)
{
	while (text < end && !escaped_byte(text))
		text++;
	return text < end;
}

/* Apache percent-encodes SCRIPT_FILENAME with ProxyPass, but not with SetHandler;
 * SCRIPT_NAME is always decoded. Both have the same tail, so the last component with an
 * escape decides. */
static bool is_encoded(const char *path, const char *name)
{
	const char *end = path + strlen(path), *name_end = name + strlen(name);

	while (end > path && name_end > name) {
		const char *start = component_start(path, end);
		const char *name_start = component_start(name, name_end);
		size_t length = (size_t)(end - start);
		bool same = length == (size_t)(name_end - name_start) &&
			    memcmp(start, name_start, length) == 0;

		if (has_escape(start, end))
			return !same && decodes_to(start, end, name_start, name_end);
		if (!same)
			return false;
		end = start > path ? start - 1 : path;
		name_end = name_start > name ? name_start - 1 : name;
	}
	return false;
}

/* Returns the path in a SCRIPT_FILENAME, to be freed; NULL without memory. */
static char *path_of_file(const char *file, const char *name)
{
	char *path = without_proxy_prefix(file);

	if (path && name && is_encoded(path, name))
		decode_percent(path);
	return path;
}

/* Path named by a request: the script, and any components behind it. */
struct target {
	char *whole;
	char *path; /* existing prefix of whole */
	struct stat st;
	int error; /* 0, or errno: no prefix found */
	bool is_info; /* made of DOCUMENT_ROOT and PATH_INFO */
};

static void target_free(struct target *t)
{
	free(t->whole);
	free(t->path);
	*t = (struct target){ .error = ENOMEM };
}

static bool is_script(const struct target *t)
{
	return t->error == 0 && S_ISREG(t->st.st_mode);
}

static bool is_directory(const struct target *t)
{
	return t->error == 0 && S_ISDIR(t->st.st_mode) && strcmp(t->whole, t->path) == 0;
}

/* Removes components until the path exists or cannot be examined. stat(2) refuses paths of
 * PATH_MAX bytes or more. */
static void target_look(struct target *t)
{
	size_t length = strlen(t->whole);

	t->error = ENOENT;
	if (t->whole[0] != '/')
		return;
	while (length > 0) {
		t->path[length] = '\0';
		if (length < PATH_MAX && stat(t->path, &t->st) == 0)
			t->error = 0;
		else if (length < PATH_MAX)
			t->error = errno;
		if (t->error != ENOENT && t->error != ENOTDIR && t->error != ENAMETOOLONG)
			return;
		do
			length--;
		while (t->whole[length] != '/');
	}
}

/* Takes ownership of whole. False without memory, also if whole is NULL. */
static bool target_set(struct target *t, char *whole, bool is_info)
{
	target_free(t);
	t->whole = whole;
	t->path = whole ? strdup(whole) : NULL;
	t->is_info = is_info;
	if (t->path)
		target_look(t);
	return t->path;
}

/* Chooses the last SCRIPT_FILENAME of a regular file, else the last non-empty one. False
 * without memory. */
static bool target_by_file(struct target *t, const struct environment *e, const char *name)
{
	struct target other = { .error = ENOMEM };
	bool done = true;

	for (size_t i = 0; done && i < e->file_count && !is_script(t); i++) {
		if (!*e->files[i])
			continue;
		if (!t->whole) {
			done = target_set(t, path_of_file(e->files[i], name), false);
			continue;
		}
		done = target_set(&other, path_of_file(e->files[i], name), false);
		if (done && is_script(&other)) {
			struct target last = *t;

			*t = other;
			other = last;
		}
	}
	target_free(&other);
	return done;
}

/* Caddy without "split" and h2o send the whole path of the URL as PATH_INFO: search for the
 * script below DOCUMENT_ROOT. */
static bool target_choose(struct target *t, const struct environment *e)
{
	const char *root = environment_get_text(e, "DOCUMENT_ROOT");
	const char *name = environment_get_text(e, "SCRIPT_NAME");
	const char *info = environment_get_text(e, "PATH_INFO");

	if (!target_by_file(t, e, name))
		return false;
	if (root && name && !t->whole)
		return target_set(t, join(root, name), false);
	if (root && !name && info && info[0] == '/' &&
	    (!t->whole || is_directory(t)))
		return target_set(t, join(root, info), true);
	return true;
}

static bool refuse_target(struct script *s, struct target *t)
{
	size_t length = strlen(t->path);

	if (t->whole[0] != '/')
		return refuse(s, 403, "script " SHOWN ": not an absolute path", SHOW(t->whole));
	if (t->error == EACCES)
		return refuse_unsearchable(s, t->path);
	if (t->error == ENOENT || t->error == ENOTDIR || t->error == ENAMETOOLONG)
		return refuse_missing(s, t->whole, 0);
	if (t->error)
		return refuse_by_error(s, t->path, t->error);
	if (S_ISDIR(t->st.st_mode) && t->whole[length] && t->whole[length + 1])
		return refuse_missing(s, t->whole, length);
	return refuse(s, 403, "script " SHOWN ": %s, not a script", SHOW(t->path),
		      S_ISDIR(t->st.st_mode) ? "a directory" : "a special file");
}

/* Permission to run. */

static bool is_restricted(void)
{
	return files->count > 0 || roots->count > 0;
}

/* True if path is directory, or lies below it. */
static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 &&
	       (directory[length - 1] == '/' || path[length] == '/' || path[length] == '\0');
}

static bool is_listed(const char *path)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(path, files->texts[i]) == 0)
			return true;
	return false;
}

static bool is_within_a_root(const char *real)
{
	bool within = false;

	pthread_mutex_lock(&resolved.lock);
	for (size_t i = 0; i < roots->count && !within; i++)
		within = is_below(real, resolved.real[i]);
	pthread_mutex_unlock(&resolved.lock);
	return within;
}

/* A root may be a symbolic link, switched by a deployment: resolve all roots again. An
 * unresolvable root keeps its old directory. Each thread compares with its own realpath(3)
 * results, and so does not depend on the progress of another thread. */
static bool is_within_a_root_now(const char *real)
{
	bool within = false;

	for (size_t i = 0; i < roots->count; i++) {
		char *now = realpath(roots->texts[i], NULL), *old;

		if (!now)
			continue;
		within |= is_below(real, now);
		pthread_mutex_lock(&resolved.lock);
		old = resolved.real[i];
		resolved.real[i] = now;
		pthread_mutex_unlock(&resolved.lock);
		free(old);
	}
	return within;
}

static bool is_allowed(const char *real)
{
	return is_within_a_root(real) || is_within_a_root_now(real);
}

/* True if the client may learn why path was refused: with --root or -p, the status must not
 * reveal other files. */
static bool may_tell(const char *path)
{
	char *real;
	bool may = !is_restricted();

	for (size_t i = 0; i < files->count && !may; i++)
		may = is_below(path, files->texts[i]);
	if (may)
		return true;
	real = realpath(path, NULL);
	if (real)
		may = is_allowed(real);
	else if (!strstr(path, "/.."))
		for (size_t i = 0; i < roots->count && !may; i++)
			may = is_below(path, roots->texts[i]);
	free(real);
	return may;
}

/* Opens the directory of a path without symbolic links, component by component with
 * O_NOFOLLOW: a link put in place of a component meanwhile is not followed. The script is
 * executed from this descriptor. -1 with errno. */
static int open_home(const char *path)
{
	int fd = open("/", O_SEARCH | O_DIRECTORY | O_CLOEXEC);
	const char *slash;

	for (path++; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		char *name = strndup(path, (size_t)(slash - path));
		int next = name ? openat(fd, name, O_SEARCH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
				: -1;
		int saved = errno;

		free(name);
		close(fd);
		fd = next;
		errno = saved;
	}
	return fd;
}

/* A root may be switched between realpath(3) of the file and of the root: resolve the file
 * again, and check the new path if there is one. False with errno, 0 if outside. */
static bool is_allowed_by_now(struct script *s)
{
	char *now;
	bool moved;

	if (is_allowed(s->path))
		return true;
	now = realpath(s->called, NULL);
	if (!now)
		return false;
	moved = strcmp(now, s->path) != 0;
	free(s->path);
	s->path = now;
	if (moved && is_allowed(now))
		return true;
	errno = 0;
	return false;
}

/* Without restrictions, or if listed by -p, path is the script as called. Else the resolved
 * file must be below a --root, and home is opened. */
static bool confine(struct script *s)
{
	bool is_inside;

	if (!is_restricted() || is_listed(s->called)) {
		s->path = strdup(s->called);
		return s->path || refuse_no_memory(s);
	}
	if (roots->count == 0)
		return refuse(s, 404, "script " SHOWN ": not among the scripts allowed by -p",
			      SHOW(s->called));
	s->path = realpath(s->called, NULL);
	if (!s->path)
		return refuse_by_error(s, s->called, errno);
	is_inside = is_allowed_by_now(s);
	if (!is_inside && errno)
		return refuse_by_error(s, s->called, errno);
	if (!is_inside)
		return refuse(s, 404, "script " SHOWN ": is " SHOWN ", outside of every --root%s",
			      SHOW(s->called), SHOW(s->path),
			      files->count ? " and not allowed by -p" : "");
	s->home = open_home(s->path);
	return s->home >= 0 || refuse_by_error(s, s->path, errno);
}

/* Returns home and the name of the file in home; without home AT_FDCWD and the path. */
static int at_home(const struct script *s, const char **name)
{
	*name = s->home >= 0 ? strrchr(s->path, '/') + 1 : s->path;
	return s->home >= 0 ? s->home : AT_FDCWD;
}

/* Opens the script. -1 with errno, EACCES if not a regular file. */
static int open_file(const struct script *s)
{
	const char *name;
	int from = at_home(s, &name);
	int fd = openat(from, name, OPEN_FILE | (s->home >= 0 ? O_NOFOLLOW : 0));
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = EACCES;
	return -1;
}

/* With home, opens the file: the interpreter reads the allowed file even if the name is
 * replaced. Without home, checks for read permission. */
static bool open_for_interpreter(struct script *s)
{
	const char *name;
	int from = at_home(s, &name);

	if (s->home >= 0) {
		s->file = open_file(s);
		if (s->file >= 0)
			return fcntl(s->file, F_SETFL, 0) == 0 ||
			       refuse_by_error(s, s->path, errno);
	} else if (faccessat(from, name, R_OK, 0) == 0) {
		return true;
	}
	if (errno != EACCES)
		return refuse_by_error(s, s->path, errno);
	return refuse(s, 403, "script " SHOWN ": may not be read by %s", SHOW(s->path), we);
}

/* Sets the --interpreter by the suffix of a file without execute permission. */
static bool choose_interpreter(struct script *s)
{
	const char *name, *suffix = strrchr(s->path, '.');
	int from = at_home(s, &name);
	size_t length = suffix ? strlen(suffix) : 0;

	if (faccessat(from, name, X_OK, 0) == 0)
		return true;
	if (errno != EACCES)
		return refuse_by_error(s, s->path, errno);
	for (size_t i = 0; suffix && i < interpreters->count; i++) {
		const char *rule = interpreters->texts[i];

		if (strncmp(rule, suffix, length) != 0 || rule[length] != '=')
			continue;
		s->interpreter = rule + length + 1;
		return open_for_interpreter(s);
	}
	return refuse(s, 403, "script " SHOWN ": may not be executed by %s (chmod +x it?)",
		      SHOW(s->path), we);
}

/* Sets the directory: FCGI_CHDIR, none for "-", by default the directory of the script. */
static bool choose_directory(struct script *s, const struct environment *e)
{
	const char *wish = environment_get_text(e, "FCGI_CHDIR");
	size_t length = (size_t)(strrchr(s->path, '/') - s->path);

	/* Scripts load code from the working directory: perl from ".", shells by ". ./x". */
	if (wish && is_restricted())
		return refuse(s, 403, "script " SHOWN ": FCGI_CHDIR is not possible with --root or "
			      "-p", SHOW(s->path));
	if (s->home >= 0 || (wish && strcmp(wish, "-") == 0))
		return true;
	s->directory = wish ? strdup(wish) : strndup(s->path, length ? length : 1);
	return s->directory || refuse_no_memory(s);
}

/* Meta-variables of the script. */

/* Cuts what follows the script off SCRIPT_NAME, or off the PATH_INFO that named the script. */
static bool set_script_name(struct environment *e, const char *rest, bool is_info)
{
	const char *name = environment_get_text(e, is_info ? "PATH_INFO" : "SCRIPT_NAME");
	size_t length = name ? strlen(name) : 0, cut = strlen(rest);
	char *shorter;
	bool done;

	if (!name || (cut == 0 && !is_info) || length < cut || strcmp(name + length - cut, rest) != 0)
		return true;
	shorter = strndup(name, length - cut);
	done = shorter && environment_set(e, "SCRIPT_NAME", shorter);
	free(shorter);
	return done;
}

/* Sets PATH_INFO to rest if it named the script, or if there is a rest and the client sent
 * none. An empty PATH_INFO without a rest stays: some scripts rely on it. */
static bool set_path_info(struct environment *e, const char *rest, bool is_info)
{
	if (is_info || (*rest && !environment_get_text(e, "PATH_INFO")))
		return environment_set(e, "PATH_INFO", rest);
	return true;
}

static bool set_path_translated(struct environment *e, bool is_info)
{
	const char *info = environment_get_text(e, "PATH_INFO");
	const char *root = environment_get_text(e, "DOCUMENT_ROOT");
	char *translated;
	bool done;

	if (!info || is_info)
		environment_unset(e, "PATH_TRANSLATED");
	if (!info || !root || environment_get_text(e, "PATH_TRANSLATED"))
		return true;
	translated = join(root, info);
	done = translated && environment_set(e, "PATH_TRANSLATED", translated);
	free(translated);
	return done;
}

static uint64_t key_of_file(const struct stat *st)
{
	const uint64_t numbers[] = { (uint64_t)st->st_dev, (uint64_t)st->st_ino };

	return hash_bytes(numbers, sizeof numbers);
}

static bool find_by(struct script *s, struct environment *e, struct target *t)
{
	const char *rest;

	if (!is_script(t)) {
		refuse_target(s, t);
		if (!s->shortage && t->whole[0] == '/' && !may_tell(t->path))
			s->status = 404;
		return false;
	}
	rest = t->whole + strlen(t->path);
	s->key = key_of_file(&t->st);
	s->called = t->path;
	t->path = NULL;
	if (!confine(s) || !choose_interpreter(s) || !choose_directory(s, e))
		return false;
	return (environment_set(e, "SCRIPT_FILENAME", s->called) &&
		set_script_name(e, rest, t->is_info) && set_path_info(e, rest, t->is_info) &&
		set_path_translated(e, t->is_info)) ||
	       refuse_no_memory(s);
}

bool script_find(struct script *s, struct environment *e)
{
	struct target target = { .error = ENOMEM };
	bool found;

	*s = SCRIPT_NONE;
	if (!target_choose(&target, e))
		found = refuse_no_memory(s);
	else if (!target.whole)
		found = refuse(s, 403, "the request names no script (SCRIPT_FILENAME, or DOCUMENT_ROOT "
			       "and SCRIPT_NAME, must be set)");
	else
		found = find_by(s, e, &target);
	target_free(&target);
	return found;
}

void script_label(char out[SCRIPT_LABEL_SIZE], const struct environment *e)
{
	const char *file = environment_get_text(e, "SCRIPT_FILENAME");
	const char *root = environment_get_text(e, "DOCUMENT_ROOT");
	const char *name = environment_get_text(e, "SCRIPT_NAME");
	char path[SCRIPT_SHOWN_MOST + 2]; /* extra byte, so that SHOW() marks a cut */

	if (!name)
		name = environment_get_text(e, "PATH_INFO");
	if (!file && !(root && name)) {
		strcpy(out, "a request");
		return;
	}
	if (file)
		snprintf(path, sizeof path, "%s", file);
	else
		snprintf(path, sizeof path, "%s%s", root, name);
	snprintf(out, SCRIPT_LABEL_SIZE, "script " SHOWN, SHOW(path));
}

void script_explain_exec(const struct script *s, int error, char *out, size_t size)
{
	int fd, head = snprintf(out, size, "cannot execute script " SHOWN ": ", SHOW(s->path));

	if (head < 0 || (size_t)head >= size)
		return;
	out += head;
	size -= (size_t)head;
	if (error == ELOOP && s->home >= 0) {
		snprintf(out, size, "it has become a symbolic link");
	} else if (error == E2BIG) {
		snprintf(out, size, "the request's parameters are too long for this system");
	} else {
		fd = open_file(s);
		exec_explain(out, size, s->path, fd, error);
		if (fd >= 0)
			close(fd);
	}
}

void script_free(struct script *s)
{
	free(s->path);
	free(s->called);
	free(s->directory);
	if (s->home >= 0)
		close(s->home);
	if (s->file >= 0)
		close(s->file);
	*s = SCRIPT_NONE;
}
