#include <config.h>

#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct parent {
	proc_visitor *visit;
	void *argument;
};

bool proc_read(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, out, size - 1);
		close(fd);
	}
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The name of the process in the file cannot begin a line: newlines are escaped. */
bool proc_read_signals(pid_t pid, const char *field, uint64_t *out)
{
	const size_t length = strlen(field);
	char path[64], *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *status;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	status = fopen(path, "re");
	if (!status)
		return false;
	while (!found && getline(&line, &size, status) > 0) {
		found = strncmp(line, field, length) == 0 && line[length] == ':';
		if (found)
			*out = strtoull(line + length + 1, NULL, 16);
	}
	free(line);
	fclose(status);
	return found;
}

void proc_visit_threads(pid_t pid, proc_visitor *visit, void *argument)
{
	const struct dirent *thread;
	char path[64];
	DIR *threads;

	snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
	threads = opendir(path);
	if (!threads)
		return;
	while ((thread = readdir(threads)))
		if (isdigit((unsigned char)thread->d_name[0]))
			visit((pid_t)atol(thread->d_name), argument);
	closedir(threads);
}

static void visit_children_of_thread(pid_t thread, void *argument)
{
	const struct parent *parent = argument;
	char path[64];
	FILE *list;
	long child;

	snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)thread, (long)thread);
	list = fopen(path, "re");
	if (!list)
		return;
	while (fscanf(list, "%ld", &child) == 1)
		parent->visit((pid_t)child, parent->argument);
	fclose(list);
}

void proc_visit_children(pid_t pid, proc_visitor *visit, void *argument)
{
	struct parent parent = { visit, argument };

	proc_visit_threads(pid, visit_children_of_thread, &parent);
}
