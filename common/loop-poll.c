#include <config.h>

#include "loop-wait.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* Parallel arrays: slots for poll(2), and the watch of each. The slot of a removed
 * watch stays empty until all events of the turn are told. */
static struct pollfd *slots;
static struct watch **owners;
static size_t count, room;
static size_t holes;

static bool poll_open(void)
{
	count = holes = 0;
	return true;
}

static bool grow(void)
{
	size_t more = room ? 2 * room : 64;
	struct pollfd *new_slots = realloc(slots, more * sizeof *slots);
	struct watch **new_owners;

	if (!new_slots)
		return false;
	slots = new_slots;
	new_owners = realloc(owners, more * sizeof *owners);
	if (!new_owners)
		return false;
	owners = new_owners;
	room = more;
	return true;
}

static bool poll_change(struct watch *watch)
{
	/* poll(2) ignores negative descriptors, but would report POLLHUP again and
	 * again without any wanted event. */
	slots[watch->slot] = (struct pollfd){
		.fd = watch->wants ? watch->fd : -1,
		.events = (short)((watch->wants & LOOP_READ ? POLLIN : 0) |
				  (watch->wants & LOOP_WRITE ? POLLOUT : 0)),
	};
	return true;
}

static bool poll_add(struct watch *watch)
{
	if (count == room && !grow())
		return false;
	watch->slot = count++;
	owners[watch->slot] = watch;
	return poll_change(watch);
}

static void poll_remove(struct watch *watch)
{
	owners[watch->slot] = NULL;
	slots[watch->slot] = (struct pollfd){ .fd = -1 };
	holes++;
}

static void fill_holes(void)
{
	for (size_t i = 0; holes > 0 && i < count;) {
		if (owners[i]) {
			i++;
			continue;
		}
		count--;
		holes--;
		owners[i] = owners[count];
		slots[i] = slots[count];
		if (owners[i])
			owners[i]->slot = i;
	}
}

static unsigned events_of_poll(short events)
{
	if (events & (POLLHUP | POLLERR | POLLNVAL))
		return LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
	return (events & POLLIN ? LOOP_READ : 0u) | (events & POLLOUT ? LOOP_WRITE : 0u);
}

static bool poll_once(int timeout, void (*woke)(void), struct wait_result *out)
{
	size_t asked;
	int ready, error;
	bool fine;

	fill_holes();
	asked = count;
	ready = poll(slots, (nfds_t)asked, timeout);
	error = errno;
	fine = ready >= 0;
	woke();
	*out = (struct wait_result){ .complete = fine };
	for (size_t i = 0; ready > 0 && i < asked; i++) {
		struct watch *watch = owners[i];
		unsigned events = events_of_poll(slots[i].revents);

		if (slots[i].revents == 0)
			continue;
		ready--;
		slots[i].revents = 0;
		if (watch && events & watch->wants) {
			watch->ready(watch, events & (watch->wants | LOOP_HANGUP));
			out->told++;
		}
	}
	errno = error;
	return fine;
}

const struct wait_method wait_poll = {
	.name = "poll",
	.open = poll_open,
	.add = poll_add,
	.change = poll_change,
	.remove = poll_remove,
	.once = poll_once,
};
