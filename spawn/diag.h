/*
 * Sockets as Linux shows them by netlink, see sock_diag(7): exact for any number
 * and names of other sockets.
 */
#ifndef DIAG_H
#define DIAG_H

#include "sockets.h"

/* Each returns false with errno, but diag_name_waiting() perhaps without. ENOENT from
 * diag_open(): the socket is not shown. */
bool diag_open(const struct sockets_own *own);
bool diag_renew(void); /* after *own has changed */
void diag_forget_former(void);
bool diag_count_waiting(long *waiting);
bool diag_mark(struct sockets_item *items, size_t count);
bool diag_name_waiting(struct overload_names *out);

/* Connections that the queue can hold, as of the last count; 0: not known. */
long diag_queue_limit(void);

#endif
