#include <config.h>

#include "environment.h"

#include <stdlib.h>
#include <string.h>

enum { OWNED_MOST = 24 };

/*
 * Names never taken from the wire; '*' at the end stands for anything. Who
 * needs one of them sets it in the wrapper's own environment.
 */
static struct refusal {
	const char *pattern;
	bool told;
} refusals[] = {
	/* a header "Proxy:" would become what HTTP clients take for their proxy */
	{ .pattern = "HTTP_PROXY" },
	/* the loader and libc */
	{ .pattern = "LD_*" },
	{ .pattern = "DYLD_*" },
	{ .pattern = "GCONV_PATH" },
	{ .pattern = "GETCONF_DIR" },
	{ .pattern = "GLIBC_TUNABLES" },
	{ .pattern = "HOSTALIASES" },
	{ .pattern = "LOCALDOMAIN" },
	{ .pattern = "LOCPATH" },
	{ .pattern = "MALLOC_*" },
	{ .pattern = "NIS_PATH" },
	{ .pattern = "NLSPATH" },
	{ .pattern = "OPENSSL_*" },
	{ .pattern = "RESOLV_HOST_CONF" },
	{ .pattern = "RES_OPTIONS" },
	{ .pattern = "TMPDIR" },
	{ .pattern = "TZDIR" },
	/* shells */
	{ .pattern = "BASHOPTS" },
	{ .pattern = "BASH_*" },
	{ .pattern = "CDPATH" },
	{ .pattern = "ENV" },
	{ .pattern = "FPATH" },
	{ .pattern = "GLOBIGNORE" },
	{ .pattern = "HOME" },
	{ .pattern = "IFS" },
	{ .pattern = "KSH_*" },
	{ .pattern = "PATH" },
	{ .pattern = "PS4" },
	{ .pattern = "SHELL" },
	{ .pattern = "SHELLOPTS" },
	{ .pattern = "ZDOTDIR" },
	/* interpreters and the programs that they call */
	{ .pattern = "BUNDLE_*" },
	{ .pattern = "CLASSPATH" },
	{ .pattern = "GEM_*" },
	{ .pattern = "GUILE_*" },
	{ .pattern = "JAVA_TOOL_OPTIONS" },
	{ .pattern = "JDK_JAVA_OPTIONS" },
	{ .pattern = "_JAVA_OPTIONS" },
	{ .pattern = "LUA_*" },
	{ .pattern = "NODE_OPTIONS" },
	{ .pattern = "NODE_PATH" },
	{ .pattern = "PERL5*" },
	{ .pattern = "PERLLIB" },
	{ .pattern = "PERLIO*" },
	{ .pattern = "PERL_*" },
	{ .pattern = "PHPRC" },
	{ .pattern = "PHP_INI_SCAN_DIR" },
	{ .pattern = "PYTHON*" },
	{ .pattern = "RUBYLIB" },
	{ .pattern = "RUBYOPT" },
	{ .pattern = "TCLLIBPATH" },
};

/* What describes a request; never inherited from the wrapper's own environment,
 * and neither is anything that starts with HTTP and goes on. */
static const char *const meta_variables[] = {
	"AUTH_TYPE",      "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE",
	"PATH_INFO",      "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR",
	"REMOTE_HOST",    "REMOTE_IDENT",   "REMOTE_USER",  "REQUEST_METHOD",
	"SCRIPT_NAME",    "SERVER_NAME",    "SERVER_PORT",  "SERVER_PROTOCOL",
	"SERVER_SOFTWARE",
};

/* What RFC 3875, section 4.1, wants always set, and what shells count on. What
 * cannot be known is not invented. */
static const struct {
	const char *name, *value;
} always_set[] = {
	{ "GATEWAY_INTERFACE", "CGI/1.1" },
	{ "PATH", "/usr/local/bin:/usr/bin:/bin" },
	{ "QUERY_STRING", "" },
	{ "REQUEST_METHOD", "GET" },
	{ "SERVER_PROTOCOL", "HTTP/1.0" },
	{ "SERVER_SOFTWARE", "fcgi-bridge" },
};

static void (*on_refusal)(const char *name);
static struct environment own; /* what scripts inherit */

void environment_on_refusal(void (*told)(const char *name))
{
	on_refusal = told;
}

static size_t name_length(const char *variable)
{
	return strcspn(variable, "=");
}

static bool matches(const char *pattern, const char *name)
{
	while (*pattern && *pattern != '*' && *pattern == *name)
		pattern++, name++;
	return *pattern == '*' || (*pattern == '\0' && *name == '=');
}

static bool is_refused(const char *variable)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		if (!matches(refusals[i].pattern, variable))
			continue;
		if (on_refusal && !refusals[i].told)
			on_refusal(refusals[i].pattern);
		refusals[i].told = true;
		return true;
	}
	return false;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_identifier(const char *variable)
{
	if (!is_letter(*variable))
		return false;
	while (is_letter(*variable) || (*variable >= '0' && *variable <= '9'))
		variable++;
	return *variable == '=';
}

/* Compares two names that end at '=' or NUL. */
static int compare_names(const char *a, const char *b)
{
	while (*a == *b && *a && *a != '=')
		a++, b++;
	return (*a == '=' ? 0 : (unsigned char)*a) - (*b == '=' ? 0 : (unsigned char)*b);
}

static int compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a;
	const char *y = *(char *const *)b;
	int order = compare_names(x, y);

	/* They follow each other in memory: a later address came later. */
	return order ? order : (x > y) - (x < y);
}

/* Of each run of equal names the last stays. */
static void drop_doubles(struct environment *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->count; i++)
		if (i + 1 == e->count || compare_names(e->variables[i], e->variables[i + 1]) != 0)
			e->variables[kept++] = e->variables[i];
	e->count = kept;
}

bool environment_make(struct environment *e, char *strings, size_t count)
{
	*e = (struct environment){ .variables = calloc(count + OWNED_MOST + 1, sizeof *e->variables),
				   .owned = calloc(OWNED_MOST, sizeof *e->owned) };
	if (!e->variables || !e->owned)
		return false;
	for (; count > 0; count--, strings += strlen(strings) + 1)
		if (is_identifier(strings) && !is_refused(strings))
			e->variables[e->count++] = strings;
	qsort(e->variables, e->count, sizeof *e->variables, compare);
	drop_doubles(e);
	e->variables[e->count] = NULL;
	return true;
}

/* Where the name stands, or would stand. */
static size_t position(const struct environment *e, const char *name, bool *found)
{
	size_t low = 0, high = e->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(e->variables[middle], name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < e->count && compare_names(e->variables[low], name) == 0;
	return low;
}

const char *environment_get(const struct environment *e, const char *name)
{
	bool found;
	size_t at = position(e, name, &found);

	return found ? e->variables[at] + name_length(name) + 1 : NULL;
}

const char *environment_get_text(const struct environment *e, const char *name)
{
	const char *value = environment_get(e, name);

	return value && *value ? value : NULL;
}

static void insert(struct environment *e, char *variable)
{
	bool found;
	size_t at = position(e, variable, &found);

	if (!found) {
		memmove(e->variables + at + 1, e->variables + at,
			(e->count + 1 - at) * sizeof *e->variables);
		e->count++;
	}
	e->variables[at] = variable;
}

bool environment_set(struct environment *e, const char *name, const char *value)
{
	size_t length = strlen(name);
	char *variable;

	if (e->owned_count == OWNED_MOST)
		return false;
	variable = malloc(length + strlen(value) + 2);
	if (!variable)
		return false;
	memcpy(variable, name, length);
	variable[length] = '=';
	strcpy(variable + length + 1, value);
	e->owned[e->owned_count++] = variable;
	insert(e, variable);
	return true;
}

void environment_unset(struct environment *e, const char *name)
{
	bool found;
	size_t at = position(e, name, &found);

	if (!found)
		return;
	memmove(e->variables + at, e->variables + at + 1, (e->count - at) * sizeof *e->variables);
	e->count--;
}

static bool describes_request(const char *variable)
{
	size_t length = name_length(variable);

	if (length > 4 && memcmp(variable, "HTTP", 4) == 0)
		return true;
	for (size_t i = 0; i < sizeof meta_variables / sizeof *meta_variables; i++)
		if (compare_names(variable, meta_variables[i]) == 0)
			return true;
	return false;
}

static bool make_room(struct environment *e, size_t more)
{
	char **grown = realloc(e->variables, (e->count + more + OWNED_MOST + 1) * sizeof *grown);

	if (grown)
		e->variables = grown;
	return grown;
}

bool environment_override(struct environment *e, const char *const *variables, size_t count)
{
	if (!make_room(e, count))
		return false;
	for (size_t i = 0; i < count; i++)
		insert(e, (char *)(size_t)variables[i]);
	return true;
}

bool environment_keep_own(char *const *variables)
{
	size_t count = 0;

	while (variables[count])
		count++;
	own.variables = calloc(count + 1, sizeof *own.variables);
	if (!own.variables)
		return false;
	for (; *variables; variables++)
		if (strchr(*variables, '=') && !describes_request(*variables))
			own.variables[own.count++] = *variables;
	qsort(own.variables, own.count, sizeof *own.variables, compare);
	drop_doubles(&own);
	return true;
}

bool environment_inherit(struct environment *e)
{
	char **merged = calloc(e->count + own.count + OWNED_MOST + 1, sizeof *merged);
	size_t ours = 0, its = 0, count = 0;

	if (!merged)
		return false;
	while (its < e->count || ours < own.count) {
		int order = its == e->count    ? 1
			    : ours == own.count ? -1
						: compare_names(e->variables[its],
								own.variables[ours]);

		merged[count++] = order <= 0 ? e->variables[its] : own.variables[ours];
		its += order <= 0;
		ours += order >= 0;
	}
	free(e->variables);
	e->variables = merged;
	e->count = count;
	return true;
}

bool environment_complete(struct environment *e)
{
	for (size_t i = 0; i < sizeof always_set / sizeof *always_set; i++)
		if (!environment_get(e, always_set[i].name) &&
		    !environment_set(e, always_set[i].name, always_set[i].value))
			return false;
	return true;
}

void environment_free(struct environment *e)
{
	for (size_t i = 0; i < e->owned_count; i++)
		free(e->owned[i]);
	free(e->owned);
	free(e->variables);
	*e = (struct environment){ .count = 0 };
}
