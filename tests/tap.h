/*
 * Reports of a unit test program, in the Test Anything Protocol.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_failures;

/* One line of the report: what is specified, and whether it holds. */
#define ok(holds, ...) tap_report(holds, __FILE__, __LINE__, __VA_ARGS__)

#define tap_report(holds, file, line, ...) \
	do { \
		bool tap_holds = (holds); \
		printf("%sok %d - ", tap_holds ? "" : "not ", ++tap_count); \
		printf(__VA_ARGS__); \
		putchar('\n'); \
		if (!tap_holds) { \
			tap_failures++; \
			printf("# %s:%d\n", file, line); \
		} \
		fflush(stdout); \
	} while (0)

/* The plan, and the exit status. */
static int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures > 0;
}

#endif
