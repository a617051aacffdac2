#include <config.h>

#include "script.h"

#include "compat.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option_list *files, *interpreters;
static char **roots; /* without links; NULL-terminated, or NULL: there are none */
static char we[64];  /* who runs this, for messages */

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
	interpreters = i;
	if (r->count > 0 && !(roots = calloc(r->count + 1, sizeof *roots))) {
		report("--root: %s", strerror(errno));
		return false;
	}
	for (size_t n = 0; n < r->count; n++)
		if (!open_root(r->texts[n], &roots[n]))
			return false;
	for (size_t n = 0; n < i->count; n++)
		if (!check_interpreter(i->texts[n]))
			return false;
	return true;
}

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
	return refuse(s, 500, "no memory");
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

static char *join(const char *a, const char *b)
{
	char *both = malloc(strlen(a) + strlen(b) + 1);

	return both ? strcat(strcpy(both, a), b) : NULL;
}

/* The path that the request names: the script and whatever follows it. */
static char *path_asked_for(struct script *s, const struct environment *e)
{
	const char *file = environment_get_text(e, "SCRIPT_FILENAME");
	const char *root = environment_get_text(e, "DOCUMENT_ROOT");
	const char *name = environment_get_text(e, "SCRIPT_NAME");
	char *path;

	if (!file && !(root && name)) {
		refuse(s, 403, "the request names no script (SCRIPT_FILENAME, or DOCUMENT_ROOT "
		       "and SCRIPT_NAME, must be set)");
		return NULL;
	}
	path = file ? without_proxy_prefix(file) : join(root, name);
	if (!path)
		refuse_no_memory(s);
	return path;
}

/* Names the first directory on the way that may not be searched. */
static bool refuse_unsearchable(struct script *s)
{
	for (char *slash = strchr(s->path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		bool closed;

		*slash = '\0';
		closed = access(s->path, X_OK) < 0 && errno == EACCES;
		if (closed)
			refuse(s, 403, "%s: this directory may not be searched by %s (mode o+x, or "
			       "a group, is missing)", s->path, we);
		*slash = '/';
		if (closed)
			return false;
	}
	return refuse(s, 403, "%s: %s", s->path, strerror(EACCES));
}

/* Names the first component that is missing behind an existing prefix. */
static bool refuse_missing(struct script *s, const char *whole, size_t prefix)
{
	size_t next = prefix + 1 + strcspn(whole + prefix + 1, "/");

	return refuse(s, 404, "no such script: %.*s does not exist", (int)next, whole);
}

/*
 * Cuts components off the end until something stands there: s->path becomes
 * that, and *rest the part of whole that was cut ("" if none was).
 */
static bool split(struct script *s, const char *whole, const char **rest)
{
	size_t length = strlen(whole);
	struct stat st;

	while (stat(s->path, &st) < 0) {
		if (errno == EACCES)
			return refuse_unsearchable(s);
		if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
			return refuse(s, 403, "%s: %s", s->path, strerror(errno));
		do
			length--;
		while (whole[length] != '/');
		if (length == 0)
			return refuse_missing(s, whole, 0);
		s->path[length] = '\0';
	}
	*rest = whole + length;
	if (S_ISREG(st.st_mode))
		return true;
	if (S_ISDIR(st.st_mode) && (*rest)[0] && (*rest)[1])
		return refuse_missing(s, whole, length);
	return refuse(s, 403, "%s: %s, not a script", s->path,
		      S_ISDIR(st.st_mode) ? "a directory" : "a special file");
}

/* A file that may not be executed itself may be the input of an interpreter. */
static bool choose_interpreter(struct script *s)
{
	const char *suffix = strrchr(s->path, '.');
	size_t length = suffix ? strlen(suffix) : 0;

	if (access(s->path, X_OK) == 0)
		return true;
	for (size_t i = 0; suffix && i < interpreters->count; i++) {
		const char *rule = interpreters->texts[i];

		if (strncmp(rule, suffix, length) != 0 || rule[length] != '=')
			continue;
		s->interpreter = rule + length + 1;
		return access(s->path, R_OK) == 0 ||
		       refuse(s, 403, "%s: may not be read by %s", s->path, we);
	}
	return refuse(s, 403, "%s: may not be executed by %s (chmod +x it?)", s->path, we);
}

static bool is_below(const char *path, const char *root)
{
	size_t length = strlen(root);

	return strncmp(path, root, length) == 0 && (root[length - 1] == '/' || path[length] == '/');
}

/*
 * Opens the directory of a file whose path has no links, again without following
 * any: whoever swaps a part of the path meanwhile does not get past this. The
 * file itself is executed from here (see cgi.h).
 */
static int open_home(const char *path)
{
	int fd = open("/", O_SEARCH | O_DIRECTORY | O_CLOEXEC);
	const char *slash;

	for (path++; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		char *name = strndup(path, (size_t)(slash - path));
		int next = name ? openat(fd, name, O_SEARCH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
				: -1;

		free(name);
		close(fd);
		fd = next;
	}
	return fd;
}

static bool is_listed(const char *path)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(path, files->texts[i]) == 0)
			return true;
	return false;
}

static bool is_below_a_root(const char *path)
{
	for (char **root = roots; root && *root; root++)
		if (is_below(path, *root))
			return true;
	return false;
}

/* Decides by where the file really is, and pins that down. */
static bool check_allowed(struct script *s)
{
	char *real;

	if ((files->count == 0 && !roots) || is_listed(s->path))
		return true;
	if (!roots)
		return refuse(s, 403, "%s: not among the scripts allowed by -p", s->path);
	real = realpath(s->path, NULL);
	if (!real)
		return refuse(s, 403, "%s: %s", s->path, strerror(errno));
	if (!is_below_a_root(real)) {
		refuse(s, 403, "%s: is %s, outside of every --root%s", s->path, real,
		       files->count ? " and not allowed by -p" : "");
		free(real);
		return false;
	}
	free(s->path);
	s->path = real;
	s->home = open_home(real);
	return s->home >= 0 ||
	       refuse(s, errno == EMFILE || errno == ENFILE || errno == ENOMEM ? 503 : 403,
		      "%s: its directory: %s", real, strerror(errno));
}

/* If text ends with the suffix, what stands before it (to be freed). */
static char *without_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text), cut = strlen(suffix);

	if (length < cut || strcmp(text + length - cut, suffix) != 0)
		return NULL;
	return strndup(text, length - cut);
}

static bool set_path_info(struct environment *e, const char *rest)
{
	const char *name = environment_get_text(e, "SCRIPT_NAME");
	char *shorter = name && *rest ? without_suffix(name, rest) : NULL;
	bool done = !shorter || environment_set(e, "SCRIPT_NAME", shorter);

	free(shorter);
	/* An empty value counts as unset, and what the client says of a script
	 * that needed no cut is believed. */
	if (environment_get_text(e, "PATH_INFO"))
		return done;
	environment_unset(e, "PATH_INFO");
	return done && (!*rest || environment_set(e, "PATH_INFO", rest));
}

static bool set_path_translated(struct environment *e)
{
	const char *info = environment_get(e, "PATH_INFO");
	const char *root = environment_get_text(e, "DOCUMENT_ROOT");
	char *translated;
	bool done;

	if (!info)
		environment_unset(e, "PATH_TRANSLATED");
	if (!info || !root || environment_get_text(e, "PATH_TRANSLATED"))
		return true;
	translated = join(root, info);
	done = translated && environment_set(e, "PATH_TRANSLATED", translated);
	free(translated);
	return done;
}

/* FCGI_CHDIR: a directory, or "-" for none; else that of the script. */
static bool choose_directory(struct script *s, const struct environment *e)
{
	const char *wish = environment_get_text(e, "FCGI_CHDIR");
	size_t length = (size_t)(strrchr(s->path, '/') - s->path);

	if (s->home >= 0)
		return !wish || refuse(s, 403, "%s: FCGI_CHDIR is not possible with --root", s->path);
	if (wish && strcmp(wish, "-") == 0)
		return true;
	s->directory = wish ? strdup(wish) : strndup(s->path, length ? length : 1);
	return s->directory || refuse_no_memory(s);
}

static bool find(struct script *s, struct environment *e, const char *whole)
{
	const char *rest = "";

	if (whole[0] != '/')
		return refuse(s, 403, "%s: not an absolute path", whole);
	s->path = strdup(whole);
	if (!s->path)
		return refuse_no_memory(s);
	if (!split(s, whole, &rest) || !choose_interpreter(s))
		return false;
	if (!environment_set(e, "SCRIPT_FILENAME", s->path) || !set_path_info(e, rest) ||
	    !set_path_translated(e))
		return refuse_no_memory(s);
	return check_allowed(s) && choose_directory(s, e);
}

bool script_find(struct script *s, struct environment *e)
{
	char *whole;
	bool found;

	*s = (struct script){ .home = -1 };
	whole = path_asked_for(s, e);
	found = whole && find(s, e, whole);
	free(whole);
	return found;
}

/* The interpreter named in a "#!" line, in line; NULL if there is no such line. */
static char *interpreter_of(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 2 || line[0] != '#' || line[1] != '!')
		return NULL;
	line[n] = '\0';
	line += 2 + strspn(line + 2, " \t");
	line[strcspn(line, " \t\n")] = '\0';
	return line;
}

void script_explain_exec(const struct script *s, int error, char *out, size_t size)
{
	const char *path = s->path;
	char line[256];
	char *interpreter = interpreter_of(path, line, sizeof line);
	size_t length = interpreter ? strlen(interpreter) : 0;

	if (error == ENOEXEC)
		snprintf(out, size, "cannot execute %s: no #! line, and not a program of this system",
			 path);
	else if (length && interpreter[length - 1] == '\r')
		snprintf(out, size, "cannot execute %s: its #! line ends in a carriage return "
			 "(convert the file to Unix line ends)", path);
	else if (interpreter && error == ENOENT)
		snprintf(out, size, "cannot execute %s: its interpreter \"%s\" does not exist", path,
			 interpreter);
	else if (interpreter && error == EACCES)
		snprintf(out, size, "cannot execute %s: %s (may its interpreter \"%s\" be executed? is "
			 "the file system mounted noexec?)", path, strerror(error), interpreter);
	else if (error == ELOOP && s->home >= 0)
		snprintf(out, size, "cannot execute %s: it has become a symbolic link", path);
	else if (error == E2BIG)
		snprintf(out, size, "cannot execute %s: the request's parameters are too long for "
			 "this system", path);
	else
		snprintf(out, size, "cannot execute %s: %s", path, strerror(error));
}

void script_free(struct script *s)
{
	free(s->path);
	free(s->directory);
	if (s->home >= 0)
		close(s->home);
	*s = (struct script){ .home = -1 };
}
