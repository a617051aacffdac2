/*
 * The least that a CGI program can be: a few pages and no libc, whose start-up would hide what the
 * wrapper costs. Built with -nostdlib; where that cannot be (-DPLAIN), with libc.
 */
#define PAGE "Content-Type: text/plain\r\n\r\nhello\n"

#ifdef PLAIN

#include <unistd.h>

int main(void)
{
	return write(1, PAGE, sizeof(PAGE) - 1) != sizeof(PAGE) - 1;
}

#else

static const char page[] = PAGE;

_Noreturn void _start(void);

#if defined(__linux__) && defined(__x86_64__)

static long syscall3(long number, long a, const void *b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c)
		: "rcx", "r11", "memory");
	return result;
}

enum { WRITE = 1, EXIT = 60 };

#elif defined(__linux__) && defined(__aarch64__)

static long syscall3(long number, long a, const void *b, long c)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x2 __asm__("x2") = c;
	register const void *x1 __asm__("x1") = b;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}

enum { WRITE = 64, EXIT = 93 };

#else
#error "no system calls known here: build with -DPLAIN"
#endif

_Noreturn void _start(void)
{
	syscall3(WRITE, 1, page, sizeof(page) - 1);
	for (;;)
		syscall3(EXIT, 0, 0, 0);
}

#endif
