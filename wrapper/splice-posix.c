#include <config.h>

#include "splice.h"

#include <errno.h>

void splice_open(void)
{
}

bool splice_is_possible(void)
{
	return false;
}

bool splice_grow(int pipe)
{
	(void)pipe;
	return false;
}

void splice_shrunk(void)
{
}

size_t splice_ready(int pipe)
{
	(void)pipe;
	return 0;
}

ssize_t splice_out(int pipe, int socket, size_t size)
{
	(void)pipe, (void)socket, (void)size;
	errno = ENOTSUP;
	return -1;
}

ssize_t splice_in(int socket, int pipe, size_t size)
{
	(void)socket, (void)pipe, (void)size;
	errno = ENOTSUP;
	return -1;
}
