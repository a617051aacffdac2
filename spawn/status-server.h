/*
 * The socket of --status: the supervisor answers FastCGI requests there by itself, on the event
 * loop. Every count and every time is bounded.
 */
#ifndef STATUS_SERVER_H
#define STATUS_SERVER_H

#include "identity.h"
#include "settings.h"

#include <stdbool.h>

enum { STATUS_CONNECTIONS = 16 }; /* served at a time; others wait in the socket's queue */

/* Makes the socket, if the settings ask for one; before the loop runs. False after reporting. */
bool status_server_open(const struct settings *settings, const struct identity *identity);

/* Takes up a socket that was handed over by status_server_describe(), or else makes one. Reports a
 * failure. */
void status_server_resume(const struct settings *settings, const struct identity *identity,
			  const char *from);

/* Begins to answer. The loop must be open. */
void status_server_begin(void);

/* Writes "DESCRIPTOR NAME" for status_server_resume(), and returns the descriptor, to be passed
 * on; -1: there is no socket. */
enum { STATUS_SERVER_TEXT = 160 };
int status_server_describe(char text[STATUS_SERVER_TEXT]);

/* True if no request is under way, to be lost when this process executes itself anew. For a moment
 * no connection is accepted, so that the result becomes true soon. */
bool status_server_rests(void);

/* Closes the socket and removes its file. Connections under way are still served. */
void status_server_leave(void);

#endif
