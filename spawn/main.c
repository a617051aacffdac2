/*
 * spawn-fcgi: opens a listening socket, starts a FastCGI program on the socket with the
 * user and environment asked for, and exits, or with --supervise stays and supervises. As a
 * client, asks such a program for a response.
 */
#include <config.h>

#include "check.h"
#include "config-facts.h"
#include "client.h"
#include "crew.h"
#include "descriptors.h"
#include "handover.h"
#include "identity.h"
#include "listener.h"
#include "pidfile.h"
#include "self.h"
#include "program.h"
#include "report.h"
#include "settings.h"
#include "supervise.h"

#include <stdlib.h>
#include <unistd.h>

static int run_in_place(const struct settings *settings, const struct identity *identity,
			struct listener *listener)
{
	int status;

	listener_entrust(listener, settings, identity);
	status = program_become(settings, identity, listener->fd, -1, 0);
	listener_remove(listener);
	return status;
}

static int run_beside(const struct settings *settings, const struct identity *identity,
		      struct listener *listener, struct pidfile *pidfile)
{
	struct crew crew;
	int status;

	crew_start(&crew, settings, identity, listener->fd);
	status = crew.status;
	/* A program with exit status 0 may have gone to the background. */
	if (crew.living > 0 || status == 0) {
		pidfile_write(pidfile, crew.pids, crew.living);
		crew_announce(&crew);
	} else {
		pidfile_discard(pidfile);
		listener_remove(listener);
	}
	crew_close(&crew);
	return status;
}

int main(int argc, char **argv)
{
	static struct settings settings; /* lists are never freed */
	static struct identity identity; /* groups are never freed */
	struct handover handover;
	enum handover_kind handed_over;
	struct pidfile pidfile;
	struct listener listener;
	int status;

	report_open("spawn-fcgi");
	if (!self_enter())
		return EXIT_OWN_ERROR;
	handed_over = handover_read(&handover, getenv(HANDOVER_VARIABLE), getpid());
	unsetenv(HANDOVER_VARIABLE);
	if (handed_over == HANDOVER_UNKNOWN) {
		report("cannot take over from a supervisor of another version");
		return EXIT_OWN_ERROR;
	}
	if (!settings_read(&settings, argc, argv, handed_over == HANDOVER_READ, &status))
		return status;
	if (settings.print_config)
		return config_facts_print(&settings) ? EXIT_SUCCESS : EXIT_OWN_ERROR;
	if (settings.ping || settings.request)
		return client_run(&settings);
	/* With -n alone this process becomes the program: leave descriptors (a lock) open. */
	if (!settings.in_place || settings.supervise)
		descriptors_seal(STDERR_FILENO + 1);
	if (!identity_find(&identity, &settings.names))
		return EXIT_OWN_ERROR;
	if (settings.check)
		return check_run(&settings, &identity);
	if (settings.supervise)
		return supervise(&settings, &identity, argv,
				 handed_over == HANDOVER_READ ? &handover : NULL);
	if (!pidfile_open(&pidfile, settings.pid_file))
		return EXIT_OWN_ERROR;
	if (!listener_open(&listener, &settings, &identity)) {
		pidfile_discard(&pidfile);
		return EXIT_OWN_ERROR;
	}
	pidfile_claim(&pidfile);
	if (settings.in_place)
		return run_in_place(&settings, &identity, &listener);
	return run_beside(&settings, &identity, &listener, &pidfile);
}
