#include <config.h>

#include "loop-wait.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#ifndef EPOLLEXCLUSIVE /* since Linux 4.5; ignored by older kernels */
#define EPOLLEXCLUSIVE (1u << 28)
#endif

enum { BATCH = 64 };

/* Values of watch->slot. */
enum { ABSENT, PRESENT, PRESENT_SHARED };

static int epoll = -1;
static struct epoll_event fetched[BATCH];
static int fetched_count;

static void epoll_close(void)
{
	if (epoll >= 0)
		close(epoll);
	epoll = -1;
}

/* Tries every call: filters of system calls may pass epoll_create1(2) alone. */
static bool epoll_open(void)
{
	int error;

	epoll_close();
	fetched_count = 0;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return false;
	if (epoll_ctl(epoll, EPOLL_CTL_DEL, -1, NULL) < 0 && errno == EBADF &&
	    epoll_wait(epoll, fetched, BATCH, 0) == 0)
		return true;
	error = errno;
	epoll_close();
	errno = error;
	return false;
}

/* EPOLLHUP and EPOLLERR are reported even if unwanted; with EPOLLET only once, so a
 * watch that wants no events costs nothing. */
static struct epoll_event interest(struct watch *watch)
{
	return (struct epoll_event){
		.data.ptr = watch,
		.events = (watch->wants & LOOP_READ ? EPOLLIN : 0u) |
			  (watch->wants & LOOP_WRITE ? EPOLLOUT : 0u) |
			  (watch->wants & LOOP_SHARED ? EPOLLEXCLUSIVE : 0u) |
			  (watch->wants ? 0u : EPOLLET),
	};
}

static bool epoll_add(struct watch *watch)
{
	struct epoll_event event = interest(watch);

	watch->slot = ABSENT;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, watch->fd, &event) < 0)
		return false;
	watch->slot = watch->wants & LOOP_SHARED ? PRESENT_SHARED : PRESENT;
	return true;
}

/* EPOLL_CTL_MOD refuses EPOLLEXCLUSIVE: remove the descriptor, and add it again, which
 * may fail with ENOMEM. Without wanted events the descriptor stays out. */
static bool epoll_change(struct watch *watch)
{
	struct epoll_event event = interest(watch);

	if (watch->slot == PRESENT && !(watch->wants & LOOP_SHARED) &&
	    epoll_ctl(epoll, EPOLL_CTL_MOD, watch->fd, &event) == 0)
		return true;
	if (watch->slot != ABSENT)
		epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->slot = ABSENT;
	return !watch->wants || epoll_add(watch);
}

static void epoll_remove(struct watch *watch)
{
	if (watch->slot != ABSENT)
		epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < fetched_count; i++)
		if (fetched[i].data.ptr == watch)
			fetched[i].data.ptr = NULL;
}

static unsigned events_of_epoll(uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		return LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
	return (events & EPOLLIN ? LOOP_READ : 0u) | (events & EPOLLOUT ? LOOP_WRITE : 0u);
}

static bool epoll_once(int timeout, void (*woke)(void), struct wait_result *out)
{
	int count = epoll_wait(epoll, fetched, BATCH, timeout);
	int error = errno;

	woke();
	*out = (struct wait_result){ .complete = count >= 0 && count < BATCH };
	fetched_count = count < 0 ? 0 : count;
	for (int i = 0; i < fetched_count; i++) {
		struct watch *watch = fetched[i].data.ptr;
		unsigned events = watch ? events_of_epoll(fetched[i].events) : 0;

		if (watch && events & watch->wants) {
			watch->ready(watch, events & (watch->wants | LOOP_HANGUP));
			out->told++;
		}
	}
	fetched_count = 0;
	errno = error;
	return count >= 0;
}

const struct wait_method wait_epoll = {
	.name = "epoll",
	.open = epoll_open,
	.add = epoll_add,
	.change = epoll_change,
	.remove = epoll_remove,
	.once = epoll_once,
};
