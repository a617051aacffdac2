/* The environment of a script: what is taken from a client, what is refused, what is added. */
#include <config.h>

#include "../wrapper/environment.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static char refused[4096]; /* patterns that were told, each with a blank behind it */

static void note_refusal(const char *pattern)
{
	strcat(strcat(refused, pattern), " ");
}

/* Makes an environment of count strings, copied to memory of exactly their size. */
static struct environment make(const char *strings, size_t size, char **copy)
{
	struct environment e;
	size_t count = 0;

	*copy = malloc(size + !size);
	memcpy(*copy, strings, size);
	for (size_t i = 0; i < size; i++)
		count += strings[i] == '\0';
	if (!environment_make(&e, *copy, count))
		abort();
	return e;
}

/* Whether the environment is these variables, in this order, and NULL-terminated. */
static bool is(const struct environment *e, const char *const *expected)
{
	size_t i;

	for (i = 0; i < e->count; i++)
		if (!expected[i] || strcmp(e->variables[i], expected[i]) != 0)
			break;
	if (i == e->count && !expected[i] && !e->variables[i])
		return true;
	for (i = 0; i < e->count; i++)
		printf("# %s\n", e->variables[i]);
	return false;
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NOTHING ((const char *const[]){ NULL })

static bool makes(const char *strings, size_t size, const char *const *expected)
{
	char *copy;
	struct environment e = make(strings, size, &copy);
	bool same = is(&e, expected);

	environment_free(&e);
	free(copy);
	return same;
}

#define MAKES(strings, ...) makes(strings, sizeof(strings) - 1, __VA_ARGS__)

static bool keeps(const char *name)
{
	char string[80];
	int size = snprintf(string, sizeof string, "%s=value", name);

	return makes(string, (size_t)size + 1, LIST(string));
}

static bool refuses(const char *name)
{
	char string[80];
	int size = snprintf(string, sizeof string, "%s=value", name);

	return makes(string, (size_t)size + 1, NOTHING);
}

static void names(void)
{
	static const char *const steering[] = {
		"HTTP_PROXY", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_", "DYLD_INSERT_LIBRARIES",
		"GCONV_PATH", "GLIBC_TUNABLES", "HOSTALIASES", "LOCPATH", "MALLOC_CHECK_",
		"NLSPATH", "RES_OPTIONS", "TMPDIR", "TZDIR", "BASHOPTS", "BASH_ENV",
		"BASH_FUNC_x", "CDPATH", "ENV", "HOME", "IFS", "PATH", "PS4", "SHELL", "SHELLOPTS",
		"ZDOTDIR", "CLASSPATH", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "LUA_INIT",
		"LUA_PATH", "NODE_OPTIONS", "NODE_PATH", "PERL5LIB", "PERL5OPT", "PERLLIB",
		"PERLIO", "PERL_UNICODE", "PHPRC", "PHP_INI_SCAN_DIR", "PYTHONPATH",
		"PYTHONSTARTUP", "RUBYLIB", "RUBYOPT", "GEM_PATH", "BUNDLE_GEMFILE", "FPATH",
		"OPENSSL_CONF",
	};
	static const char *const harmless[] = {
		"HTTP_PROXY_CONNECTION", "HTTP_PRO", "HTTP_COOKIE", "LD", "LDAP", "PATHS", "PAT",
		"PATH_INFO", "ENVIRONMENT", "EN", "IF", "IFSX", "HOMEPAGE", "SHELLY", "TMPDIR2",
		"path", "GIT_PROJECT_ROOT", "CGIT_CONFIG", "REDIRECT_STATUS", "A", "a1", "_", "_9", "Zz_0",
	};
	static const char *const impossible[] = {
		"", "1A", "A B", "A-B", "A.B", "A%", " A", "A ", "\xc4", "A\n",
	};

	for (size_t i = 0; i < sizeof steering / sizeof *steering; i++)
		ok(refuses(steering[i]), "%s is refused", steering[i]);
	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
		ok(keeps(harmless[i]), "%s is kept", harmless[i]);
	for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++)
		ok(refuses(impossible[i]), "name %zu that no shell could have is left out", i + 1);
}

static void refusals_are_told(void)
{
	refused[0] = '\0';
	MAKES("A=1\0LD_AUDIT=x\0LD_PRELOAD=y\0PS4=z\0LD_X=1\0PS4=\0", NOTHING);
	ok(strcmp(refused, "") == 0, "refusals that were told before are not told again");
	MAKES("TCLLIBPATH=x\0A=1\0TCLLIBPATH=y\0KSH_VERSION=z\0", NOTHING);
	ok(strcmp(refused, "TCLLIBPATH KSH_* ") == 0, "a refusal is told once, by its pattern");
}

static void order_and_doubles(void)
{
	ok(MAKES("", NOTHING), "no strings are an empty environment");
	ok(MAKES("B=2\0A=1\0C=3\0", LIST("A=1", "B=2", "C=3")), "variables are sorted by name");
	ok(MAKES("AB=1\0A=2\0A_=3\0ABC=4\0", LIST("A=2", "AB=1", "ABC=4", "A_=3")),
	   "a name comes before those that it begins");
	ok(MAKES("A=first\0B=\0A=second\0A=last\0", LIST("A=last", "B=")),
	   "of a name that comes twice the last counts");
	ok(MAKES("A=b=c\0", LIST("A=b=c")), "a value may have '='");
}

/* Many names in an order of their own, each twice. */
static void many(void)
{
	enum { NAMES = 1000 };
	static char strings[NAMES * 2 * 16];
	size_t size = 0;
	char *copy, name[16];
	struct environment e;
	bool sound = true;

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < NAMES; i++)
			size += (size_t)sprintf(strings + size, "N%d=%d", i * 377 % NAMES, round) + 1;
	e = make(strings, size, &copy);
	for (int i = 0; i < NAMES; i++) {
		const char *value;

		sprintf(name, "N%d", i);
		value = environment_get(&e, name);
		sound &= value && strcmp(value, "1") == 0;
	}
	ok(e.count == NAMES && sound, "each of %d names is found, with its last value", NAMES);
	environment_free(&e);
	free(copy);
}

static void get_set_unset(void)
{
	char *copy;
	struct environment e = make("B=2\0D=\0", 7, &copy);
	const char *const overrides[] = { "C=over", "Z=new" };

	ok(strcmp(environment_get(&e, "B"), "2") == 0, "get finds a value");
	ok(strcmp(environment_get(&e, "D"), "") == 0, "get finds an empty value");
	ok(!environment_get_text(&e, "D"), "an empty value is no text");
	ok(!environment_get(&e, "A") && !environment_get(&e, "BB") && !environment_get(&e, ""),
	   "get finds nothing that is not there");
	environment_set(&e, "A", "1");
	environment_set(&e, "E", "5");
	environment_set(&e, "C", "");
	environment_set(&e, "B", "two");
	ok(is(&e, LIST("A=1", "B=two", "C=", "D=", "E=5")), "set adds in order, and replaces");
	environment_unset(&e, "D");
	environment_unset(&e, "D");
	environment_unset(&e, "X");
	ok(is(&e, LIST("A=1", "B=two", "C=", "E=5")), "unset takes out, if it is there");
	ok(environment_override(&e, overrides, 2) &&
	   is(&e, LIST("A=1", "B=two", "C=over", "E=5", "Z=new")), "override replaces and adds");
	environment_free(&e);
	free(copy);
}

static void inherit_and_complete(void)
{
	static const char *const own[] = {
		"Z=own", "B=own", "PATH=/bin", "LD_PRELOAD=own", "HTTP_COOKIE=stale", "HTTPS=on",
		"HTTP=kept", "AUTH_TYPE=stale", "CONTENT_LENGTH=7", "REMOTE_USER=stale",
		"QUERY_STRING=stale", "nonsense", "A=own", NULL
	};
	char *copy;
	struct environment e = make("B=client\0Y=client\0", 18, &copy);

	ok(environment_keep_own((char *const *)(size_t)own) && environment_inherit(&e) &&
	   is(&e, LIST("A=own", "B=client", "HTTP=kept", "LD_PRELOAD=own", "PATH=/bin", "Y=client",
		       "Z=own")),
	   "what is inherited gives way, and does not describe a request");
	environment_set(&e, "REQUEST_METHOD", "POST");
	ok(environment_complete(&e) && strcmp(environment_get(&e, "REQUEST_METHOD"), "POST") == 0 &&
	   strcmp(environment_get(&e, "QUERY_STRING"), "") == 0 &&
	   strcmp(environment_get(&e, "GATEWAY_INTERFACE"), "CGI/1.1") == 0 &&
	   environment_get(&e, "SERVER_PROTOCOL") && environment_get(&e, "SERVER_SOFTWARE") &&
	   strcmp(environment_get(&e, "PATH"), "/bin") == 0,
	   "what CGI wants is added where it is missing");
	ok(!environment_get(&e, "SERVER_NAME") && !environment_get(&e, "REMOTE_ADDR"),
	   "what cannot be known is not invented");
	environment_free(&e);
	free(copy);
	e = make("", 0, &copy);
	ok(environment_inherit(&e) && strcmp(environment_get(&e, "Z"), "own") == 0,
	   "an empty environment inherits too");
	environment_free(&e);
	free(copy);
}

int main(void)
{
	environment_on_refusal(note_refusal);
	names();
	refusals_are_told();
	order_and_doubles();
	many();
	get_set_unset();
	inherit_and_complete();
	return tap_done();
}
