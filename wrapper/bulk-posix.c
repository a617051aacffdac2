#include <config.h>

#include "bulk.h"

#include <errno.h>

void bulk_widen(int pipe)
{
	(void)pipe;
}

size_t bulk_ready(int pipe)
{
	(void)pipe;
	return 0;
}

ssize_t bulk_fill(int socket, int pipe, size_t size)
{
	(void)socket, (void)pipe, (void)size;
	errno = ENOSYS;
	return -1;
}

ssize_t bulk_move(int pipe, int socket, size_t size)
{
	(void)pipe, (void)socket, (void)size;
	errno = ENOSYS;
	return -1;
}
