#include <config.h>

#include "manager.h"

#include "loop.h"
#include "notify.h"
#include "slots.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_EVERY = 1000 }; /* milliseconds */

static bool is_ready;
static struct deadline look;

static void tell_numbers(void)
{
	static char told[100];
	char text[sizeof told];
	size_t background = slots_taken(SLOT_BACKGROUND);
	int length = snprintf(text, sizeof text, "%zu running, %zu waiting",
			      slots_taken(SLOT_RUNNING), slots_taken(SLOT_WAITING));

	if (background > 0)
		snprintf(text + length, sizeof text - (size_t)length, ", %zu in the background",
			 background);
	if (strcmp(text, told) == 0)
		return;
	strcpy(told, text);
	notify("STATUS=%s", text);
}

static void on_look(struct deadline *d)
{
	bool rests = slots_rest();

	tell_numbers();
	if (!rests)
		deadline_set(d, LOOK_EVERY, on_look);
}

void manager_wake(void)
{
	if (!deadline_is_set(&look))
		deadline_set(&look, LOOK_EVERY, on_look);
}

void manager_ready(void)
{
	notify_ready();
	if (!is_ready && notify_is_heard())
		on_look(&look);
	is_ready = true;
}

void manager_reloading(void)
{
	if (is_ready)
		notify_reloading();
}

void manager_stopping(int64_t within)
{
	notify_stopping(within);
}
