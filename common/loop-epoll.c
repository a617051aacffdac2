#include <config.h>

#include "loop-wait.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#ifndef EPOLLEXCLUSIVE /* Linux 4.5; older ones overlook it */
#define EPOLLEXCLUSIVE (1u << 28)
#endif

enum { BATCH = 64 };

static int epoll = -1;
static struct epoll_event fetched[BATCH];
static int fetched_count;

bool wait_open(void)
{
	if (epoll >= 0)
		close(epoll);
	fetched_count = 0;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll >= 0;
}

/* The end of a stream is always told, wanted or not; edge-triggered it is told
 * once, so that a watch that wants nothing costs nothing. */
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

bool wait_add(struct watch *watch)
{
	struct epoll_event event = interest(watch);

	return epoll_ctl(epoll, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

void wait_change(struct watch *watch)
{
	struct epoll_event event = interest(watch);

	if (epoll_ctl(epoll, EPOLL_CTL_MOD, watch->fd, &event) == 0)
		return;
	/* What is shared can only be taken out and put back, in the same place. */
	epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, watch->fd, &event) < 0)
		abort();
}

void wait_remove(struct watch *watch)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < fetched_count; i++)
		if (fetched[i].data.ptr == watch)
			fetched[i].data.ptr = NULL;
}

static unsigned translate(uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		return LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
	return (events & EPOLLIN ? LOOP_READ : 0u) | (events & EPOLLOUT ? LOOP_WRITE : 0u);
}

void wait_once(int timeout, void (*woke)(void))
{
	int count = epoll_wait(epoll, fetched, BATCH, timeout);

	woke();
	fetched_count = count < 0 ? 0 : count;
	for (int i = 0; i < fetched_count; i++) {
		struct watch *watch = fetched[i].data.ptr;
		unsigned events = watch ? translate(fetched[i].events) : 0;

		if (watch && events & watch->wants)
			watch->ready(watch, events & (watch->wants | LOOP_HANGUP));
	}
	fetched_count = 0;
}
