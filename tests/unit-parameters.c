/* The request that a program of ours makes as a client: its parameters, and how they lie in records. */
#include <config.h>

#include "parameters.h"
#include "params.h"
#include "record.h"
#include "tap.h"
#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 400000, LONG = 40000 };

/* What a program has of it. */
static char types[64]; /* of the records, a letter each: that of the type, small if empty */
static char pairs[MOST]; /* "\nNAME=VALUE\n" */
static bool whole; /* no pair was cut by the end of a record */

static void take_pairs(const unsigned char *content, size_t size)
{
	const unsigned char *name, *value;
	size_t name_size, value_size;

	while (params_next(&content, &size, &name, &name_size, &value, &value_size))
		sprintf(pairs + strlen(pairs), "\n%.*s=%.*s\n", (int)name_size, (const char *)name,
			(int)value_size, (const char *)value);
	whole &= size == 0;
}

static const char *root;

static void make(const char *script, char **given, int64_t body)
{
	struct parameters parameters = { "client", script, given, root };
	size_t size = 0, at = 0;
	unsigned char *bytes = parameters_records(&parameters, body, &size);

	*types = *pairs = '\0';
	whole = true;
	while (bytes && size - at >= RECORD_HEADER_SIZE) {
		const unsigned char *h = bytes + at;
		size_t content = (size_t)h[4] << 8 | h[5];

		at += RECORD_HEADER_SIZE + content + h[6];
		if (at > size || h[0] != RECORD_VERSION || (h[2] << 8 | h[3]) != VERDICT_ID)
			break;
		strncat(types, content ? &"?B??PI"[h[1]] : &"?b??pi"[h[1]], 1);
		if (h[1] == FCGI_PARAMS)
			take_pairs(h + RECORD_HEADER_SIZE, content);
	}
	ok(bytes && at == size, "the records are whole");
	free(bytes);
}

static bool has(const char *pair)
{
	char line[200];

	snprintf(line, sizeof line, "\n%s\n", pair);
	return strstr(pairs, line);
}

static bool has_name(const char *name)
{
	char line[200];

	snprintf(line, sizeof line, "\n%s=", name);
	return strstr(pairs, line);
}

static void usual(void)
{
	char *none[] = { NULL };

	make("/srv/x.php", none, -1);
	ok(strcmp(types, "BPpi") == 0, "a request without a body ends at once");
	ok(has("SCRIPT_FILENAME=/srv/x.php") && has("SCRIPT_NAME=/srv/x.php") &&
	   has("DOCUMENT_URI=/srv/x.php") && has("REQUEST_URI=/srv/x.php") && has("QUERY_STRING="),
	   "the script has all its names");
	ok(has("REQUEST_METHOD=GET") && !has_name("CONTENT_LENGTH"), "a GET");
	make("/x?a=b?c", none, 0);
	ok(has("SCRIPT_NAME=/x") && has("SCRIPT_FILENAME=/x") && has("QUERY_STRING=a=b?c") &&
	   has("REQUEST_URI=/x?a=b?c"), "a query, from the first question mark on");
	ok(strcmp(types, "BPpi") == 0 && has("CONTENT_LENGTH=0") && has("REQUEST_METHOD=GET"),
	   "an empty body ends at once, and is announced");
	make("/x", none, 5000000000);
	ok(strcmp(types, "BPp") == 0 && has("CONTENT_LENGTH=5000000000") && has("REQUEST_METHOD=POST"),
	   "a body makes a POST, and is to come");
}

static void below_a_root(void)
{
	char a[] = "DOCUMENT_ROOT=/other";
	char *none[] = { NULL }, *another[] = { a, NULL };

	make("/srv/x", none, -1);
	ok(!has_name("DOCUMENT_ROOT"), "without a root none is sent");
	root = "/srv";
	make("/srv/x?q", none, -1);
	ok(has("DOCUMENT_ROOT=/srv") && has("SCRIPT_FILENAME=/srv/x") && has("SCRIPT_NAME=/x") &&
	   has("DOCUMENT_URI=/x") && has("REQUEST_URI=/x?q"), "a root is not in URLs");
	make("/srv/x", another, -1);
	ok(has("DOCUMENT_ROOT=/other") && !has("DOCUMENT_ROOT=/srv") && has("SCRIPT_NAME=/x"),
	   "another one may be given");
	root = "/";
	make("/srv/x", none, -1);
	ok(has("DOCUMENT_ROOT=/") && has("SCRIPT_NAME=/srv/x"), "below / URLs are whole paths");
	root = NULL;
}

static void usual_of(const char *agent)
{
	struct parameters parameters = { agent, "/x", (char *[]){ NULL } };
	size_t size = 0;
	unsigned char *bytes = parameters_records(&parameters, -1, &size);
	char expected[80];

	snprintf(expected, sizeof expected, "HTTP_USER_AGENT%s/%s", agent, PACKAGE_VERSION);
	ok(bytes && memmem(bytes, size, expected, strlen(expected)), "the program says its name");
	free(bytes);
}

static void given(void)
{
	char a[] = "REQUEST_METHOD=PUT", b[] = "X=1", c[] = "X=2=3", d[] = "E=", e[] = "XY=4",
	     f[] = "CONTENT_LENGTH=7", g[] = "QUERY_STRING=q", h[] = "SCRIPT_NAME=/y";
	char *words[] = { a, b, c, d, e, f, g, h, NULL };
	struct parameters parameters = { "client", "/x?p", words };

	make("/x?p", words, 7);
	ok(has("REQUEST_METHOD=PUT") && !has("REQUEST_METHOD=POST") && has("SCRIPT_NAME=/y") &&
	   has("SCRIPT_FILENAME=/x"), "a parameter takes the place of a usual one");
	ok(has("X=2=3") && !has("X=1") && has("XY=4"), "of two of a name the last one counts");
	ok(has("E="), "a value may be empty");
	ok(has("QUERY_STRING=q") && !has("QUERY_STRING=p") && has("REQUEST_URI=/x?q"),
	   "a query that is given counts in REQUEST_URI, too");
	ok(strcmp(parameters_find(&parameters, "X"), "2=3") == 0 &&
	   !parameters_find(&parameters, "Y") && !parameters_find(&parameters, "SCRIPT_FILENAME"),
	   "what is given is found, and nothing else");
}

static void many_records(void)
{
	static char a[LONG] = "A=", b[LONG] = "B=", c[2 * LONG] = "C=";
	char *two[] = { a, b, NULL }, *longest[] = { c, NULL };
	char *text;

	memset(a + 2, 'a', sizeof a - 3);
	memset(b + 2, 'b', sizeof b - 3);
	memset(c + 2, 'c', sizeof c - 3);
	make("/x", two, -1);
	ok(strcmp(types, "BPPpi") == 0 && whole, "no pair is cut where a new record can begin");
	text = strstr(pairs, "\nA=a");
	ok(text && strspn(text + 3, "a") == sizeof a - 3 && strstr(text, "\n\nB=b"), "they are complete");
	make("/x", longest, -1);
	ok(strcmp(types, "BPPPpi") == 0 && !whole, "one that is larger than a record is cut");
}

int main(void)
{
	usual();
	usual_of("client");
	below_a_root();
	given();
	many_records();
	return tap_done();
}
