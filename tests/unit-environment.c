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

#define THESE(...) ((const char *const[]){ __VA_ARGS__, NULL })
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

/* From here on the rule is this one, with so many patterns accepted. */
static void take_by(enum environment_rule rule, const char **patterns, size_t count)
{
	static struct option_list accepted;

	accepted = (struct option_list){ .texts = patterns, .count = count };
	environment_open(rule, &accepted);
}

static bool keeps(const char *name)
{
	char string[80];
	int size = snprintf(string, sizeof string, "%s=value", name);

	return makes(string, (size_t)size + 1, THESE(string));
}

static bool refuses(const char *name)
{
	char string[80];
	int size = snprintf(string, sizeof string, "%s=value", name);

	return makes(string, (size_t)size + 1, NOTHING);
}

static void guarded_names(void)
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
		"OPENSSL_CONF", "TCL_LIBRARY", "TCLLIBPATH", "DBI_TRACE", "DBI_AUTOPROXY",
		"SSLKEYLOGFILE", "NODE_V8_COVERAGE", "GAWK_PERSIST_FILE", "AWKPATH", "AWKLIBPATH",
		"TAR_OPTIONS", "MAKEFILES", "MAKEFLAGS", "GIT_TRACE", "GIT_SSH_COMMAND", "LESSOPEN",
		"http_proxy", "HTTPS_PROXY", "SSL_CERT_FILE", "KRB5_CONFIG", "SHLVL",
	};
	static const char *const harmless[] = {
		"HTTP_PROXY_CONNECTION", "HTTP_PRO", "HTTP_COOKIE", "LD", "LDAP", "PATHS", "PAT",
		"PATH_INFO", "ENVIRONMENT", "EN", "IF", "IFSX", "HOMEPAGE", "SHELLY", "TMPDIR2",
		"path", "GIT_PROJECT_ROOT", "GIT_HTTP_EXPORT_ALL", "KRB5CCNAME", "SSL_CLIENT_CERT",
		"REDIRECT_STATUS", "A", "a1", "_", "_9", "Zz_0", "Shib-Session-ID",
	};

	take_by(ENVIRONMENT_GUARDED, NULL, 0);
	for (size_t i = 0; i < sizeof steering / sizeof *steering; i++)
		ok(refuses(steering[i]), "%s is refused", steering[i]);
	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
		ok(keeps(harmless[i]), "%s is kept", harmless[i]);
}

static void open_names(void)
{
	static const char *const odd[] = {
		"1A", "A B", "A-B", "A.B", "A%", " A", "A ", "\xc4", "A\n", "PERL5LIB", "LD_PRELOAD",
	};

	take_by(ENVIRONMENT_OPEN, NULL, 0);
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		ok(keeps(odd[i]), "name %zu that may be odd is kept", i + 1);
	ok(refuses(""), "an empty name is left out");
	ok(refuses("HTTP_PROXY"), "HTTP_PROXY is refused always");
	ok(refuses("BASH_FUNC_x%%") && refuses("BASH_FUNC_x()"), "functions of bash are refused always");
}

static void strict_names(void)
{
	static const char *patterns[] = { "MINE", "OURS_*", "TMPDIR" };

	take_by(ENVIRONMENT_STRICT, patterns, 3);
	ok(keeps("QUERY_STRING") && keeps("HTTP_X") && keeps("HTTPS") && keeps("REMOTE_PORT") &&
	   keeps("SSL_CLIENT_VERIFY") && keeps("SCRIPT_FILENAME"), "what is usual is kept");
	ok(refuses("MINE2") && refuses("OTHER") && refuses("HTTPSX"), "what is not is refused");
	ok(refuses("SSL_CERT_FILE"), "what is usual but steers is refused");
	ok(keeps("MINE") && keeps("OURS_") && keeps("OURS_2") && keeps("TMPDIR"),
	   "what is accepted is kept");
}

static void accepted_names(void)
{
	static const char *wide[] = { "*" }, *named[] = { "HTTP_PROXY" };

	take_by(ENVIRONMENT_GUARDED, wide, 1);
	ok(keeps("LD_PRELOAD") && keeps("GIT_TRACE"), "a star accepts what the table refuses");
	ok(refuses("HTTP_PROXY"), "but HTTP_PROXY is accepted by its name only");
	ok(refuses("BASH_FUNC_x%%"), "and functions of bash never");
	take_by(ENVIRONMENT_OPEN, named, 1);
	ok(keeps("HTTP_PROXY"), "HTTP_PROXY is accepted by its name");
}

static void refusals_are_told(void)
{
	take_by(ENVIRONMENT_GUARDED, NULL, 0);
	refused[0] = '\0';
	MAKES("A=1\0LD_AUDIT=x\0LD_PRELOAD=y\0PS4=z\0LD_X=1\0PS4=\0", NOTHING);
	ok(strcmp(refused, "") == 0, "refusals that were told before are not told again");
	MAKES("MAILRC=x\0A=1\0MAILRC=y\0KSH_VERSION=z\0", NOTHING);
	ok(strcmp(refused, "MAILRC KSH_* ") == 0, "a refusal is told once, by its pattern");
	take_by(ENVIRONMENT_STRICT, NULL, 0);
	refused[0] = '\0';
	MAKES("STRANGE=x\0STRANGER=1\0STRANGE=y\0KSH_VERSION=z\0", NOTHING);
	ok(strcmp(refused, "STRANGE STRANGER ") == 0, "what is not usual is told by its name");
	refused[0] = '\0';
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof name, "N%d", i);
		refuses(name);
	}
	ok(strstr(refused, "N20 ") && !strstr(refused, "N40 "), "but not without end");
	take_by(ENVIRONMENT_OPEN, NULL, 0);
}

static void order_and_doubles(void)
{
	ok(MAKES("", NOTHING), "no strings are an empty environment");
	ok(MAKES("B=2\0A=1\0C=3\0", THESE("A=1", "B=2", "C=3")), "variables are sorted by name");
	ok(MAKES("AB=1\0A=2\0A_=3\0ABC=4\0", THESE("A=2", "AB=1", "ABC=4", "A_=3")),
	   "a name comes before those that it begins");
	ok(MAKES("A=first\0B=\0A=second\0A=last\0", THESE("A=last", "B=")),
	   "of a name that comes twice the last counts");
	ok(MAKES("A=b=c\0", THESE("A=b=c")), "a value may have '='");
	ok(MAKES("HTTP_X=1\0HTTP_Y=1\0HTTP_X=2\0HTTP_X=3\0", THESE("HTTP_X=1, 2, 3", "HTTP_Y=1")),
	   "header fields of one name are joined in their order");
	ok(MAKES("HTTP_COOKIE=b=1\0HTTP_COOKIE=a=2\0", THESE("HTTP_COOKIE=b=1; a=2")),
	   "cookies are joined by semicolons");
	ok(MAKES("HTTP_HOST=a\0HTTP_HOST=a\0", THESE("HTTP_HOST=a")), "a field that is repeated stays");
	ok(MAKES("HTTPS=on\0HTTPS=off\0", THESE("HTTPS=off")), "HTTPS is no header field");
}

static void several_files(void)
{
	static const char strings[] = "SCRIPT_FILENAME=/a\0A=1\0SCRIPT_FILENAME=/b\0";
	static char crowd[20 * sizeof "SCRIPT_FILENAME=/00"];
	char *copy;
	struct environment e = make(strings, sizeof strings - 1, &copy);

	ok(e.file_count == 2 && strcmp(e.files[0], "/b") == 0 && strcmp(e.files[1], "/a") == 0 &&
	   is(&e, THESE("A=1", "SCRIPT_FILENAME=/b")), "all SCRIPT_FILENAMEs are kept, the last first");
	environment_free(&e);
	free(copy);
	for (size_t i = 0; i < 20; i++)
		sprintf(crowd + i * sizeof "SCRIPT_FILENAME=/00", "SCRIPT_FILENAME=/%02zu", i);
	e = make(crowd, sizeof crowd, &copy);
	ok(e.file_count == ENVIRONMENT_FILES_MOST && strcmp(e.files[0], "/19") == 0,
	   "or as many as anybody could need");
	environment_free(&e);
	free(copy);
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

	ok(strcmp(environment_get(&e, "B"), "2") == 0, "get finds a value");
	ok(strcmp(environment_get(&e, "D"), "") == 0, "get finds an empty value");
	ok(!environment_get_text(&e, "D"), "an empty value is no text");
	ok(!environment_get(&e, "A") && !environment_get(&e, "BB") && !environment_get(&e, ""),
	   "get finds nothing that is not there");
	environment_set(&e, "A", "1");
	environment_set(&e, "E", "5");
	environment_set(&e, "C", "");
	environment_set(&e, "B", "two");
	ok(is(&e, THESE("A=1", "B=two", "C=", "D=", "E=5")), "set adds in order, and replaces");
	environment_unset(&e, "D");
	environment_unset(&e, "D");
	environment_unset(&e, "X");
	ok(is(&e, THESE("A=1", "B=two", "C=", "E=5")), "unset takes out, if it is there");
	environment_free(&e);
	free(copy);
}

static void copies(void)
{
	char *text;
	struct environment e = make("B=2\0D=4\0", 8, &text), copy;

	ok(environment_copy(&copy, &e) && is(&copy, THESE("B=2", "D=4")), "a copy has the same variables");
	environment_set(&copy, "C", "3");
	environment_unset(&copy, "B");
	ok(is(&copy, THESE("C=3", "D=4")) && is(&e, THESE("B=2", "D=4")),
	   "and changes without its original");
	environment_free(&copy);
	ok(is(&e, THESE("B=2", "D=4")), "which outlives it");
	environment_free(&e);
	free(text);
}

static void grows(void)
{
	enum { NAMES = 500 };
	char *copy, name[16];
	struct environment e = make("", 0, &copy);
	bool sound = true;

	for (int i = 0; i < NAMES; i++) {
		sprintf(name, "N%d", i * 377 % NAMES);
		sound &= environment_set(&e, name, name);
	}
	for (int i = 0; i < NAMES; i++) {
		const char *value;

		sprintf(name, "N%d", i);
		value = environment_get(&e, name);
		sound &= value && strcmp(value, name) == 0;
	}
	ok(sound && e.count == NAMES && !e.variables[NAMES], "%d variables may be set", NAMES);
	environment_free(&e);
	free(copy);
}

static void own_variables(void)
{
	static const char *const own[] = {
		"Z=own", "B=own", "PATH=/bin", "LD_PRELOAD=own", "HTTP_COOKIE=stale", "HTTPS=on",
		"HTTP=kept", "AUTH_TYPE=stale", "CONTENT_LENGTH=7", "REMOTE_USER=stale",
		"QUERY_STRING=stale", "nonsense", "A=own", NULL
	};
	static const char *set[] = { "B=set", "C=set", "Z=set" };
	struct settings settings = { .clear_env = false };
	char *copy;
	struct environment e = make("B=client\0REQUEST_METHOD=POST\0Y=client\0", 38, &copy);

	ok(environment_keep_own((char *const *)(size_t)own) && environment_add_own(&e, &settings) &&
	   is(&e, THESE("A=own", "B=client", "GATEWAY_INTERFACE=CGI/1.1", "HTTP=kept",
		       "LD_PRELOAD=own", "PATH=/bin", "QUERY_STRING=", "REQUEST_METHOD=POST",
		       "SERVER_PROTOCOL=HTTP/1.0", "SERVER_SOFTWARE=fcgi-bridge", "Y=client", "Z=own")),
	   "what is inherited gives way and describes no request, and what CGI wants is added");
	environment_free(&e);
	free(copy);
	settings.env = (struct option_list){ .texts = set, .count = 3 };
	settings.clear_env = true;
	e = make("B=client\0Y=client\0", 18, &copy);
	ok(environment_add_own(&e, &settings) &&
	   is(&e, THESE("B=set", "C=set", "GATEWAY_INTERFACE=CGI/1.1",
		       "PATH=/usr/local/bin:/usr/bin:/bin", "QUERY_STRING=", "REQUEST_METHOD=GET",
		       "SERVER_PROTOCOL=HTTP/1.0", "SERVER_SOFTWARE=fcgi-bridge", "Y=client", "Z=set")),
	   "what is set goes before everything, and nothing need be inherited");
	environment_free(&e);
	free(copy);
}

/* The value of a variable of what is built of count strings; "unset" if there is none. */
static const char *builds(const char *strings, size_t size, uint8_t role, int64_t length,
			  int64_t received, const char *name)
{
	static const struct settings settings = { .clear_env = true };
	static char value[64];
	char *copy;
	struct environment e = make(strings, size, &copy);
	bool built = environment_build(&e, &settings, role, length, received);
	const char *found = environment_get(&e, name);

	snprintf(value, sizeof value, "%s", !built ? "failed" : found ? found : "unset");
	environment_free(&e);
	free(copy);
	return value;
}

#define BUILDS(strings, ...) builds(strings, sizeof(strings) - 1, __VA_ARGS__)

static void lengths(void)
{
	enum { RESPONDER = 1, AUTHORIZER };
	static const char length[] = "CONTENT_LENGTH", coding[] = "HTTP_TRANSFER_ENCODING";

	ok(!strcmp(BUILDS("CONTENT_LENGTH=7\0", RESPONDER, 7, 0, length), "7"),
	   "a length that was told stays");
	ok(!strcmp(BUILDS("CONTENT_LENGTH=+5\0", RESPONDER, -1, 5, length), "5") &&
	   !strcmp(BUILDS("CONTENT_LENGTH=-1\0", RESPONDER, -1, 0, length), "0") &&
	   !strcmp(BUILDS("", RESPONDER, -1, 5, length), "5"),
	   "one that was not, or wrongly, becomes the true one");
	ok(!strcmp(BUILDS("CONTENT_LENGTH=\0", RESPONDER, -1, 0, length), "unset") &&
	   !strcmp(BUILDS("", RESPONDER, 0, 0, length), "unset"),
	   "without a body there is no empty length");
	ok(!strcmp(BUILDS("HTTP_TRANSFER_ENCODING=chunked\0", RESPONDER, -1, 5, coding), "unset"),
	   "a coding that was undone is not told");
	ok(!strcmp(BUILDS("FCGI_ROLE=KING\0", RESPONDER, 0, 0, "FCGI_ROLE"), "RESPONDER") &&
	   !strcmp(BUILDS("", AUTHORIZER, 0, 0, "FCGI_ROLE"), "AUTHORIZER"), "the role is the true one");
}

int main(void)
{
	environment_on_refusal(note_refusal);
	guarded_names();
	open_names();
	strict_names();
	accepted_names();
	refusals_are_told();
	order_and_doubles();
	several_files();
	many();
	get_set_unset();
	copies();
	grows();
	own_variables();
	lengths();
	return tap_done();
}
