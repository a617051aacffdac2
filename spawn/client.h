/*
 * spawn-fcgi as a FastCGI client: one request, its response, and an exit status that tells how it
 * went, in a time that is bounded whatever the program and the standard streams do.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "settings.h"

/* Exit statuses, besides EXIT_OWN_ERROR. */
enum client_status {
	CLIENT_GOOD,          /* a response with an HTTP status below 500 */
	CLIENT_BAD_RESPONSE,  /* another one, or none although the request was ended */
	CLIENT_NO_CONNECTION, /* nobody listens, or this user may not connect */
	CLIENT_NO_TIME,       /* not complete within settings->timeout */
	CLIENT_NO_FASTCGI     /* the connection was closed early, or other bytes came */
};

/* Makes the request of settings->ping or settings->request. Returns the exit status; what went
 * wrong is reported. */
int client_run(const struct settings *settings);

#endif
