/* Answers with what it reads, as it comes. */
#include <unistd.h>

int main(void)
{
	static char buffer[64 * 1024];
	static const char header[] = "Content-Type: application/octet-stream\r\n\r\n";
	ssize_t n, done, m;

	if (write(STDOUT_FILENO, header, sizeof(header) - 1) < 0)
		return 1;
	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
		for (done = 0; done < n; done += m)
			if ((m = write(STDOUT_FILENO, buffer + done, (size_t)(n - done))) <= 0)
				return 1;
	return n < 0;
}
