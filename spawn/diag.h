/*
 * Sockets as Linux shows them by netlink: exact, however many others there are,
 * and whatever their names are. See sock_diag(7).
 */
#ifndef DIAG_H
#define DIAG_H

#include "sockets.h"

/* Each is false with errno; ENOENT from the first one: this socket is not shown. */
bool diag_open(const struct sockets_own *own);
bool diag_renew(void); /* after *own has changed */
void diag_forget_former(void);
bool diag_count_waiting(long *waiting);
bool diag_mark(struct sockets_item *items, size_t count);
bool diag_name_waiting(struct overload_names *out);

#endif
