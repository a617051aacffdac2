/*
 * Status pages of fixed data: of a busy fcgiwrap, of one that has just begun, and of one whose
 * requests, and whose administrator, mean ill.
 */
#ifndef STATUS_DATA_H
#define STATUS_DATA_H

#include "status-page.h"

/* Each fills a page whose parts are valid up to the next call. */
void status_data_busy(struct status_page *page);
void status_data_fresh(struct status_page *page);
void status_data_hostile(struct status_page *page);

/* A page whose strings are random bytes; the same for the same seed. */
void status_data_random(struct status_page *page, unsigned seed);

/* The page of this name; false if there is none. */
bool status_data_named(struct status_page *page, const char *name);

#endif
