/* Reads standard input to its end and answers how much it was. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	static char buffer[256 * 1024];
	unsigned long long count = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
		count += (unsigned long long)n;
	printf("Content-Type: text/plain\r\n\r\n%llu\n", count);
	return n < 0;
}
