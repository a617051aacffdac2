/* Lines of the access log. */
#include <config.h>

#include "tap.h"
#include "utf8.h"

#include "../wrapper/access-format.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int allocations_left = -1; /* -1: any number */

static bool is_memory_left(void)
{
	return allocations_left < 0 || allocations_left-- > 0;
}

/* The names stand for those below up to here, in stdlib.h too. */
#undef malloc
#undef realloc
void *malloc(size_t size);
void *realloc(void *bytes, size_t size);

void *scarce_malloc(size_t size)
{
	return is_memory_left() ? malloc(size) : NULL;
}

void *scarce_realloc(void *bytes, size_t size)
{
	return is_memory_left() ? realloc(bytes, size) : NULL;
}

static const char *const usual[] = {
	"REQUEST_METHOD=GET", "SCRIPT_NAME=/cgi-bin/x.sh", "QUERY_STRING=a=b", "REMOTE_ADDR=192.0.2.7",
	"REQUEST_URI=/cgi-bin/x.sh?a=b", "SERVER_PROTOCOL=HTTP/1.1", "HTTP_USER_AGENT=Moz \"5\"",
	"SCRIPT_FILENAME=/srv/cgi-bin/x.sh", "CONTENT_TYPE=text/x", "CONTENT_LENGTH=17",
	"HTTP_CONTENT_TYPE=wrong", "HTTP_CONTENT_LENGTH=wrong", NULL
};

static const char *param(const void *context, const char *name)
{
	for (const char *const *p = context; *p; p++)
		if (strncmp(*p, name, strlen(name)) == 0 && (*p)[strlen(name)] == '=')
			return *p + strlen(name) + 1;
	return NULL;
}

static struct access_facts facts(void)
{
	return (struct access_facts){
		.status = 200, .begun = 1764590400123, .took = 1234, .queued = 30, .started = 4,
		.sent = 5000, .received = 17, .script_pid = 4711, .own_pid = 100, .parent_pid = 99,
		.is_whole = true, .is_kept = true, .has_ended = true, .how = 3 << 8,
		.user = 500000, .system = 117000,
		.memory = 3 * 1048576, .pool = "fcgiwrap", .tag = "ab12",
		.script = "/srv/cgi-bin/found.sh",
	};
}

/* The line of a request with these parameters, and the header of its response. */
static const char *line_of(const char *text, const char *const *params, const char *header,
			   struct access_facts f)
{
	static char line[64 * 1024];
	struct access_values values = { { NULL } };
	struct access_format format;
	char fault[ACCESS_FAULT_SIZE];
	struct text out = { .bytes = NULL };

	if (!access_format_read(&format, text, fault))
		return fault[0] ? strcpy(line, fault) : "no fault";
	if (params)
		access_values_take(&values, &format, param, params);
	if (header)
		access_values_take_header(&values, &format, header, strlen(header));
	f.values = params ? &values : NULL;
	access_format_write(&format, &f, &out);
	access_values_free(&values);
	snprintf(line, sizeof line, "%.*s", (int)out.size, out.bytes ? out.bytes : "");
	free(out.bytes);
	return line;
}

static bool is_line(const char *text, const char *expected)
{
	const char *line = line_of(text, usual, NULL, facts());

	if (strcmp(line, expected) == 0)
		return true;
	printf("# %s\n", line);
	return false;
}

static void letters(void)
{
	char date[160] = "|%{";

	ok(is_line(NULL, "192.0.2.7 - - 01/Dec/2025:12:00:00 +0000 \"GET /cgi-bin/x.sh\" 200"),
	   "the usual format is php-fpm's");
	ok(is_line("100%% %n", "100% fcgiwrap"), "%%%% is a percent sign, %%n the pool");
	ok(is_line("%C %{total}C %{user}C %{system}C", "50.00 50.00 40.52 9.48"),
	   "%%C is the part of a processor");
	ok(is_line("%d %{seconds}d %{milliseconds}d %{milli}d %{microseconds}d %{micro}d",
		   "1.234 1.234 1234.000 1234.000 1234000 1234000"), "%%d is the time it took");
	ok(is_line("%{mili}d %{miliseconds}d %{mili}w", "1234.000 1234.000 30.000"),
	   "as php-fpm has spelt it, too");
	ok(is_line("%R - %u %t \"%m %r%Q%q\" %s %f %{milli}d %{kilo}M %C%%", "192.0.2.7 - - "
		   "01/Dec/2025:12:00:00 +0000 \"GET /cgi-bin/x.sh?a=b\" 200 /srv/cgi-bin/found.sh "
		   "1234.000 3072 50.00%"), "the example in php-fpm's configuration is understood");
	ok(is_line("%w %{milliseconds}w %W %{micro}W", "0.030 30.000 0.004 4000"),
	   "%%w is the wait, %%W the start");
	ok(is_line("%{REMOTE_ADDR}e %{NONE}e", "192.0.2.7 -"), "%%{NAME}e is a parameter");
	ok(is_line("%f", "/srv/cgi-bin/found.sh"), "%%f is the script that was found");
	ok(is_line("%m %r %q %Q %U", "GET /cgi-bin/x.sh a=b ? /cgi-bin/x.sh?a=b"),
	   "%%m method, %%r path, %%q query, %%Q its question mark, %%U the URL");
	ok(is_line("%M %{kilobytes}M %{kilo}M %{megabytes}M %{mega}M", "3145728 3072 3072 3 3"),
	   "%%M is the peak of memory");
	ok(is_line("%p %P %s %b %B %N", "4711 100 200 5000 5000 17"),
	   "%%p the script's process, %%P ours, %%s status, %%b and %%B bytes sent, %%N received");
	ok(is_line("%R %u %l %I", "192.0.2.7 - 17 ab12"),
	   "%%R address, %%u user, %%l length, %%I the id");
	ok(is_line("%t|%{%Y}t|%{gmt:%H:%M}t|%{iso8601}t|%T", "01/Dec/2025:12:00:00 +0000|2025|12:00|"
		   "2025-12-01T12:00:00+00:00|01/Dec/2025:12:00:01 +0000"),
	   "%%t is when it came, %%T when it ended");
	for (int i = 0; i < 60; i++)
		strcat(date, "%c");
	strcat(date, "}t|");
	ok(is_line(date, "||"), "a date that is too long is left out");
	ok(is_line("\"%{User-Agent}i\" %{Content-Type}i %{content-length}i %{Host}i",
		   "\"Moz \\x225\\x22\" text/x 17 -"), "%%{Name}i is a field of the request");
	ok(is_line("%k %x %{status}x %{signal}x %X %{completion}X", "cold 3 3 - + OK"),
	   "%%k how the script started, %%x how it ended, and %%X the response");
}

static void ends(void)
{
	static const char *const bare[] = { "SCRIPT_NAME=/x", "QUERY_STRING=", NULL };
	static const char *const none[] = { "QUERY_STRING=a", NULL };
	static struct access_format format;
	char fault[ACCESS_FAULT_SIZE];
	struct access_facts f = facts();

	f.how = 9;
	ok(strcmp(line_of("%x %{status}x %{signal}x", usual, NULL, f), "137 - 9") == 0,
	   "a signal counts from 128, as for a shell");
	ok(strcmp(line_of("\"%r%Q%q\" \"%r?%q\" %q \"%q\"", bare, NULL, f),
		  "\"/x\" \"/x?\" - \"-\"") == 0,
	   "behind a path there is nothing for no query, else a dash");
	f.has_ended = false;
	f.was_warm = true;
	ok(strcmp(line_of("%x %C %M %k", usual, NULL, f), "- - - warm") == 0,
	   "what is not known is a dash");
	f.is_kept = false;
	ok(strcmp(line_of("%X \"%{completion}X\"", usual, NULL, f), "- \"OK\"") == 0,
	   "a connection that is closed is a dash, as Apache has it");
	f.is_whole = false;
	ok(strcmp(line_of("%X \"%{completion}X\"", usual, NULL, f), "X \"-\"") == 0 &&
	   strstr(line_of("json", usual, NULL, f), "\"request_completion\":\"\""),
	   "a response that is not whole is an X, and not OK");
	f.took = 0;
	f.has_ended = true;
	ok(strcmp(line_of("%C", usual, NULL, f), "0.00") == 0, "of no time there is no part");
	ok(strcmp(line_of("%U", none, NULL, f), "-") == 0, "there is no URL without a path");
	f = (struct access_facts){ .queued = -1, .started = -1, .own_pid = 100, .parent_pid = 99 };
	ok(strcmp(line_of("%R %m %U %s %w %W %k %f %b %p %P", NULL, NULL, f),
		  "- - - - - - - - - 100 99") == 0,
	   "so it is for a request of which nothing has come");
	ok(strcmp(line_of("%l", NULL, NULL, f), "0") == 0, "but %%l, which is 0 as php-fpm has it");
	ok(strcmp(line_of("%{X-Cache}o %{content-type}o %{None}o %{X-Cache-A}o %{X-No}o", usual,
			  "Status: 200 OK\r\nContent-Type: text/html\r\nX-Cache-B: 2\r\nX-Cach: 3\r\n"
			  "X-Cache:  HIT\r\nX-Cache: 4\r\nX-No:\r\n\r\n", facts()),
		  "HIT text/html - - -") == 0,
	   "%%{Name}o is a field of the response, in any case, the first of them");
	ok(access_format_read(&format, "%s", fault) && !format.wants_headers &&
	   access_format_read(&format, "%{X}o %s", fault) && format.wants_headers,
	   "its header is wanted for that alone");
}

static void escapes(void)
{
	static const char *const hostile[] = {
		"QUERY_STRING=a b\"c\\d\n\x1b[1m\xff\xc3\xa4\xe2\x80\xae", "REMOTE_USER=Doe Jo", NULL
	};

	ok(strcmp(line_of("\"%q\"", hostile, NULL, facts()),
		  "\"a b\\x22c\\x5Cd\\x0A\\x1B[1m\\xFF\xc3\xa4\\xE2\\x80\\xAE\"") == 0,
	   "no byte forges a line, or a field");
	ok(strcmp(line_of("%u|\"%u\"", hostile, NULL, facts()), "Doe\\x20Jo|\"Doe Jo\"") == 0,
	   "a space outside of quotes is escaped, too");
}

static void named(void)
{
	static const char *const hostile[] = { "REQUEST_URI=/a\"b\\\n\x85\xe2\x80\xa8\xe2\x80\xae\xff",
					 "REMOTE_USER=", NULL };

	ok(is_line("combined", "192.0.2.7 - - [01/Dec/2025:12:00:00 +0000] \"GET /cgi-bin/x.sh?a=b "
		   "HTTP/1.1\" 200 5000 \"-\" \"Moz \\x225\\x22\""), "combined is the servers' own");
	ok(strncmp(line_of("json", usual, NULL, facts()),
		   "{\"time_iso8601\":\"2025-12-01T12:00:00+00:00\",\"remote_addr\":\"192.0.2.7\","
		   "\"remote_user\":\"\",", 60) == 0, "json has the names of nginx");
	ok(strstr(line_of("json", usual, NULL, facts()), "\"exit\":3,\"signal\":null,"),
	   "and null for numbers that there are not");
	ok(strstr(line_of("json", hostile, NULL, facts()),
		  "\"request_uri\":\"/a\\\"b\\\\\\u000a\\u0085\\u2028\\u202e\303\277\""),
	   "and its own escapes, also for what only some take for the end of a line");
	ok(is_line("w3c", "2025-12-01 12:00:00 192.0.2.7 - GET /cgi-bin/x.sh a=b 200 5000 17 1.234 "
		   "Moz+%225%22 /srv/cgi-bin/found.sh 4711 3 0.617000"),
	   "w3c has pluses for spaces, and no quotes");
}

static void objects(void)
{
	static const char *const hostile[] = { "SCRIPT_NAME=/a\"b", "CONTENT_LENGTH=1,\"x\":2", NULL };
	static const char *const zeros[] = { "CONTENT_LENGTH=007", NULL };

	ok(is_line("{\"m\":\"%m\",\"s\":%s,\"u\":\"%u\",\"x\":%{signal}x}",
		   "{\"m\":\"GET\",\"s\":200,\"u\":\"\",\"x\":null}"),
	   "a format that begins with a brace is JSON");
	ok(strcmp(line_of("{\"r\":%r,\"u\":%u,\"t\":%{%Y}t,\"c\":100%%}", hostile, NULL, facts()),
		  "{\"r\":\"/a\\\"b\",\"u\":null,\"t\":\"2025\",\"c\":100%}") == 0,
	   "a text without quotes gets some there, or is null");
	ok(strcmp(line_of("{\"l\":%l}", zeros, NULL, facts()), "{\"l\":0}") == 0 &&
	   strcmp(line_of("{\"l\":%l}", hostile, NULL, facts()), "{\"l\":0}") == 0,
	   "a length that is no number is none");
}

/* A line with so many allocations for what is kept, and so many for what is written. */
static struct text scarce_line(const char *text, int for_values, int for_line)
{
	struct access_facts f = facts();
	struct access_values values = { { NULL } };
	struct access_format format;
	struct text out = { .bytes = NULL };
	char fault[ACCESS_FAULT_SIZE];

	access_format_read(&format, text, fault);
	allocations_left = for_values;
	access_values_take(&values, &format, param, usual);
	f.values = &values;
	allocations_left = for_line;
	access_format_write(&format, &f, &out);
	allocations_left = -1;
	access_values_free(&values);
	return out;
}

static bool is_text(const struct text *text, const char *expected)
{
	return text->size == strlen(expected) && memcmp(text->bytes, expected, text->size) == 0;
}

static void scarcity(void)
{
	struct text out = scarce_line("%m %r", 1, -1);
	char whole[4096];
	bool sound = true;
	int failures = 0;

	ok(!out.failed && is_text(&out, "GET -"), "a value for which there was no memory is a dash");
	free(out.bytes);
	snprintf(whole, sizeof whole, "%s", line_of("w3c", usual, NULL, facts()));
	for (int i = 0; i < 40; i++) {
		out = scarce_line("w3c", -1, i);
		sound &= out.failed || is_text(&out, whole);
		failures += out.failed;
		free(out.bytes);
	}
	ok(sound && failures > 1 && failures < 40,
	   "for want of memory a line has failed, or is whole");
}

static bool refuses(const char *text, const char *place, const char *why)
{
	struct access_format format;
	char fault[ACCESS_FAULT_SIZE] = "";

	if (!access_format_read(&format, text, fault) && strstr(fault, place) && strstr(fault, why))
		return true;
	printf("# %s\n", fault);
	return false;
}

static void faults(void)
{
	char many[4 * ACCESS_STEPS_MOST + 8] = "";

	ok(refuses("%R %z", "\"%z\"", "no such letter"), "an unknown letter is refused with its place");
	ok(refuses("a %", "\"%\"", "a letter is missing"), "so is a percent sign at the end");
	ok(refuses("%{x", "\"%{x\"", "closing brace"), "an open brace");
	ok(refuses("%e", "\"%e\"", "a name in braces is missing"), "a letter without its name");
	ok(refuses("%{x}s", "\"%{x}s\"", "nothing may stand"), "braces where none belong");
	ok(refuses("%{hours}d", "\"%{hours}d\"", "no such word"), "an unknown unit");
	ok(refuses("%{}e", "\"%{}e\"", "empty"), "an empty name");
	memcpy(many, "%{", 2);
	memset(many + 2, 'X', 128);
	memcpy(many + 130, "}e", 3);
	ok(refuses(many, "%{XXX", "too long"), "one that is too long");
	memcpy(many + 129, "}e", 3);
	ok(is_line(many, "-"), "but the longest is not");
	many[0] = '\0';
	ok(refuses("", "\"\"", "nothing"), "an empty format");
	ok(refuses("%s\n%m", "\"\n%m\"", "such a character"), "a line end, or what would end a line");
	ok(is_line("%s\t%m", "200\tGET"), "a tab may stand between fields");
	for (int i = 0; i < ACCESS_STEPS_MOST; i++)
		strcat(many, "%s ");
	many[strlen(many) - 1] = '\0';
	ok(strlen(line_of(many, usual, NULL, facts())) == 4 * ACCESS_STEPS_MOST - 1,
	   "as many letters as there is room for are taken");
	strcat(many, " %s");
	ok(refuses(many, "%s", "too many"), "more letters than there is room for");
}

/* Any bytes, of which many are such that mean something. */
static void fill(char *out, size_t size, uint32_t *seed)
{
	static const char *const pieces[] = { "\"", "\\", " ", "\n", "\r", "\t", "+", "%22", "\xc2\x85",
					      "\xe2\x80\xa8", "\xe2\x80\xae", "\xff", "\xe2", "{", "," };
	size_t at = 0;

	while (at + 4 < size && (*seed = *seed * 1664525 + 1013904223) >> 27) {
		const char *piece = pieces[(*seed >> 8) % (sizeof pieces / sizeof *pieces)];

		if (*seed >> 30 && *seed >> 24 & 0xff)
			out[at++] = (char)(*seed >> 24);
		else
			at += (size_t)sprintf(out + at, "%s", piece);
	}
	out[at] = '\0';
}

/* Quotes that no backslash is in front of, and spaces outside of them; -1 if a viewer obeys what is
 * there. */
static long shape_of(const char *line)
{
	size_t size = strlen(line), length;
	long quotes = 0, spaces = 0;

	for (size_t at = 0; at < size; at += length) {
		uint32_t c;
		size_t missing;

		length = utf8_decode((const unsigned char *)line + at, size - at, &c, &missing);
		if (length == 0 || utf8_is_obeyed(c) || c == '\t')
			return -1;
		if (c == '\\' && (line[at + 1] == '"' || line[at + 1] == '\\'))
			length = 2;
		quotes += c == '"';
		spaces += c == ' ' && quotes % 2 == 0;
	}
	return quotes * 1000 + spaces;
}

static void forgery(const char *text, const char *what)
{
	char values[6][64];
	const char *const params[] = { values[0], values[1], values[2], values[3], values[4], values[5],
				       NULL };
	static const char *const names[] = { "REQUEST_METHOD=", "SCRIPT_NAME=", "REQUEST_URI=",
					     "REMOTE_USER=", "HTTP_USER_AGENT=", "SCRIPT_FILENAME=" };
	struct access_facts f = facts();
	uint32_t seed = 1;
	long shape = 0, first = 0;
	char last[1024] = "";
	int i;

	f.script = NULL;
	for (i = 0; i < 5000 && shape == first; i++) {
		for (size_t p = 0; p < 6; p++) {
			size_t size = (size_t)sprintf(values[p], "%s", names[p]);

			fill(values[p] + size, sizeof values[p] - size, &seed);
			if (!values[p][size])
				strcpy(values[p] + size, "x");
		}
		snprintf(last, sizeof last, "%s", line_of(text, params, NULL, f));
		shape = shape_of(last);
		first = i == 0 ? shape : first;
	}
	ok(shape == first && shape > 0, "any bytes leave %s as it is", what);
	if (shape != first)
		printf("# %s\n", last);
}

int main(void)
{
	char longest[3 * 4096 + 16];
	const char *const params[] = { longest, NULL }, *const url[] = { longest, "SCRIPT_NAME=/x", NULL };

	setenv("TZ", "UTC", 1);
	tzset();
	letters();
	ends();
	escapes();
	named();
	objects();
	scarcity();
	faults();
	forgery(NULL, "the usual format");
	forgery("combined", "combined");
	forgery("json", "json");
	forgery("w3c", "w3c");
	forgery("{\"a\":%u,\"b\":\"%r\",\"c\":%U, \"d\":%f}", "an own format of JSON");
	memset(longest, 'x', sizeof longest - 1);
	memcpy(longest, "QUERY_STRING=", 13);
	longest[sizeof longest - 1] = '\0';
	ok(strlen(line_of("%q", params, NULL, facts())) == 4096, "a long value is cut");
	ok(strlen(line_of("%U", url, NULL, facts())) == 4095, "so is an address that is put together");
	return tap_done();
}
