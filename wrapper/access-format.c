#include <config.h>

#include "access-format.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>

enum { VALUE_MOST = 4096, NAME_MOST = 128 };

#define TIME_USUAL "%d/%b/%Y:%H:%M:%S %z"
#define TIME_ISO "iso8601"
#define GMT "gmt:"
/* Those with one l are php-fpm's own, of all times. */
#define TIME_UNITS "seconds milliseconds miliseconds milli mili microseconds micro"

static const char php[] = "%R - %u %t \"%m %r\" %s";

static const struct {
	const char *name, *text, *header;
	enum access_form form;
} named[] = {
	{ "combined", "%R - %u [%t] \"%m %U %{SERVER_PROTOCOL}e\" %s %b \"%{Referer}i\" "
		      "\"%{User-Agent}i\"", NULL, ACCESS_PLAIN },
	{ "json", "{\"time_iso8601\":\"%{iso8601}t\",\"remote_addr\":\"%R\",\"remote_user\":\"%u\","
		  "\"request_method\":\"%m\",\"request_uri\":\"%U\",\"status\":%s,"
		  "\"request_completion\":\"%{completion}X\","
		  "\"body_bytes_sent\":%B,\"request_time\":%d,\"request_id\":\"%I\","
		  "\"http_referer\":\"%{Referer}i\",\"http_user_agent\":\"%{User-Agent}i\","
		  "\"request_length\":%N,\"script\":\"%f\",\"pid\":%p,\"exit\":%{status}x,"
		  "\"signal\":%{signal}x,\"start\":\"%k\",\"queue_time\":%w,\"start_time\":%W,"
		  "\"utime\":%{user-seconds}C,\"stime\":%{system-seconds}C,"
		  "\"maxrss_kb\":%{kilobytes}M}", NULL, ACCESS_JSON },
	{ "w3c", "%{gmt:%Y-%m-%d}t %{gmt:%H:%M:%S}t %R %u %m %r %q %s %B %N %d %{User-Agent}i %f %p %x "
		 "%{total-seconds}C",
	  "date time c-ip cs-username cs-method cs-uri-stem cs-uri-query sc-status sc-bytes cs-bytes "
	  "time-taken cs(User-Agent) x-script x-pid x-exit x-cpu", ACCESS_W3C },
};

/* The letters, and what may stand in braces: NULL nothing, "" anything, else one of these. */
static const struct {
	char letter;
	const char *arguments;
} letters[] = {
	{ '%', NULL },
	{ 'b', NULL }, { 'B', NULL },
	{ 'C', "user system total user-seconds system-seconds total-seconds" },
	{ 'd', TIME_UNITS },
	{ 'e', "" }, { 'f', NULL }, { 'i', "" }, { 'I', NULL }, { 'k', NULL }, { 'l', NULL },
	{ 'm', NULL }, { 'M', "bytes kilobytes kilo megabytes mega" }, { 'n', NULL }, { 'N', NULL },
	{ 'o', "" }, { 'p', NULL }, { 'P', NULL }, { 'q', NULL }, { 'Q', NULL }, { 'r', NULL },
	{ 'R', NULL }, { 's', NULL }, { 't', "" }, { 'T', "" }, { 'u', NULL }, { 'U', NULL },
	{ 'w', TIME_UNITS }, { 'W', TIME_UNITS },
	{ 'x', "status signal" }, { 'X', "completion" },
};

/* Reading a format. */

static bool is_word_of(const char *words, const char *word, size_t size)
{
	while (*words) {
		size_t length = strcspn(words, " ");

		if (length == size && memcmp(words, word, size) == 0)
			return true;
		words += length + (words[length] == ' ');
	}
	return false;
}

static bool argument_is(const struct access_step *s, const char *word)
{
	return s->argument && s->argument_size == strlen(word) &&
	       memcmp(s->argument, word, s->argument_size) == 0;
}

/* NULL, or what is wrong with a step. */
static const char *fault_of(const struct access_step *s)
{
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
		const char *arguments = letters[i].arguments;

		if (letters[i].letter != s->letter)
			continue;
		if (!s->argument)
			return strchr("eio", s->letter) ? "a name in braces is missing" : NULL;
		if (!arguments)
			return "nothing may stand in braces there";
		if (s->argument_size == 0 || s->argument_size >= NAME_MOST)
			return "what stands in braces is empty, or too long";
		return *arguments == '\0' || is_word_of(arguments, s->argument, s->argument_size)
			       ? NULL : "there is no such word in braces";
	}
	return "there is no such letter";
}

/* Takes the text up to the next letter, and that. Returns what follows, or NULL with why. */
static const char *read_step(struct access_step *s, const char *text, bool *quoted,
			     const char **why)
{
	size_t length = strcspn(text, "%");

	*s = (struct access_step){ .before = text, .before_size = length };
	for (size_t i = 0; i < length; i++)
		*quoted ^= text[i] == '"';
	s->quoted = *quoted;
	text += length;
	if (*text == '\0')
		return text;
	text++;
	if (*text == '{') {
		s->argument = text + 1;
		s->argument_size = strcspn(s->argument, "}");
		text = s->argument + s->argument_size;
		if (*text == '\0') {
			*why = "a closing brace is missing";
			return NULL;
		}
		text++;
	}
	s->letter = *text;
	*why = *text ? fault_of(s) : "a letter is missing";
	return *why ? NULL : text + 1;
}

/* A line must remain one. Tabs may separate fields. */
static const char *find_control(const char *text)
{
	while (*text && ((unsigned char)*text >= ' ' || *text == '\t') && *text != 0x7f)
		text++;
	return text;
}

static bool refuse_format(char fault[ACCESS_FAULT_SIZE], const char *why, const char *place)
{
	snprintf(fault, ACCESS_FAULT_SIZE, "%s at \"%.40s\"", why, place);
	return false;
}

bool access_format_read(struct access_format *out, const char *text, char fault[ACCESS_FAULT_SIZE])
{
	const char *why = NULL;
	bool quoted = false;

	*out = (struct access_format){ .form = ACCESS_PLAIN };
	text = text ? text : php;
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		if (strcmp(named[i].name, text) == 0) {
			out->form = named[i].form;
			out->header = named[i].header;
			text = named[i].text;
			break;
		}
	if (*text == '{')
		out->form = ACCESS_JSON;
	if (*text == '\0')
		return refuse_format(fault, "there is nothing", text);
	if (*find_control(text))
		return refuse_format(fault, "a line cannot have such a character as", find_control(text));
	for (const char *at = text, *next; *at; at = next) {
		struct access_step *s = &out->steps[out->count];

		next = NULL;
		if (out->count == ACCESS_STEPS_MOST)
			why = "there are too many letters";
		else
			next = read_step(s, at, &quoted, &why);
		if (!next)
			return refuse_format(fault, why, at + strcspn(at, "%"));
		out->wants_headers |= s->letter == 'o';
		out->count++;
	}
	return true;
}

/* Values that have to be kept until the end. */

static char *copy(const char *value, size_t size)
{
	char *kept = malloc(size + 1);

	if (!kept)
		return NULL;
	memcpy(kept, value, size);
	kept[size] = '\0';
	return kept;
}

/* "User-Agent" is the parameter HTTP_USER_AGENT. */
static const char *header_parameter(const struct access_step *s, char *out)
{
	size_t at = (size_t)sprintf(out, "HTTP_");
	char plain[NAME_MOST];

	snprintf(plain, sizeof plain, "%.*s", (int)s->argument_size, s->argument);
	if (strcasecmp(plain, "Content-Type") == 0 || strcasecmp(plain, "Content-Length") == 0)
		at = 0;
	for (const char *from = plain; *from; from++)
		out[at++] = (char)(*from == '-' ? '_'
				   : *from >= 'a' && *from <= 'z' ? *from - 'a' + 'A' : *from);
	out[at] = '\0';
	return out;
}

typedef const char *param_function(const void *, const char *);

static const char *path_of(param_function *param, const void *context)
{
	const char *name = param(context, "SCRIPT_NAME");

	return name && *name ? name : param(context, "DOCUMENT_URI");
}

/* Only what is a number of JSON, too. */
static const char *length_of(const char *value)
{
	bool is_number = value && *value && strspn(value, "0123456789") == strlen(value);

	return is_number && (*value != '0' || !value[1]) ? value : NULL;
}

static const char *parameter_of(const struct access_step *s, param_function *param,
				const void *context)
{
	char name[NAME_MOST + 8];

	switch (s->letter) {
	case 'e':
		snprintf(name, sizeof name, "%.*s", (int)s->argument_size, s->argument);
		return param(context, name);
	case 'i':
		return param(context, header_parameter(s, name));
	case 'f':
		return param(context, "SCRIPT_FILENAME");
	case 'l':
		return length_of(param(context, "CONTENT_LENGTH"));
	case 'm':
		return param(context, "REQUEST_METHOD");
	case 'q':
		return param(context, "QUERY_STRING");
	case 'R':
		return param(context, "REMOTE_ADDR");
	case 'u':
		return param(context, "REMOTE_USER");
	default:
		return NULL;
	}
}

/* The URL, as the visitor sent it, or put together again. */
static char *copy_url(param_function *param, const void *context)
{
	const char *sent = param(context, "REQUEST_URI"), *query = param(context, "QUERY_STRING");
	const char *path = path_of(param, context);
	char url[VALUE_MOST];

	if (sent && *sent)
		return copy(sent, strnlen(sent, VALUE_MOST));
	if (!path)
		return NULL;
	snprintf(url, sizeof url, "%s%s%s", path, query && *query ? "?" : "", query ? query : "");
	return copy(url, strlen(url));
}

void access_values_take(struct access_values *values, const struct access_format *f,
			param_function *param, const void *context)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct access_step *s = &f->steps[i];
		const char *value = s->letter == 'r' ? path_of(param, context)
						     : parameter_of(s, param, context);
		const char *query = s->letter == 'Q' ? param(context, "QUERY_STRING") : NULL;

		if (s->letter == 'U')
			values->of[i] = copy_url(param, context);
		else if (s->letter == 'Q')
			values->of[i] = copy("?", query && *query);
		else if (value && *value)
			values->of[i] = copy(value, strnlen(value, VALUE_MOST));
	}
}

void access_values_take_header(struct access_values *values, const struct access_format *f,
			       const char *header, size_t size)
{
	const char *line = header, *const end = header + size;

	for (const char *stop; (stop = memchr(line, '\n', (size_t)(end - line))); line = stop + 1) {
		const char *colon = memchr(line, ':', (size_t)(stop - line));

		for (size_t i = 0; colon && i < f->count; i++) {
			const struct access_step *s = &f->steps[i];
			const char *value = colon + 1 + strspn(colon + 1, " \t");
			size_t length = strcspn(value, "\r\n");

			if (s->letter != 'o' || s->argument_size != (size_t)(colon - line) ||
			    strncasecmp(s->argument, line, s->argument_size) != 0 || values->of[i])
				continue;
			values->of[i] = copy(value, length < VALUE_MOST ? length : VALUE_MOST);
		}
	}
}

void access_values_free(struct access_values *values)
{
	for (size_t i = 0; i < ACCESS_STEPS_MOST; i++)
		free(values->of[i]);
}

/* Writing. */

static bool needs_escape(uint32_t c, const struct access_step *s)
{
	return utf8_is_obeyed(c) || c == '\t' || c == '\\' || c == '"' || (c == ' ' && !s->quoted);
}

/* Bytes that are not UTF-8 are escaped, too: so no two values have the same text. */
static void add_plain(struct text *out, const struct access_step *s, const char *value)
{
	size_t size = strlen(value), from = 0, length; /* from: of what stays as it is */

	for (size_t at = 0; at < size; at += length) {
		uint32_t c;
		size_t missing;

		length = utf8_decode((const unsigned char *)value + at, size - at, &c, &missing);
		if (length > 0 && !needs_escape(c, s))
			continue;
		if (length == 0)
			length = 1;
		text_put(out, value + from, at - from);
		for (size_t i = 0; i < length; i++)
			text_format(out, "\\x%02X", (unsigned char)value[at + i]);
		from = at + length;
	}
	text_put(out, value + from, size - from);
}

/* A double quote would begin a string, with spaces in it, for those who know such. */
static void add_w3c(struct text *out, const char *value)
{
	struct text plain = { .bytes = NULL };

	text_string(&plain, TEXT_LINE, value, VALUE_MOST);
	for (size_t i = 0; i < plain.size; i++)
		if (plain.bytes[i] == '"')
			text_add(out, "%22");
		else
			text_put(out, plain.bytes[i] == ' ' || plain.bytes[i] == '\t'
					      ? "+" : &plain.bytes[i], 1);
	out->failed |= plain.failed;
	free(plain.bytes);
}

/* A text that the format has no quotes for gets some: so each line can be read. */
static void add_json(struct text *out, const struct access_step *s, const char *value)
{
	bool is_bare = !s->quoted && !strchr("bBCdlMNpPswWx", s->letter);

	text_add(out, is_bare ? "\"" : "");
	text_string(out, TEXT_JSON, value, VALUE_MOST);
	text_add(out, is_bare ? "\"" : "");
}

/* True for a query that stands right behind a path: there is nothing without one. */
static bool is_glued(const struct access_step *s)
{
	return s->letter == 'q' &&
	       (s->before_size == 0 || !strchr(" \t\"", s->before[s->before_size - 1]));
}

static void add_value(struct text *out, enum access_form form, const struct access_step *s,
		      const char *value)
{
	bool none = !value || (!*value && s->letter != 'Q');

	if (none && is_glued(s))
		return;
	if (none && form == ACCESS_JSON)
		text_add(out, s->quoted ? "" : "null");
	else if (none)
		text_add(out, "-");
	else if (form == ACCESS_JSON)
		add_json(out, s, value);
	else if (form == ACCESS_W3C)
		add_w3c(out, value);
	else
		add_plain(out, s, value);
}

/* Microseconds, in a unit; seconds and milliseconds with three decimals, as php-fpm has it. */
static const char *write_time(char *out, size_t size, const struct access_step *s, int64_t us)
{
	if (us < 0)
		return NULL;
	if (argument_is(s, "microseconds") || argument_is(s, "micro"))
		snprintf(out, size, "%lld", (long long)us);
	else if (s->argument && s->argument_size >= 4 && memcmp(s->argument, "mil", 3) == 0)
		snprintf(out, size, "%lld.%03lld", (long long)us / 1000, (long long)us % 1000);
	else
		snprintf(out, size, "%lld.%03lld", (long long)us / 1000000,
			 (long long)us / 1000 % 1000);
	return out;
}

static int64_t microseconds(int64_t milliseconds)
{
	return milliseconds < 0 ? -1 : milliseconds * 1000;
}

/* The part of one processor that the script had; or the time, by a word that ends in "-seconds". */
static const char *write_cpu(char *out, size_t size, const struct access_step *s,
			     const struct access_facts *f)
{
	bool user = s->argument_size >= 4 && memcmp(s->argument, "user", 4) == 0;
	bool system = s->argument_size >= 6 && memcmp(s->argument, "system", 6) == 0;
	uint64_t us = (system ? 0 : f->user) + (user ? 0 : f->system);

	if (!f->has_ended)
		return NULL;
	if (s->argument_size > 8 && memcmp(s->argument + s->argument_size - 8, "-seconds", 8) == 0)
		snprintf(out, size, "%.6f", (double)us / 1e6);
	else
		snprintf(out, size, "%.2f",
			 f->took > 0 ? (double)us / 1000 / (double)f->took * 100 : 0);
	return out;
}

static const char *write_memory(char *out, size_t size, const struct access_step *s,
				const struct access_facts *f)
{
	int shift = !s->argument ? 0 : s->argument[0] == 'k' ? 10 : s->argument[0] == 'm' ? 20 : 0;

	if (!f->has_ended || f->memory == 0)
		return NULL;
	snprintf(out, size, "%llu", (unsigned long long)(f->memory >> shift));
	return out;
}

static const char *write_zone(char *out, size_t size, const struct tm *calendar)
{
	char plain[16] = "";

	strftime(plain, sizeof plain, "%z", calendar);
	if (strlen(plain) == 5)
		snprintf(out, size, "%.3s:%s", plain, plain + 3);
	else
		snprintf(out, size, "%s", plain);
	return out;
}

/* The administrator writes formats of dates. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static const char *write_date(char *out, size_t size, const struct access_step *s,
			      int64_t milliseconds)
{
	const time_t seconds = (time_t)(milliseconds / 1000);
	char format[NAME_MOST], zone[24];
	const char *plain = format;
	struct tm calendar;

	snprintf(format, sizeof format, "%.*s", s->argument ? (int)s->argument_size : 256,
		 s->argument ? s->argument : TIME_USUAL);
	if (strncmp(format, GMT, sizeof GMT - 1) == 0) {
		plain += sizeof GMT - 1;
		gmtime_r(&seconds, &calendar);
	} else {
		localtime_r(&seconds, &calendar);
	}
	if (strcmp(plain, TIME_ISO) == 0) {
		size_t length = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &calendar);

		snprintf(out + length, size - length, "%s", write_zone(zone, sizeof zone, &calendar));
	} else if (strftime(out, size, plain, &calendar) == 0) {
		*out = '\0';
	}
	return out;
}

#pragma GCC diagnostic pop

static const char *write_number(char *out, size_t size, int64_t number, bool is_known)
{
	snprintf(out, size, "%lld", (long long)number);
	return is_known ? out : NULL;
}

/* How the script has ended: its exit status, or 128 and the number of a signal as shells have it;
 * or one of both. */
static const char *write_end(char *out, size_t size, const struct access_step *s,
			     const struct access_facts *f)
{
	bool killed = f->has_ended && WIFSIGNALED(f->how);
	int signal = killed ? WTERMSIG(f->how) : 0;

	if (argument_is(s, "signal"))
		return write_number(out, size, signal, killed);
	if (argument_is(s, "status"))
		return write_number(out, size, killed ? 0 : WEXITSTATUS(f->how),
				    f->has_ended && !killed);
	return write_number(out, size, killed ? 128 + signal : WEXITSTATUS(f->how), f->has_ended);
}

/* As Apache has it; or as nginx has it, by a word. */
static const char *write_completion(const struct access_step *s, const struct access_facts *f)
{
	if (s->argument)
		return f->is_whole ? "OK" : NULL;
	return !f->is_whole ? "X" : f->is_kept ? "+" : "-";
}

/* A value that is not among those kept. */
static const char *make_value(char *out, size_t size, const struct access_step *s,
			    const struct access_facts *f)
{
	switch (s->letter) {
	case '%':
		return "%";
	case 'b':
		return write_number(out, size, f->sent, f->sent > 0);
	case 'B':
		return write_number(out, size, f->sent, true);
	case 'C':
		return write_cpu(out, size, s, f);
	case 'd':
		return write_time(out, size, s, microseconds(f->took));
	case 'f':
		return f->script;
	case 'I':
		return f->tag;
	case 'l':
		return "0"; /* so has php-fpm for a request without a body */
	case 'k':
		return f->script_pid > 0 ? f->was_warm ? "warm" : "cold" : NULL;
	case 'M':
		return write_memory(out, size, s, f);
	case 'n':
		return f->pool;
	case 'N':
		return write_number(out, size, f->received, true);
	case 'p':
		return write_number(out, size, f->script_pid > 0 ? f->script_pid : f->own_pid, true);
	case 'P':
		return write_number(out, size, f->script_pid > 0 ? f->own_pid : f->parent_pid, true);
	case 's':
		return write_number(out, size, f->status, f->status > 0);
	case 't':
		return write_date(out, size, s, f->begun);
	case 'T':
		return write_date(out, size, s, f->begun + f->took);
	case 'w':
		return write_time(out, size, s, microseconds(f->queued));
	case 'W':
		return write_time(out, size, s, microseconds(f->started));
	case 'x':
		return write_end(out, size, s, f);
	case 'X':
		return write_completion(s, f);
	default:
		return NULL;
	}
}

void access_format_write(const struct access_format *format, const struct access_facts *f,
			 struct text *out)
{
	char made[256];

	for (size_t i = 0; i < format->count; i++) {
		const struct access_step *s = &format->steps[i];
		const char *kept = f->values ? f->values->of[i] : NULL;

		text_put(out, s->before, s->before_size);
		if (!s->letter)
			continue;
		/* The script that was found, unless none was. */
		if (!kept || (s->letter == 'f' && f->script))
			kept = make_value(made, sizeof made, s, f);
		if (s->letter == '%' || (strchr("tT", s->letter) && format->form == ACCESS_PLAIN))
			text_add(out, kept);
		else
			add_value(out, format->form, s, kept);
	}
}
