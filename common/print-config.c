#include <config.h>

#include "print-config.h"

#include "report.h"
#include "text.h"

#include "common/config-texts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MOST = 48, MARGIN_S = 5, WORD_MOST = 1 << 20 };

/* Where fcgiwrap answers the health check of a container. */
#define PING_USUAL "/ping"

struct language {
	const char *name, *text;
};

static const struct language languages[] = {
	{ "nginx", config_nginx }, { "lighttpd", config_lighttpd }, { "apache", config_apache },
	{ "haproxy", config_haproxy }, { "caddy", config_caddy }, { "systemd", config_systemd },
	{ "docker", config_docker },
};

/* What stands for names; texts are never freed. */
struct values {
	size_t count;
	struct {
		const char *name;
		char *text;
	} of[VALUES_MOST];
	bool failed;
};

static void set_value(struct values *v, const char *name, struct text *text)
{
	text_put(text, "", 1);
	if (text->failed || v->count == VALUES_MOST) {
		v->failed = true;
		return;
	}
	v->of[v->count].name = name;
	v->of[v->count++].text = text->bytes;
}

static void set_text(struct values *v, const char *name, const char *string)
{
	struct text text = { .bytes = NULL };

	if (!string)
		return;
	text_add(&text, string);
	set_value(v, name, &text);
}

static void set_number(struct values *v, const char *name, int64_t number)
{
	struct text text = { .bytes = NULL };

	text_format(&text, "%lld", (long long)number);
	set_value(v, name, &text);
}

/* The value of a name, or NULL. */
static const char *value_named(const struct values *v, const char *name, size_t length)
{
	for (size_t i = 0; i < v->count; i++)
		if (strlen(v->of[i].name) == length && memcmp(v->of[i].name, name, length) == 0)
			return v->of[i].text;
	return NULL;
}

/* How a client says where to connect: a socket that is bound to any address is on this host. */
static void write_host(const struct listen_address *address, char *out, size_t size)
{
	char number[INET6_ADDRSTRLEN] = "";

	if (address->as.any.sa_family == AF_INET) {
		bool any = address->as.ipv4.sin_addr.s_addr == htonl(INADDR_ANY);

		inet_ntop(AF_INET, &address->as.ipv4.sin_addr, number, sizeof number);
		snprintf(out, size, "%s", any ? "127.0.0.1" : number);
	} else {
		bool any = IN6_IS_ADDR_UNSPECIFIED(&address->as.ipv6.sin6_addr);

		inet_ntop(AF_INET6, &address->as.ipv6.sin6_addr, number, sizeof number);
		snprintf(out, size, "[%s]", any ? "::1" : number);
	}
}

static unsigned port_of(const struct listen_address *address)
{
	return ntohs(address->as.any.sa_family == AF_INET ? address->as.ipv4.sin_port
							  : address->as.ipv6.sin6_port);
}

/* The names of one address: of the service, or of its status. */
struct address_names {
	const char *path, *host, *port, *lighttpd, *apache, *caddy;
};

static const struct address_names of_service = { "path", "host", "port",
						 "lighttpd", "apache", "caddy" };
static const struct address_names of_status = { "status-path", "status-host", "status-port",
						"lighttpd-status", "apache-status",
						"caddy-status" };

static void set_address(struct values *v, const struct address_names *n, const char *name,
			const struct listen_address *address)
{
	struct text lighttpd = { .bytes = NULL }, apache = lighttpd, caddy = lighttpd;

	if (address->as.any.sa_family == AF_UNIX) {
		const char *path = address->as.local.sun_path;

		set_text(v, n->path, path);
		text_format(&lighttpd, "\"socket\" => \"%s\"", path);
		text_format(&apache, "unix:%s|fcgi://%s/", path, name);
		text_format(&caddy, "unix/%s", path);
	} else {
		char host[INET6_ADDRSTRLEN + 2];
		unsigned port = port_of(address);
		size_t bare;

		write_host(address, host, sizeof host);
		bare = host[0] == '[';
		set_text(v, n->host, host);
		set_number(v, n->port, port);
		text_format(&lighttpd, "\"host\" => \"%.*s\", \"port\" => %u",
			    (int)(strlen(host) - 2 * bare), host + bare, port);
		text_format(&apache, "fcgi://%s:%u/", host, port);
		text_format(&caddy, "%s:%u", host, port);
	}
	set_value(v, n->lighttpd, &lighttpd);
	set_value(v, n->apache, &apache);
	set_value(v, n->caddy, &caddy);
}

/* Scripts in /srv/cgi-bin are /cgi-bin/... for visitors: then SCRIPT_FILENAME is a directory and
 * the path of the URL, in every web server. */
static void set_places(struct values *v, const char *scripts)
{
	struct text location = { .bytes = NULL }, parent = location, whole = location;
	size_t length = scripts ? strlen(scripts) : 0;
	const char *last;

	while (length > 0 && scripts[length - 1] == '/')
		length--;
	if (length == 0) {
		set_text(v, "location", "/");
		return;
	}
	last = scripts + length;
	while (last[-1] != '/')
		last--;
	text_format(&location, "/%.*s/", (int)(scripts + length - last), last);
	text_format(&parent, "%.*s", last - 1 == scripts ? 1 : (int)(last - 1 - scripts), scripts);
	set_value(v, "location", &location);
	set_value(v, "parent", &parent);
	text_put(&whole, scripts, length);
	set_value(v, "scripts", &whole);
}

/* In a unit, within double quotes: what systemd.syntax(7) and systemd.service(5) obey. */
static void add_systemd(struct text *text, const char *word)
{
	text_add(text, " ");
	if (*word && !word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789_-+=,./:@")]) {
		text_add(text, word);
		return;
	}
	text_add(text, "\"");
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			text_add(text, "\\");
		if (*word == '%' || *word == '$')
			text_put(text, word, 1);
		if (*word == '\n')
			text_add(text, "\\n");
		else
			text_put(text, word, 1);
	}
	text_add(text, "\"");
}

static void add_json_word(struct text *text, const char *word)
{
	text_add(text, text->size ? ", \"" : "\"");
	text_string(text, TEXT_JSON, word, WORD_MOST);
	text_add(text, "\"");
}

static void set_command(struct values *v, const struct print_config *what)
{
	struct text command = { .bytes = NULL };

	if (!what->is_wrapper && (what->supervised || what->forks == 1))
		text_add(&command, " -n");
	for (size_t i = 0; i < what->words.count; i++)
		add_systemd(&command, what->words.texts[i]);
	set_value(v, "command", &command);
}

/* In a container there is one process 1, which is the supervisor: of fcgiwrap, too. */
static void set_container(struct values *v, const struct print_config *what)
{
	struct text entry = { .bytes = NULL }, ping = entry;
	const struct listen_address *address = &what->address;
	char host[INET6_ADDRSTRLEN + 2], number[16];

	add_json_word(&entry, BINDIR "/spawn-fcgi");
	add_json_word(&entry, "-n");
	if (what->is_wrapper || !what->supervised)
		add_json_word(&entry, "--supervise");
	if (what->is_wrapper && address->as.any.sa_family == AF_UNIX) {
		add_json_word(&entry, "-s");
		add_json_word(&entry, address->as.local.sun_path);
	} else if (what->is_wrapper) {
		inet_ntop(address->as.any.sa_family,
			  address->as.any.sa_family == AF_INET
				  ? (const void *)&address->as.ipv4.sin_addr
				  : (const void *)&address->as.ipv6.sin6_addr,
			  host, sizeof host);
		snprintf(number, sizeof number, "%u", port_of(address));
		add_json_word(&entry, "-a");
		add_json_word(&entry, host);
		add_json_word(&entry, "-p");
		add_json_word(&entry, number);
	}
	if (what->is_wrapper) {
		add_json_word(&entry, "--");
		add_json_word(&entry, SBINDIR "/fcgiwrap");
	}
	for (size_t i = 0; i < what->words.count; i++)
		add_json_word(&entry, what->words.texts[i]);
	if (what->is_wrapper && !what->ping) {
		add_json_word(&entry, "--ping");
		add_json_word(&entry, PING_USUAL);
	}
	if (what->is_wrapper)
		set_text(v, "ping-script", what->ping ? what->ping : PING_USUAL);
	set_value(v, "entrypoint", &entry);
	if (address->as.any.sa_family == AF_UNIX) {
		text_add(&ping, address->as.local.sun_path);
	} else {
		write_host(address, host, sizeof host);
		text_format(&ping, "%s:%u", host, port_of(address));
		set_number(v, "exposed", port_of(address));
	}
	set_value(v, "ping-address", &ping);
}

static void set_start(struct values *v, const struct print_config *what)
{
	struct text mode = { .bytes = NULL };

	set_text(v, what->is_wrapper	? "wrapper"
		    : what->supervised	? "supervised"
		    : what->forks == 1	? "single"
					: "several", "");
	set_text(v, "socket-owner", what->socket_owner ? what->socket_owner : "www-data");
	set_text(v, "socket-group", what->socket_group ? what->socket_group : "www-data");
	if (what->address.as.any.sa_family != AF_UNIX) {
		char bound[INET6_ADDRSTRLEN + 16];

		listen_address_print(&what->address, bound, sizeof bound);
		set_text(v, "bound", strchr(bound, ':') + 1);
	}
	text_format(&mode, "%04lo", (unsigned long)what->socket_mode);
	set_value(v, "socket-mode", &mode);
	if (what->stopping)
		set_number(v, "stop-seconds", (what->stopping + 999) / 1000 + MARGIN_S);
	set_command(v, what);
	set_container(v, what);
}

static void set_limits(struct values *v, const struct print_config *what)
{
	int64_t most = what->max_body;
	bool bounded = most != INT64_MAX;

	if (what->longest) {
		set_number(v, "longest", (what->longest + 999) / 1000);
		set_number(v, "seconds", (what->longest + 999) / 1000 + MARGIN_S);
	}
	/* Here 0 is no limit; one byte is the least. */
	set_number(v, "body", !bounded ? 0 : most ? most : 1);
	set_number(v, "body-kilobytes", !bounded || most / 1024 > UINT32_MAX ? 0 : most / 1024 + 1);
	set_number(v, "body-2g", most >= INT32_MAX ? 0 : most ? most : 1);
}

static void set_status(struct values *v, const struct print_config *what)
{
	struct text name = { .bytes = NULL };
	const struct listen_address *at = what->status_address;

	set_text(v, "status", what->status);
	set_text(v, "ping", what->ping);
	text_format(&name, "%s%s", what->name, at ? "-status" : "");
	if (at)
		set_text(v, "status-elsewhere", "");
	set_value(v, "status-name", &name);
	if (!v->failed)
		set_address(v, &of_status, name.bytes, at ? at : &what->address);
}

/* The text of a line, up to its end; the names in it that have values give way to these. */
static void print_line(const struct values *v, const char *line, size_t length)
{
	const char *end = line + length;

	while (line < end) {
		const char *at = memchr(line, '@', (size_t)(end - line)), *close, *value;

		if (!at)
			at = end;
		fwrite(line, 1, (size_t)(at - line), stdout);
		if (at == end)
			break;
		close = memchr(at + 1, '@', (size_t)(end - at - 1));
		value = close ? value_named(v, at + 1, (size_t)(close - at - 1)) : NULL;
		fputs(value ? value : "@", stdout);
		line = value ? close + 1 : at + 1;
	}
	putchar('\n');
}

static void print_text(const struct values *v, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		const char *line = text, *end = text + length, *colon;
		bool wanted = true;

		text += length + (text[length] == '\n');
		for (; *line == '?' || *line == '!'; line = colon + 1) {
			colon = memchr(line, ':', (size_t)(end - line));
			if (!colon)
				break;
			if (!value_named(v, line + 1, (size_t)(colon - line - 1)) == (*line == '?'))
				wanted = false;
		}
		if (wanted)
			print_line(v, line, (size_t)(end - line));
	}
}

static const struct language *language_named(const char *kind)
{
	for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
		if (strcmp(languages[i].name, kind) == 0)
			return &languages[i];
	return NULL;
}

bool print_config_knows(const char *kind)
{
	struct text known = { .bytes = NULL };

	if (language_named(kind))
		return true;
	for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
		text_format(&known, "%s%s", i ? ", " : "", languages[i].name);
	report("--print-config knows no \"%s\", but %.*s", kind, (int)known.size,
	       known.bytes ? known.bytes : "");
	free(known.bytes);
	return false;
}

/* No language here can quote everything: a $ in nginx, a quote in lighttpd. False after
 * reporting. */
static bool is_plain(const char *kind, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789/._~+,:=-";

	if (!text || !text[strspn(text, plain)])
		return true;
	report("--print-config %s cannot write \"%s\": a name for a configuration has letters, "
	       "digits and /._~+,:=- only", kind, text);
	return false;
}

static bool is_plain_path(const char *kind, const struct listen_address *address)
{
	return !address || address->as.any.sa_family != AF_UNIX ||
	       is_plain(kind, address->as.local.sun_path);
}

bool print_config(const char *kind, const struct print_config *what)
{
	const struct language *language = language_named(kind);
	struct values values = { .count = 0 };

	if (!is_plain_path(kind, &what->address) || !is_plain_path(kind, what->status_address) ||
	    !is_plain(kind, what->scripts) || !is_plain(kind, what->status) ||
	    !is_plain(kind, what->ping) || !is_plain(kind, what->name) ||
	    !is_plain(kind, what->socket_owner) || !is_plain(kind, what->socket_group))
		return false;
	set_text(&values, "name", what->name);
	set_address(&values, &of_service, what->name, &what->address);
	set_places(&values, what->scripts);
	set_limits(&values, what);
	set_status(&values, what);
	set_start(&values, what);
	set_text(&values, "bindir", BINDIR);
	set_text(&values, "sbindir", SBINDIR);
	if (values.failed)
		report("cannot print a configuration: %s", strerror(ENOMEM));
	else
		print_text(&values, language->text);
	for (size_t i = 0; i < values.count; i++)
		free(values.of[i].text);
	if (!values.failed && (fflush(stdout) != 0 || ferror(stdout))) {
		report("cannot write to standard output: %s", strerror(errno));
		return false;
	}
	return !values.failed;
}
