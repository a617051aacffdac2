/* Answers with as many bytes as QUERY_STRING or its first argument says, and a header. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buffer[256 * 1024];
	static const char header[] = "Content-Type: application/octet-stream\r\n\r\n";
	const char *query = argc > 1 ? argv[1] : getenv("QUERY_STRING");
	unsigned long long left = query == NULL ? 0 : strtoull(query, NULL, 10);

	memset(buffer, 'x', sizeof(buffer));
	if (write(STDOUT_FILENO, header, sizeof(header) - 1) < 0)
		return 1;
	while (left > 0) {
		ssize_t n = write(STDOUT_FILENO, buffer,
			left < sizeof(buffer) ? (size_t)left : sizeof(buffer));

		if (n <= 0)
			return 1;
		left -= (unsigned long long)n;
	}
	return 0;
}
