/*
 * floor: what the work costs where nobody does more than the kernel asks for. As many lines of
 * NAME=VALUE words as load prints, so that the two can stand side by side.
 *
 *   floor spawn   starts a program with a pipe as its stdout, reads to the end and waits for it;
 *                 so many at once, by one process or several
 *   floor down    moves what a program writes from its pipe to a socket
 *   floor up      moves what comes from a socket into a program's stdin
 *
 * down and up copy with read and write, or with splice (-z, Linux).
 */
#define _GNU_SOURCE	/* splice and F_SETPIPE_SZ, where there are such */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { CHUNK = 256 * 1024, SLOTS_MAX = 4096 };

struct slot {
	pid_t pid;
	int fd;
	unsigned long long began;
};

static struct {
	long requests, slots, processes;
	double seconds;
	bool splice, sessions;
	int pipe_size;
	unsigned long long bytes;
	char **program;
} plan = { .slots = 1, .processes = 1, .seconds = 60 };

static struct {
	unsigned long long begin;
	uint32_t *laps; /* microseconds; 0: not while is_steady() */
	size_t count, room, errors;
} result;

static char buffer[CHUNK];

static noreturn void quit(const char *format, ...)
{
	va_list list;

	fprintf(stderr, "floor: ");
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(2);
}

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

/* CPU time of ourselves and, with them, of the processes of ours that have been waited for. */
static double cpu(int who)
{
	struct rusage use;

	getrusage(who, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void make_pipe(int ends[2])
{
	if (pipe(ends) != 0)
		quit("cannot make a pipe: %s", strerror(errno));
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#ifdef F_SETPIPE_SZ
	if (plan.pipe_size > 0)
		fcntl(ends[1], F_SETPIPE_SZ, plan.pipe_size);
#endif
}

static pid_t start(char **program, int in, int out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;
	int error;

	posix_spawnattr_init(&attributes);
#ifdef POSIX_SPAWN_SETSID
	if (plan.sessions)
		posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
#endif
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	error = posix_spawn(&pid, program[0], &actions, &attributes, program, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0)
		quit("%s: %s", program[0], strerror(error));
	return pid;
}

static bool finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return status == 0;
}

static int open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		quit("/dev/null: %s", strerror(errno));
	return fd;
}

/* spawn ==================================================================================== */

static void lap_add(unsigned long long microseconds)
{
	if (result.count == result.room) {
		result.room = result.room * 2 + 1024;
		result.laps = realloc(result.laps, result.room * sizeof(uint32_t));
		if (result.laps == NULL)
			quit("out of memory");
	}
	result.laps[result.count++] = (uint32_t)microseconds;
}

static void slot_start(struct slot *s, int null)
{
	int ends[2];

	s->began = now();
	make_pipe(ends);
	s->pid = start(plan.program, null, ends[1]);
	s->fd = ends[0];
	close(ends[1]);
}

/* See load.c. */
static bool is_steady(unsigned long long time)
{
	double passed = (double)(time - result.begin) / 1e6;

	return plan.requests > 0 || (passed > plan.seconds / 2 && passed <= plan.seconds);
}

static void slot_read(struct slot *s)
{
	unsigned long long time;
	ssize_t n = read(s->fd, buffer, sizeof(buffer));

	if (n > 0)
		return;
	close(s->fd);
	s->fd = -1;
	if (finish(s->pid)) {
		time = now();
		lap_add(is_steady(time) ? time - s->began : 0);
	} else {
		lap_add(UINT32_MAX);
	}
}

static bool may_start(unsigned long long end, long requests, long started)
{
	return now() < end && (requests == 0 || started < requests);
}

static void spawn_run(long requests, long count)
{
	static struct slot slots[SLOTS_MAX];
	static struct pollfd polls[SLOTS_MAX];
	unsigned long long end = now() + (unsigned long long)(plan.seconds * 1e6);
	long running = 0, started = 0;
	int null = open_null();

	for (long i = 0; i < count; i++)
		slots[i].fd = -1;
	do {
		for (long i = 0; i < count; i++) {
			if (slots[i].fd < 0 && may_start(end, requests, started)) {
				slot_start(&slots[i], null);
				started++;
			}
			polls[i] = (struct pollfd){ .fd = slots[i].fd, .events = POLLIN };
		}
		poll(polls, (nfds_t)count, 100);
		running = 0;
		for (long i = 0; i < count; i++) {
			if (slots[i].fd >= 0 && polls[i].revents != 0)
				slot_read(&slots[i]);
			running += slots[i].fd >= 0;
		}
	} while (running > 0 || may_start(end, requests, started));
}

/* What the process with this number out of several does; the rest of a division goes first. */
static long share(long whole, long number)
{
	return whole / plan.processes + (number < whole % plan.processes);
}

static void spawn_worker(long number, int out)
{
	const char *from;
	size_t left;

	spawn_run(share(plan.requests, number), share(plan.slots, number));
	from = (const char *)result.laps;
	for (left = result.count * sizeof(uint32_t); left > 0;) {
		ssize_t n = write(out, from, left);

		if (n <= 0)
			_exit(1);
		from += n;
		left -= (size_t)n;
	}
	_exit(0);
}

static void laps_receive(int in)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(in, buffer + used, sizeof(buffer) - used)) > 0) {
		used += (size_t)n;
		for (size_t i = 0; i + sizeof(uint32_t) <= used; i += sizeof(uint32_t)) {
			uint32_t lap;

			memcpy(&lap, buffer + i, sizeof(lap));
			if (lap == UINT32_MAX)
				result.errors++;
			else
				lap_add(lap);
		}
		memmove(buffer, buffer + used / sizeof(uint32_t) * sizeof(uint32_t),
			used % sizeof(uint32_t));
		used %= sizeof(uint32_t);
	}
	close(in);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static unsigned long percentile(double part)
{
	size_t unsteady = 0;

	while (unsteady < result.count && result.laps[unsteady] == 0)
		unsteady++;
	if (unsteady == result.count)
		return 0;
	return result.laps[unsteady + (size_t)(part * (double)(result.count - unsteady - 1) + 0.5)];
}

static int spawn_main(void)
{
	double seconds;
	int in[64], ends[2];

	result.begin = now();
	for (long i = 0; i < plan.processes; i++) {
		pid_t pid;

		make_pipe(ends);
		pid = fork();
		if (pid < 0)
			quit("cannot fork: %s", strerror(errno));
		if (pid == 0)
			spawn_worker(i, ends[1]);
		close(ends[1]);
		in[i] = ends[0];
	}
	for (long i = 0; i < plan.processes; i++)
		laps_receive(in[i]);
	while (wait(NULL) > 0)
		continue;
	seconds = (double)(now() - result.begin) / 1e6;
	if (result.count > 0)
		qsort(result.laps, result.count, sizeof(uint32_t), by_size);
	printf("requests=%zu errors=%zu seconds=%.6f rate=%.1f p50=%lu p90=%lu p99=%lu max=%lu\n",
		result.count, result.errors, seconds, (double)result.count / seconds,
		percentile(0.5), percentile(0.9), percentile(0.99), percentile(1));
	return result.errors == 0 ? 0 : 1;
}

/* down and up ============================================================================== */

static void write_all(int to, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(to, buffer + done, length - done);

		if (n <= 0)
			quit("cannot write: %s", strerror(errno));
		done += (size_t)n;
	}
}

static ssize_t move(int from, int to)
{
	ssize_t n;

#ifdef SPLICE_F_MOVE
	if (plan.splice)
		return splice(from, NULL, to, NULL, CHUNK, SPLICE_F_MOVE);
#endif
	n = read(from, buffer, sizeof(buffer));
	if (n > 0)
		write_all(to, (size_t)n);
	return n;
}

static unsigned long long move_all(int from, int to)
{
	unsigned long long total = 0;
	ssize_t n;

	while ((n = move(from, to)) > 0)
		total += (unsigned long long)n;
	if (n < 0)
		quit("cannot move: %s", strerror(errno));
	return total;
}

/* Plays the web server: reads all there is, or writes so many bytes. */
static pid_t server_start(int fd, int other, bool writes)
{
	pid_t pid = fork();

	if (pid < 0)
		quit("cannot fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	close(other);
	if (!writes)
		while (read(fd, buffer, sizeof(buffer)) > 0)
			continue;
	for (unsigned long long left = writes ? plan.bytes : 0, n; left > 0; left -= n) {
		n = left < sizeof(buffer) ? left : sizeof(buffer);
		write_all(fd, (size_t)n);
	}
	_exit(0);
}

static pid_t program_start(bool up, int *ours)
{
	char size[24];
	char *program[] = { plan.program[0], size, NULL };
	int ends[2], null = open_null();
	pid_t pid;

	snprintf(size, sizeof(size), "%llu", plan.bytes);
	make_pipe(ends);
	pid = start(program, up ? ends[0] : null, up ? null : ends[1]);
	*ours = ends[up ? 1 : 0];
	close(ends[up ? 0 : 1]);
	close(null);
	return pid;
}

static int bulk_main(bool up)
{
	unsigned long long began = now(), moved;
	int sockets[2], ours;
	pid_t server, program;
	double seconds;
	bool good;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
		quit("cannot make sockets: %s", strerror(errno));
	fcntl(sockets[0], F_SETFD, FD_CLOEXEC);
	fcntl(sockets[1], F_SETFD, FD_CLOEXEC);
	server = server_start(sockets[1], sockets[0], up);
	close(sockets[1]);
	program = program_start(up, &ours);
	moved = up ? move_all(sockets[0], ours) : move_all(ours, sockets[0]);
	close(ours);
	close(sockets[0]);
	good = finish(program) & finish(server) && moved >= plan.bytes;
	seconds = (double)(now() - began) / 1e6;
	printf("requests=%d errors=%d seconds=%.6f rate=%.1f bytes_rate=%.0f cpu=%.6f\n", good,
		!good, seconds, 1 / seconds, (double)moved / seconds, cpu(RUSAGE_SELF));
	return good ? 0 : 1;
}

/* The command line ========================================================================= */

static double number(const char *text, double max)
{
	char *end;
	double value = strtod(text, &end);

	switch (*end) {
	case 'g': value *= 1024; /* fall through */
	case 'm': value *= 1024; /* fall through */
	case 'k': value *= 1024; end++;
	}
	if (end == text || *end != '\0' || !(value >= 0 && value <= max))
		quit("%s: not a number up to %.0f", text, max);
	return value;
}

static noreturn void usage(void)
{
	fputs("usage: floor spawn [-n N] [-t SEC] [-j N] [-p N] [-s] PROGRAM [ARGUMENT...]\n"
		"       floor down|up [-z] [-b PIPE-SIZE] BYTES PROGRAM\n"
		"SIZES may end in k, m or g. PROGRAM is an absolute path; down gives it BYTES.\n"
		"-p: so many processes start them; -s: each in a session of its own.\n",
		stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int letter;

	optind = 2;
	while (argc > 1 && (letter = getopt(argc, argv, "+n:t:j:p:szb:")) != -1) {
		switch (letter) {
		case 'n': plan.requests = (long)number(optarg, 1e9); break;
		case 't': plan.seconds = number(optarg, 1e6); break;
		case 'j': plan.slots = (long)number(optarg, SLOTS_MAX); break;
		case 'p': plan.processes = (long)number(optarg, 64); break;
		case 's': plan.sessions = true; break;
		case 'z': plan.splice = true; break;
		case 'b': plan.pipe_size = (int)number(optarg, 1 << 30); break;
		default: usage();
		}
	}
	signal(SIGPIPE, SIG_IGN);
	if (plan.processes > plan.slots)
		plan.processes = plan.slots;
	plan.program = argv + optind;
	if (strcmp(what, "spawn") == 0 && argc > optind && plan.processes > 0)
		return spawn_main();
	if ((strcmp(what, "down") != 0 && strcmp(what, "up") != 0) || argc != optind + 2)
		usage();
	plan.bytes = (unsigned long long)number(argv[optind], 1e15);
	plan.program++;
	return bulk_main(what[0] == 'u');
}
