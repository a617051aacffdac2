/*
 * The page of --status: values from the pool's parts, rendered by status-page.h.
 */
#ifndef STATUS_H
#define STATUS_H

#include "responder.h"
#include "settings.h"

#include <stddef.h>

/* The settings stay the caller's. */
void status_open(const struct settings *settings);

/* Answers a request of any name: one that ends in /ping with a pong, else with the page. As answer()
 * of responder.h. */
char *status_answer(const struct responder_request *request, size_t *size);

#endif
