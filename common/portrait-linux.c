#include <config.h>

#include "portrait.h"

#include "proc.h"
#include "report.h"
#include "system-calls-linux.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHILDREN_MOST = 8, COMMAND_MOST = 600 };

/* Fields of /proc/PID/stat, counted from the state, which is behind the name. */
enum { STAT_STATE, STAT_USER = 11, STAT_SYSTEM, STAT_START = 19, STAT_RSS = 21 };

struct drawing {
	char *out;
	size_t size;
	portrait_look_as *look_as;
	size_t children;
};

struct facts {
	char name[32], state;
	unsigned long long start;
	double seconds; /* of processor time */
	long long memory;
};

/* What is not shown to us may be to the program's user. */
static bool read_as_any(const struct drawing *d, pid_t pid, const char *file, char *out,
			size_t size)
{
	bool found = proc_read(pid, file, out, size);

	if (found || !d->look_as)
		return found;
	d->look_as(true);
	found = proc_read(pid, file, out, size);
	d->look_as(false);
	return found;
}

/* The name may have blanks and parentheses: the last one ends it. */
static bool read_facts(const struct drawing *d, pid_t pid, struct facts *out)
{
	char text[1024], *name, *end;
	unsigned long long numbers[STAT_RSS + 1] = { 0 };

	if (!read_as_any(d, pid, "stat", text, sizeof text) || !(name = strchr(text, '(')) ||
	    !(end = strrchr(text, ')')) || end[1] != ' ')
		return false;
	*end = '\0';
	snprintf(out->name, sizeof out->name, "%s", name + 1);
	out->state = end[2];
	end += 3;
	for (int i = 1; i <= STAT_RSS; i++)
		numbers[i] = strtoull(end, &end, 10);
	out->start = numbers[STAT_START];
	out->seconds = (double)(numbers[STAT_USER] + numbers[STAT_SYSTEM]) /
		       (double)sysconf(_SC_CLK_TCK);
	out->memory = (long long)numbers[STAT_RSS] * sysconf(_SC_PAGESIZE);
	return out->state != '\0';
}

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "computes";
	case 'S':
		return "sleeps";
	case 'D':
		return "waits for a device or file system";
	case 'T':
		return "is stopped";
	case 't':
		return "is traced";
	case 'Z':
		return "has ended";
	default:
		return "is in another state";
	}
}

/* System calls have other numbers for a program of another word size. */
static bool has_our_word_size(const struct drawing *d, pid_t pid)
{
	const unsigned char ours = sizeof(long) == 8 ? ELFCLASS64 : ELFCLASS32;
	char head[EI_NIDENT + 1];

	return read_as_any(d, pid, "exe", head, sizeof head) && (unsigned char)head[EI_CLASS] == ours;
}

static void describe_wait(const struct drawing *d, pid_t pid, char *out, size_t size)
{
	char call[128], where[64];
	const char *name = NULL;
	int at = 0;

	*out = '\0';
	if (read_as_any(d, pid, "syscall", call, sizeof call) && call[0] >= '0' && call[0] <= '9') {
		long number = atol(call);

		if (has_our_word_size(d, pid))
			name = system_call_name(number);
		at = name ? snprintf(out, size, ", in %s(2)", name)
			  : snprintf(out, size, ", in system call %ld", number);
	}
	if (read_as_any(d, pid, "wchan", where, sizeof where) && strcmp(where, "0") != 0)
		snprintf(out + at, size - (size_t)at, ", at %s", where);
}

static void add_line(struct drawing *d, const char *line)
{
	size_t length = strlen(line);

	if (length + 2 > d->size)
		return;
	memcpy(d->out, line, length);
	report_sanitize(d->out, length);
	d->out[length] = '\n';
	d->out[length + 1] = '\0';
	d->out += length + 1;
	d->size -= length + 1;
}

static void draw_process(struct drawing *d, pid_t pid, const char *whose, const struct facts *f)
{
	char wait[256], line[512];

	describe_wait(d, pid, wait, sizeof wait);
	snprintf(line, sizeof line, "%s %ld (%s) %s%s; %.2f s of processor time, %lld kB", whose,
		 (long)pid, f->name, state_name(f->state), wait, f->seconds, f->memory / 1024);
	add_line(d, line);
}

static void describe_child(pid_t child, void *argument)
{
	struct drawing *d = argument;
	struct facts f;

	if (d->children++ < CHILDREN_MOST && read_facts(d, child, &f))
		draw_process(d, child, "its child", &f);
}

static void describe_command(struct drawing *d, pid_t pid)
{
	char command[COMMAND_MOST], line[COMMAND_MOST + 16];
	size_t size;

	if (!read_as_any(d, pid, "cmdline", command, sizeof command))
		return;
	/* Words end in NULs; proc_read() puts another one behind what it has read. */
	for (size = 0; size < sizeof command - 1; size++) {
		if (command[size] == '\0' && command[size + 1] == '\0')
			break;
		if (command[size] == '\0')
			command[size] = ' ';
	}
	command[size] = '\0';
	snprintf(line, sizeof line, "command %s", command);
	add_line(d, line);
}

bool portrait_draw(pid_t process, portrait_look_as *look, char out[PORTRAIT_SIZE])
{
	struct drawing d = { .out = out, .size = PORTRAIT_SIZE, .look_as = look };
	char more[48];
	struct facts before, after;

	*out = '\0';
	if (!read_facts(&d, process, &before))
		return false;
	describe_command(&d, process);
	draw_process(&d, process, "process", &before);
	proc_visit_children(process, describe_child, &d);
	if (d.children > CHILDREN_MOST) {
		snprintf(more, sizeof more, "and %zu more children", d.children - CHILDREN_MOST);
		add_line(&d, more);
	}
	/* The number may belong to another process by now. */
	return read_facts(&d, process, &after) && after.start == before.start;
}
