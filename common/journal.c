#include <config.h>

#include "journal.h"

#include "lines.h"
#include "loop.h"
#include "report.h"
#include "sink.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	HEAD_SIZE = 64,
	LOST_AFTER = 1000 /* milliseconds until the number of lost lines is told */
};

static struct sink sink;
static bool is_open;
/* Only the thread of the loop writes; messages of others wait for it. */
static pthread_t writer;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool has_waiting;
static struct waiting {
	struct waiting *next;
	struct report_message message;
	char text[];
} *waiting; /* under the lock; the oldest first */

static unsigned lost; /* lines not written */
static struct deadline tell_lost;

bool journal_open(const char *where)
{
	is_open = sink_open(&sink, "--log", where ? where : "-");
	return is_open;
}

void journal_reopen(void)
{
	if (!is_open)
		return;
	sink_reopen(&sink);
	sink_tell_others(&sink);
}

/* Writes the head of a line: time and process, or, for our own messages on standard error, our
 * name. Returns the size. */
static size_t write_head(char *out, pid_t process)
{
	const time_t now = time(NULL);
	struct tm calendar;
	size_t size = 0;

	if (sink.kind == SINK_STANDARD_ERROR && process == 0)
		return (size_t)snprintf(out, HEAD_SIZE, "%s: ", report_name());
	if (sink.kind == SINK_SYSLOG && process == 0)
		return 0;
	if (sink.kind != SINK_SYSLOG && !sink.is_stamped) {
		localtime_r(&now, &calendar);
		size = strftime(out, HEAD_SIZE, "%Y-%m-%dT%H:%M:%S%z ", &calendar);
	}
	return size + (size_t)snprintf(out + size, HEAD_SIZE - size, "[%ld] ",
				       (long)(process ? process : getpid()));
}

static bool try_to_write(const struct report_message *message)
{
	char text[HEAD_SIZE + LINE_MOST];
	struct report_message headed = *message;
	size_t head = write_head(text, message->process);
	size_t size = message->size < LINE_MOST ? message->size
						: report_whole(message->text, LINE_MOST);

	memcpy(text + head, message->text, size);
	if (sink.kind == SINK_SYSLOG) {
		headed.text = text;
		headed.size = head + size;
	}
	return sink_write(&sink, text, head + size, &headed);
}

static void on_tell_lost(struct deadline *d)
{
	char note[64];
	int size = snprintf(note, sizeof note, "(%u lines lost)", lost);
	const struct report_message message = { .level = REPORT_IS_WARNING, .kind = "lines lost",
						.text = note, .size = (size_t)size };

	if (lost > 0 && try_to_write(&message))
		lost = 0;
	if (lost > 0 && !deadline_is_set(d))
		deadline_set(d, LOST_AFTER, on_tell_lost);
}

static void write_now(const struct report_message *message)
{
	if (lost > 0)
		on_tell_lost(&tell_lost);
	if (lost > 0 || !try_to_write(message))
		lost++;
	if (lost > 0 && !deadline_is_set(&tell_lost))
		deadline_set(&tell_lost, LOST_AFTER, on_tell_lost);
}

/* Such messages are few: something is refused, and that is said once. */
static void keep_for_writer(const struct report_message *message)
{
	struct waiting *w = malloc(sizeof *w + message->size), **end = &waiting;

	if (!w)
		return;
	*w = (struct waiting){ .message = { .level = message->level, .kind = message->kind,
					    .text = w->text, .size = message->size } };
	memcpy(w->text, message->text, message->size);
	pthread_mutex_lock(&lock);
	while (*end)
		end = &(*end)->next;
	*end = w;
	atomic_store(&has_waiting, true);
	pthread_mutex_unlock(&lock);
}

void journal_turn(void)
{
	struct waiting *w, *next;

	if (!atomic_load_explicit(&has_waiting, memory_order_relaxed))
		return;
	pthread_mutex_lock(&lock);
	w = waiting;
	waiting = NULL;
	atomic_store(&has_waiting, false);
	pthread_mutex_unlock(&lock);
	for (; w; w = next) {
		next = w->next;
		write_now(&w->message);
		free(w);
	}
}

static void write_message(const struct report_message *message)
{
	if (!pthread_equal(pthread_self(), writer)) {
		keep_for_writer(message);
		return;
	}
	journal_turn();
	write_now(message);
}

void journal_write(pid_t process, const char *line, size_t size)
{
	if (report_is_wanted(REPORT_IS_INFO))
		write_now(&(struct report_message){
			.level = REPORT_IS_INFO, .text = line, .size = size, .process = process,
		});
}

void journal_take_reports(void)
{
	writer = pthread_self();
	if (is_open)
		report_to(write_message);
}

void journal_flush(void)
{
	journal_turn();
	if (lost > 0)
		on_tell_lost(&tell_lost);
	sink_flush(&sink);
}
