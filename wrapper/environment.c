#include <config.h>

#include "environment.h"

#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SPARE = 24, /* variables to be added without another allocation */
	TOLD_MOST = 32 /* names refused by ENVIRONMENT_STRICT and reported */
};

/* A star at the end of a pattern matches anything. */

/* HTTP clients would take a header field "Proxy:" for the setting of their proxy. */
static const char proxy[] = "HTTP_PROXY";

/* Functions for bash, which would run in every bash script. */
static const char functions[] = "BASH_FUNC_*";

/* Variables that steer interpreters of scripts, or programs run by scripts. */
static const char *const refused[] = {
	/* the loader, libc, allocators, and what compilers build in */
	"ASAN_OPTIONS", "CPUPROFILE*", "DYLD_*", "GCONV_PATH", "GCOV_*", "GETCONF_DIR",
	"GLIBC_TUNABLES", "GMON_OUT_PREFIX", "GOMP_*", "HEAPPROFILE", "HOSTALIASES", "LD_*",
	"LLVM_PROFILE_FILE", "LOCALDOMAIN", "LOCPATH", "LSAN_OPTIONS", "MALLOC_*", "MSAN_OPTIONS",
	"MUSL_LOCPATH", "NIS_PATH", "NLSPATH", "OMP_*", "RESOLV_HOST_CONF", "RES_OPTIONS", "TEMP",
	"TEXTDOMAINDIR", "TMP", "TMPDIR", "TSAN_OPTIONS", "TZDIR", "UBSAN_OPTIONS", "VALGRIND_*",
	/* shells */
	"A__z", "BASHOPTS", "BASH_*", "CDPATH", "ENV", "EXECIGNORE", "FCEDIT", "FPATH", "GLOBIGNORE",
	"HISTFILE", "HOME", "IFS", "INPUTRC", "KSH_*", "MAILPATH", "MODULE_PATH", "NULLCMD", "PATH",
	"POSIXLY_CORRECT", "PROMPT_COMMAND", "PS4", "READNULLCMD", "SHELL", "SHELLOPTS", "SHLVL",
	"ZDOTDIR", "fish_*", "fn_*",
	/* other interpreters and run-time systems */
	"AWK*", "BUNDLER_*", "BUNDLE_*", "BUN_*", "CAML*", "CLASSPATH", "COMPlus_*", "CORECLR_*",
	"COREHOST_*", "DENO_*", "DOTNET_*", "ELIXIR_*", "EMACS*", "ERL_*", "GAWK_*", "GEM_*",
	"GHCRTS", "GOCOVERDIR", "GODEBUG", "GOFLAGS", "GORACE", "GUILE_*", "JAVA_*", "JDK_*",
	"JULIA_*", "LUA_*", "MONO_*", "NODE_*", "NPM_CONFIG_*", "OCAML*", "OCTAVE_*", "PERL*",
	"PHPRC", "PHP_INI_SCAN_DIR", "PIP_*", "PLT*", "PYTHON*", "RUBY*", "R_*", "SBCL_HOME", "TCL*",
	"TK_LIBRARY", "_JAVA_OPTIONS", "npm_config_*",
	/* tools: compilers, editors, pagers, archives, version control */
	"BROWSER", "BZIP", "BZIP2", "CC", "CGIT_CONFIG", "CMAKE_*", "COMPILER_PATH", "CVS_RSH", "CXX",
	"EDITOR", "EXINIT", "GCC_*", "GITWEB_*", "GIT_*", "GNUMAKEFLAGS", "GREP_OPTIONS", "GZIP",
	"HG*", "LESS*", "LIBRARY_PATH", "LYNX_*", "M4PATH", "MAILCAPS", "MAILRC", "MAKE*", "MANOPT",
	"MANPAGER", "MANPATH", "MFLAGS", "MORE", "MYVIMRC", "NAIL_EXTRA_RC", "PAGER", "PKG_CONFIG*",
	"SUDO_*", "SVN_*", "SYSTEMD_*", "TAPE", "TAR_OPTIONS", "TERMCAP", "TERMINFO*", "UNZIP",
	"UNZIPOPT", "VIM*", "VISUAL", "XDG_*", "XZ_*", "ZIPINFO", "ZIPOPT",
	/* networks, secrets, TLS */
	"ALL_PROXY", "CGI_HTTP_PROXY", "CURL_*", "DBUS_*", "DOCKER_*", "FTP_PROXY", "GNUPGHOME",
	"GNUTLS_*", "HTTPS_PROXY", "KRB5_*", "KUBECONFIG", "LDAPCONF", "LDAPRC", "LDAPTLS_*", "NETRC",
	"NO_PROXY", "NSPR_*", "NSS_*", "OPENSSL_*", "P11_KIT_*", "QLOGDIR", "RANDFILE",
	"REQUESTS_CA_BUNDLE", "RSYNC_*", "SASL_*", "SOCKS_*", "SSH_*", "SSLKEYLOGFILE",
	"SSL_CERT_DIR", "SSL_CERT_FILE", "SYSTEM_WGETRC", "WGETRC", "all_proxy", "ftp_proxy",
	"http_proxy", "https_proxy", "no_proxy", "socks_proxy",
	/* databases and services */
	"AWS_*", "BOTO_CONFIG", "DBIC_*", "DBI_*", "FREETDS*", "LIBMYSQL_*", "MARIADB_PLUGIN_DIR",
	"MYSQL_HOME", "MYSQL_TEST_LOGIN_FILE", "MYSQL_UNIX_PORT", "ODBC*", "ORACLE_*", "PG*",
	"SQLITE_*", "TDS*", "TNS_ADMIN",
	/* graphics and text */
	"FFREPORT", "FIT_SCRIPT", "FONTCONFIG_*", "FREI0R_PATH", "GDAL_*", "GDK_*", "GIO_*",
	"GNUPLOT_*", "GST_*", "GS_*", "GTK_*", "GVBINDIR", "LADSPA_PATH", "LIBGL_*", "MAGICK_*",
	"OCL_*", "QT_*", "TEXINPUTS", "TEXMF*", "VK_*", "shell_escape",
};
static bool refusal_told[sizeof refused / sizeof *refused];

/* Exempt from refused: programs run by web servers do not work without these. */
static const char *const exempt[] = {
	"GIT_HTTP_EXPORT_ALL", "GIT_HTTP_MAX_REQUEST_BUFFER", "GIT_NAMESPACE", "GIT_PROJECT_ROOT",
	"GIT_PROTOCOL", "NODE_ENV",
};

/* Variables of RFC 3875, section 4.1, and others sent by web servers. */
static const char *const usual[] = {
	"AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "CONTEXT_*", "DOCUMENT_*", "FCGI_ROLE",
	"GATEWAY_INTERFACE", "GEOIP_*", "H2PUSH", "H2_*", "HTTP2", "HTTPS", "HTTP_*", "ORIG_*",
	"PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "REDIRECT_*", "REMOTE_*", "REQUEST_*",
	"SCRIPT_*", "SERVER_*", "SSL_*", "UNIQUE_ID",
};

/* Variables of a request, never inherited from fcgiwrap's own environment; nor are longer names
 * that begin with HTTP. */
static const char *const meta_variables[] = {
	"AUTH_TYPE",      "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE",
	"PATH_INFO",      "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR",
	"REMOTE_HOST",    "REMOTE_IDENT",   "REMOTE_USER",  "REQUEST_METHOD",
	"SCRIPT_NAME",    "SERVER_NAME",    "SERVER_PORT",  "SERVER_PROTOCOL",
	"SERVER_SOFTWARE",
};

/* Variables required by RFC 3875, section 4.1, and PATH, on which shells rely. Required values
 * that fcgiwrap cannot know, such as SERVER_NAME, are not invented. */
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

static enum environment_rule rule;
static const struct option_list none, *accepted = &none;
static void (*on_refusal)(const char *name);
static struct environment own; /* variables inherited by scripts */

void environment_open(enum environment_rule r, const struct option_list *a)
{
	rule = r;
	accepted = a;
}

void environment_on_refusal(void (*told)(const char *name))
{
	on_refusal = told;
}

/* Names. */

static size_t name_length(const char *variable)
{
	return strcspn(variable, "=");
}

static bool matches(const char *pattern, const char *variable)
{
	while (*pattern && *pattern != '*' && *pattern == *variable)
		pattern++, variable++;
	return *pattern == '*' || (*pattern == '\0' && *variable == '=');
}

#define PATTERNS(array) (array), sizeof (array) / sizeof *(array)

/* Returns the index of the first pattern that matches, or count. */
static size_t find_pattern(const char *const *patterns, size_t count, const char *variable)
{
	size_t i = 0;

	while (i < count && !matches(patterns[i], variable))
		i++;
	return i;
}

static bool has_pattern(const char *const *patterns, size_t count, const char *variable)
{
	return find_pattern(patterns, count, variable) < count;
}

static bool is_accepted_by_name(const char *name)
{
	for (size_t i = 0; i < accepted->count; i++)
		if (strcmp(accepted->texts[i], name) == 0)
			return true;
	return false;
}

static void tell_refusal(const char *pattern, bool *told)
{
	if (on_refusal && !*told)
		on_refusal(pattern);
	*told = true;
}

/* Reports names up to TOLD_MOST: clients can send any number of new ones. */
static void tell_unusual(const char *variable)
{
	static char *names[TOLD_MOST];
	static size_t told;
	size_t length = name_length(variable);

	for (size_t i = 0; i < told; i++)
		if (strncmp(names[i], variable, length) == 0 && names[i][length] == '\0')
			return;
	if (told == TOLD_MOST || !(names[told] = strndup(variable, length)))
		return;
	if (on_refusal)
		on_refusal(names[told]);
	told++;
}

static bool is_refused(const char *variable)
{
	static bool proxy_told, functions_told;
	size_t i;

	if (matches(functions, variable)) {
		tell_refusal(functions, &functions_told);
		return true;
	}
	if (matches(proxy, variable) && !is_accepted_by_name(proxy)) {
		tell_refusal(proxy, &proxy_told);
		return true;
	}
	if (rule == ENVIRONMENT_OPEN ||
	    has_pattern(accepted->texts, accepted->count, variable))
		return false;
	i = find_pattern(PATTERNS(refused), variable);
	if (i < sizeof refused / sizeof *refused && !has_pattern(PATTERNS(exempt), variable)) {
		tell_refusal(refused[i], &refusal_told[i]);
		return true;
	}
	if (rule == ENVIRONMENT_GUARDED || has_pattern(PATTERNS(usual), variable))
		return false;
	tell_unusual(variable);
	return true;
}

/* Compares two names that end at '=' or NUL. */
static int compare_names(const char *a, const char *b)
{
	while (*a == *b && *a && *a != '=')
		a++, b++;
	return (*a == '=' ? 0 : (unsigned char)*a) - (*b == '=' ? 0 : (unsigned char)*b);
}

static int compare_variables(const void *a, const void *b)
{
	const char *x = *(char *const *)a;
	const char *y = *(char *const *)b;
	int order = compare_names(x, y);

	/* Parameters lie in memory in order of arrival: the higher address came later. */
	return order ? order : (x > y) - (x < y);
}

/* Making and changing. */

static bool environment_reserve(struct environment *e, size_t count)
{
	char **grown;

	if (e->variables && count <= e->room)
		return true;
	grown = realloc(e->variables, (count + SPARE + 1) * sizeof *grown);
	if (!grown)
		return false;
	e->variables = grown;
	e->room = count + SPARE;
	return true;
}

/* Takes ownership of a string, and frees it if there is no memory. */
static bool environment_adopt(struct environment *e, char *string)
{
	size_t room = e->owned_room ? e->owned_room : SPARE;
	char **grown;

	if (!string)
		return false;
	while (room <= e->owned_count)
		room *= 2;
	grown = room == e->owned_room ? e->owned : realloc(e->owned, room * sizeof *grown);
	if (!grown) {
		free(string);
		return false;
	}
	e->owned = grown;
	e->owned_room = room;
	e->owned[e->owned_count++] = string;
	return true;
}

/* RFC 3875, section 4.1.18: joins count header fields of one name, in order of arrival. Leaves
 * out a value equal to its predecessor, since a web server's configuration may set a field
 * twice. */
static char *join_fields(char *const *variables, size_t count)
{
	const char *separator = matches("HTTP_COOKIE", *variables) ? "; " : ", ";
	size_t name = name_length(*variables) + 1, size = 1;
	char *joined, *end;

	for (size_t i = 0; i < count; i++)
		size += strlen(variables[i]) + strlen(separator);
	joined = malloc(size);
	if (!joined)
		return NULL;
	end = stpcpy(joined, *variables);
	for (size_t i = 1; i < count; i++)
		if (strcmp(variables[i] + name, variables[i - 1] + name) != 0)
			end = stpcpy(stpcpy(end, separator), variables[i] + name);
	return joined;
}

/* Merges count variables of the same name, in order of arrival, into one. NULL if there is no
 * memory. */
static char *merge(struct environment *e, char **run, size_t count)
{
	char *joined;

	if (matches("SCRIPT_FILENAME", *run))
		for (size_t i = count; i > 0 && e->file_count < ENVIRONMENT_FILES_MOST; i--)
			e->files[e->file_count++] = run[i - 1] + sizeof "SCRIPT_FILENAME";
	if (count == 1 || !matches("HTTP_*", *run))
		return run[count - 1];
	joined = join_fields(run, count);
	return environment_adopt(e, joined) ? joined : NULL;
}

bool environment_make(struct environment *e, char *strings, size_t count)
{
	size_t kept = 0, next;

	*e = (struct environment){ .count = 0 };
	if (!environment_reserve(e, count))
		return false;
	for (; count > 0; count--, strings += strlen(strings) + 1)
		if (*strings != '=' && strchr(strings, '=') && !is_refused(strings))
			e->variables[e->count++] = strings;
	qsort(e->variables, e->count, sizeof *e->variables, compare_variables);
	for (size_t i = 0; i < e->count; i = next) {
		next = i + 1;
		while (next < e->count && compare_names(e->variables[i], e->variables[next]) == 0)
			next++;
		e->variables[kept] = merge(e, e->variables + i, next - i);
		if (!e->variables[kept++])
			return false;
	}
	e->count = kept;
	e->variables[kept] = NULL;
	return true;
}

bool environment_copy(struct environment *out, const struct environment *from)
{
	*out = *from;
	out->variables = NULL;
	out->room = 0;
	out->owned = NULL;
	out->owned_count = out->owned_room = 0;
	if (!environment_reserve(out, from->count)) {
		out->count = 0;
		return false;
	}
	memcpy(out->variables, from->variables, (from->count + 1) * sizeof *out->variables);
	return true;
}

/* Returns the index of the name, or where to insert it. */
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

static bool environment_put(struct environment *e, char *variable)
{
	bool found;
	size_t at = position(e, variable, &found);

	if (!found) {
		if (!environment_reserve(e, e->count + 1))
			return false;
		memmove(e->variables + at + 1, e->variables + at,
			(e->count - at) * sizeof *e->variables);
		e->variables[++e->count] = NULL;
	}
	e->variables[at] = variable;
	return true;
}

bool environment_set(struct environment *e, const char *name, const char *value)
{
	size_t length = strlen(name);
	char *variable = malloc(length + strlen(value) + 2);

	if (!variable)
		return false;
	memcpy(variable, name, length);
	variable[length] = '=';
	strcpy(variable + length + 1, value);
	return environment_adopt(e, variable) && environment_put(e, variable);
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

void environment_free(struct environment *e)
{
	for (size_t i = 0; i < e->owned_count; i++)
		free(e->owned[i]);
	free(e->owned);
	free(e->variables);
	*e = (struct environment){ .count = 0 };
}

/* fcgiwrap's own variables. */

static bool describes_request(const char *variable)
{
	return (matches("HTTP*", variable) && name_length(variable) > 4) ||
	       has_pattern(PATTERNS(meta_variables), variable);
}

bool environment_keep_own(char *const *variables)
{
	size_t count = 0, kept = 0;

	while (variables[count])
		count++;
	if (!environment_reserve(&own, count))
		return false;
	for (; *variables; variables++)
		if (strchr(*variables, '=') && !describes_request(*variables))
			own.variables[own.count++] = *variables;
	qsort(own.variables, own.count, sizeof *own.variables, compare_variables);
	for (size_t i = 0; i < own.count; i++)
		if (i + 1 == own.count ||
		    compare_names(own.variables[i], own.variables[i + 1]) != 0)
			own.variables[kept++] = own.variables[i];
	own.count = kept;
	return true;
}

/* Adds inherited variables with names not set yet. */
static bool inherit(struct environment *e)
{
	struct environment merged = { .count = 0 };
	size_t ours = 0, its = 0;

	if (!environment_reserve(&merged, e->count + own.count))
		return false;
	while (its < e->count || ours < own.count) {
		int order = its == e->count    ? 1
			    : ours == own.count ? -1
						: compare_names(e->variables[its],
								own.variables[ours]);

		merged.variables[merged.count++] = order <= 0 ? e->variables[its]
							      : own.variables[ours];
		its += order <= 0;
		ours += order >= 0;
	}
	merged.variables[merged.count] = NULL;
	free(e->variables);
	e->variables = merged.variables;
	e->count = merged.count;
	e->room = merged.room;
	return true;
}

bool environment_add_own(struct environment *e, const struct settings *s)
{
	for (size_t i = 0; i < s->env.count; i++)
		if (!environment_put(e, (char *)(size_t)s->env.texts[i]))
			return false;
	if (!s->clear_env && !inherit(e))
		return false;
	for (size_t i = 0; i < sizeof always_set / sizeof *always_set; i++)
		if (!environment_get(e, always_set[i].name) &&
		    !environment_set(e, always_set[i].name, always_set[i].value))
			return false;
	return true;
}

/* RFC 3875, section 4.1.2: removes an empty CONTENT_LENGTH if there is no body, and sets
 * CONTENT_LENGTH to received for a body of unknown length. */
static bool set_length(struct environment *e, int64_t length, int64_t received)
{
	char text[24];

	if (received == 0 && !environment_get_text(e, "CONTENT_LENGTH")) {
		environment_unset(e, "CONTENT_LENGTH");
		return true;
	}
	snprintf(text, sizeof text, "%lld", (long long)received);
	return length >= 0 || environment_set(e, "CONTENT_LENGTH", text);
}

bool environment_build(struct environment *e, const struct settings *settings, uint8_t role,
		       int64_t length, int64_t received)
{
	/* Parameters and the variables of script_find() are set already. */
	if (!set_length(e, length, received))
		return false;
	/* RFC 3875, section 4.2: web servers pass a body without transfer coding. */
	if (role != FCGI_AUTHORIZER)
		environment_unset(e, "HTTP_TRANSFER_ENCODING");
	if (!environment_set(e, "FCGI_ROLE", role == FCGI_AUTHORIZER ? "AUTHORIZER" : "RESPONDER"))
		return false;
	return environment_add_own(e, settings);
}
