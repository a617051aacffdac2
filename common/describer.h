/*
 * Describes processes that take long, without holding up the loop: a thread of its own looks at
 * them (portrait.h), one after the other. It is started when it is first needed.
 */
#ifndef DESCRIBER_H
#define DESCRIBER_H

#include "portrait.h"

#include <stdbool.h>
#include <sys/types.h>

enum { DESCRIBER_WAITING_MOST = 16, DESCRIBER_IN_SECOND_MOST = 10 };

/* A description in the making. */
struct description {
	struct description *next;
	pid_t process;
	/* Called from the loop, with lines that end in LF, or NULL if there is nothing to say; the
	 * description is freed afterwards. */
	void (*done)(void *owner, const char *lines);
	void *owner; /* NULL: nobody wants it any more */
	bool is_drawn;
	char lines[PORTRAIT_SIZE];
};

/* Call after loop_open(). look_as may be NULL. */
void describer_open(portrait_look_as *look_as);

/* Asks for a description. NULL if too many are wanted, or the system refuses a thread, which is
 * reported once. The owner calls describer_forget() if it is gone before done(). */
struct description *describer_ask(pid_t process, void (*done)(void *owner, const char *lines),
				  void *owner);
void describer_forget(struct description *description);

#endif
