/* Answers after as many milliseconds as QUERY_STRING says. */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	const char *query = getenv("QUERY_STRING");

	poll(NULL, 0, query == NULL ? 0 : atoi(query));
	printf("Content-Type: text/plain\r\n\r\nhello\n");
	return 0;
}
