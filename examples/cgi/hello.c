/* cc -o hello hello.c */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A variable that the request does not have is not set. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

int main(void)
{
	/* The reply: header lines, an empty line, and whatever belongs to them. */
	printf("Content-Type: text/plain; charset=utf-8\n\n");
	printf("Hello from C!\n\n");
	printf("method     %s\n", variable("REQUEST_METHOD"));
	printf("path-info  %s\n", variable("PATH_INFO"));
	printf("query      %s\n", variable("QUERY_STRING"));
	printf("pid        %ld\n", (long)getpid());
	return fclose(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
