#include <config.h>

#include "config-facts.h"

#include "listen.h"
#include "print-config.h"
#include "report.h"

#include <limits.h>
#include <string.h>

/* Where a service manager's socket is unless something else is said. */
#define SOCKET_USUAL "unix:/run/fcgiwrap.socket"

/* The web server has to wait for longer than we do: for a slot, a start, and a silent script that
 * is ended, whichever limit it reaches. */
static int64_t longest_wait(const struct settings *s)
{
	int64_t running = s->timeout;

	if (s->silence_timeout && (!running || s->silence_timeout < running))
		running = s->silence_timeout;
	return running ? s->queue_timeout + s->start_timeout + running + s->kill_after : 0;
}

/* The directory that scripts are in: the root, or that of the one script. */
static const char *scripts_of(const struct settings *s, char *out, size_t size)
{
	if (s->roots.count > 0)
		return s->roots.texts[0];
	if (s->scripts.count == 0)
		return "/usr/lib/cgi-bin";
	listen_find_directory(s->scripts.texts[0], out, size);
	return out;
}

bool config_facts_print(const struct settings *s)
{
	char directory[PATH_MAX];
	struct print_config what = {
		.name = s->pool_name,
		.scripts = scripts_of(s, directory, sizeof directory),
		.status = s->status,
		.ping = s->ping,
		.longest = longest_wait(s),
		.max_body = s->max_body,
		.stopping = s->stop_timeout + s->kill_after,
		.is_wrapper = true,
		.socket_owner = s->socket_owner,
		.socket_group = s->socket_group,
		.socket_mode = s->socket_mode < 0 ? 0660 : s->socket_mode,
		.words = s->words,
	};

	if (!print_config_knows(s->print_config))
		return false;
	if (!listen_address_url(&what.address, s->socket ? s->socket : SOCKET_USUAL)) {
		report("-s %s: not a socket URL", s->socket);
		return false;
	}
	return print_config(s->print_config, &what);
}
