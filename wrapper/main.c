/*
 * fcgiwrap: runs CGI programs for a web server that speaks FastCGI.
 */
#include <config.h>

#include "children.h"
#include "descriptors.h"
#include "environment.h"
#include "listen.h"
#include "report.h"
#include "settings.h"
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 511, FIRST_INHERITED = 3, SOCKET_MODE = 0660 };

struct source {
	int listener;
	bool made; /* by us, so that its file is ours to remove */
	struct listen_address address;
};

static bool make_socket(struct source *out, const char *url)
{
	mode_t mask = umask(0);
	const struct listen_file file = {
		.mode = SOCKET_MODE & ~mask, .owner = (uid_t)-1, .group = (gid_t)-1
	};

	umask(mask);
	listen_address_url(&out->address, url);
	out->made = true;
	out->listener = listen_open(&out->address, &file, BACKLOG);
	return out->listener >= 0;
}

static bool inherit_socket(struct source *out, int fd, const char *name)
{
	out->listener = fd;
	if (listen_is_socket(fd))
		return true;
	report("%s is not a listening socket (give one with -s, by spawn-fcgi, or by a systemd "
	       "socket unit)", name);
	return false;
}

/* Where requests come from: what systemd passes, else what -s asks for, else
 * descriptor 0. False after reporting that there is nothing. */
static bool find_source(struct source *out, const struct settings *settings)
{
	int passed = listen_inherited();

	*out = (struct source){ .listener = -1 };
	descriptors_close(FIRST_INHERITED + (passed > 0));
	if (passed > 1)
		report("of %d sockets passed by LISTEN_FDS only the first is served", passed);
	if (passed > 0)
		return inherit_socket(out, FIRST_INHERITED, "descriptor 3 (LISTEN_FDS)");
	if (settings->socket)
		return make_socket(out, settings->socket);
	return inherit_socket(out, STDIN_FILENO, "standard input");
}

struct crew {
	const struct settings *settings;
	int listener;
};

static int work(const void *context, int lifeline)
{
	const struct crew *crew = context;

	return worker_run(crew->settings, crew->listener, lifeline);
}

static int serve(const struct settings *settings, int listener)
{
	const struct crew crew = { .settings = settings, .listener = listener };
	const struct children_plan plan = {
		.count = settings->workers,
		.work = work,
		.context = &crew,
		/* The workers keep to it themselves; this is for one that hangs. */
		.stop_timeout = settings->stop_timeout + settings->kill_after,
	};

	if (settings->workers == 1)
		return worker_run(settings, listener, -1);
	return children_keep(&plan) < 0 ? STATUS_FAILURE : 0;
}

static void report_refusal(const char *name)
{
	report("parameter %s from a client refused (set it in the environment of fcgiwrap if "
	       "scripts need it)", name);
}

int main(int argc, char **argv)
{
	struct settings settings;
	struct source source;
	int status;

	report_open("fcgiwrap");
	if (!descriptors_fill_standard() || !settings_read(&settings, argc, argv))
		return STATUS_FAILURE;
	if (settings.help) {
		settings_help();
		return 0;
	}
	if (settings.version) {
		printf("fcgiwrap (%s) %s\n", PACKAGE_NAME, PACKAGE_VERSION);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	environment_on_refusal(report_refusal);
	if (!find_source(&source, &settings))
		return STATUS_FAILURE;
	status = serve(&settings, source.listener);
	if (source.made)
		listen_remove(&source.address);
	return status;
}
