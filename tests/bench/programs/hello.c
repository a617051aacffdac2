/* An ordinary small C program, linked statically and dynamically. */
#include <stdio.h>

int main(void)
{
	printf("Content-Type: text/plain\r\n\r\nhello\n");
	return 0;
}
