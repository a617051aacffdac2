#include <config.h>

/* The names by which the modules under test call their memory; see Makefile.am. */
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef strdup

#include "world.h"

#include "../wrapper/connection.h"
#include "../wrapper/explain.h"
#include "../wrapper/launch.h"
#include "../wrapper/os.h"
#include "../wrapper/process.h"
#include "../wrapper/request.h"
#include "rlimits.h"
#include "../wrapper/splice.h"
#include "../wrapper/status.h"
#include "loop.h"
#include "report.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
	ENDS = 4096,
	BATCH = 64,      /* events that are fetched at once */
	SLOTS_MOST = 1024,
	SPINS_MOST = 8,  /* turns in which something is called and nothing happens */
	FILES = 64,
	PIDS = 1000      /* few, so that they are soon used again */
};

/* Bytes on their way, in a ring whose memory outlasts it. */
struct channel {
	struct channel *next; /* of those that are free */
	unsigned char *bytes;
	size_t room; /* of the memory */
	size_t size; /* what it may hold */
	size_t start, count;
	int readers, writers; /* ends that are open */
	int users;            /* those that still refer to it */
};

struct end {
	bool open, ours, socket;
	bool reset; /* by the other end */
	bool shut;  /* its writing side */
	struct channel *in, *out;
	struct spool *file;
	struct watch *watch;
	int peer; /* of a socket: the other end */
};

/* A file without a name. */
struct spool {
	bool used;
	unsigned char *bytes;
	size_t room, size;
};

struct lane {
	struct deadline *first, *last;
};

struct world world;

static struct end ends[ENDS];
static int ends_top; /* none from here on is open */
static struct channel *free_channels;
static struct spool files[FILES];
static struct lane lane;
static void (*on_child_signal)(int);
static bool child_signal;
static pid_t spare_groups[WORLD_SCRIPTS];
static size_t spare_count;
static struct launch_job *jobs[WORLD_SCRIPTS];
static size_t job_count;
static size_t script_count; /* places that have been used */
static pid_t last_pid;
static int spins;
static struct watch *fetched[BATCH];
static unsigned fetched_events[BATCH];
static size_t fetched_count;

void world_expect(bool holds, const char *what)
{
	if (!holds && !world.fault)
		world.fault = what;
}

int world_refuse_reading(enum world_call call, int fd)
{
	(void)fd;
	return call == WORLD_READ ? EIO : 0;
}

int world_refuse_memory(enum world_call call, int fd)
{
	(void)fd;
	return call == WORLD_MEMORY ? ENOMEM : 0;
}

static int refusal(enum world_call call, int fd)
{
	int error = world.refuse ? world.refuse(call, fd) : 0;

	if (error)
		errno = error;
	world.moves += error == EAGAIN;
	return error;
}

static void *allocated(void *memory)
{
	world.allocations += memory != NULL;
	return memory;
}

static size_t cut(size_t size)
{
	return world.cut && size > 1 ? world.cut(size) : size;
}

/* Channels. */

static struct channel *channel_new(size_t size)
{
	struct channel *c = free_channels;

	if (c)
		free_channels = c->next;
	else
		c = calloc(1, sizeof *c);
	c->size = size;
	c->start = c->count = 0;
	c->readers = c->writers = 1;
	c->users = 2;
	return c;
}

static void channel_release(struct channel *c)
{
	if (--c->users > 0)
		return;
	c->next = free_channels;
	free_channels = c;
}

static void channel_make_room(struct channel *c, size_t size)
{
	unsigned char *bytes;

	if (size <= c->room)
		return;
	bytes = malloc(size);
	for (size_t i = 0; i < c->count; i++)
		bytes[i] = c->bytes[(c->start + i) % c->room];
	free(c->bytes);
	c->bytes = bytes;
	c->room = size;
	c->start = 0;
}

static size_t channel_space(const struct channel *c)
{
	return c->count < c->size ? c->size - c->count : 0;
}

static size_t channel_put(struct channel *c, const unsigned char *bytes, size_t size)
{
	size_t at, first;

	if (size > channel_space(c))
		size = channel_space(c);
	channel_make_room(c, c->size);
	at = (c->start + c->count) % c->room;
	first = size < c->room - at ? size : c->room - at;
	memcpy(c->bytes + at, bytes, first);
	memcpy(c->bytes, bytes + first, size - first);
	c->count += size;
	world.moves += size > 0;
	return size;
}

static size_t channel_get(struct channel *c, unsigned char *bytes, size_t size)
{
	size_t first;

	if (size > c->count)
		size = c->count;
	if (size == 0)
		return 0;
	first = size < c->room - c->start ? size : c->room - c->start;
	memcpy(bytes, c->bytes + c->start, first);
	memcpy(bytes + first, c->bytes, size - first);
	c->start = (c->start + size) % c->room;
	c->count -= size;
	world.moves++;
	return size;
}

/* Descriptors: the lowest number that is free, as in life. */

static int end_new(bool ours, struct channel *in, struct channel *out)
{
	int fd = 3;

	while (fd < ENDS - 1 && ends[fd].open)
		fd++;
	if (fd >= ends_top)
		ends_top = fd + 1;
	ends[fd] = (struct end){ .open = true, .ours = ours, .in = in, .out = out, .peer = -1 };
	world.descriptors += ours;
	return fd;
}

static void end_close(int fd)
{
	struct end *e = &ends[fd];

	e->open = false;
	world.descriptors -= e->ours;
	world.moves++;
	if (e->peer >= 0)
		ends[e->peer].peer = -1;
	if (e->in) {
		/* Who leaves bytes unread resets the connection. */
		if (e->socket && e->in->count > 0 && e->peer >= 0)
			ends[e->peer].reset = true;
		e->in->readers--;
		channel_release(e->in);
	}
	if (e->out) {
		e->out->writers -= !e->shut;
		channel_release(e->out);
	}
	if (e->file)
		e->file->used = false;
}

static struct end *end_of(int fd, bool ours)
{
	static struct end none;
	bool good = fd >= 3 && fd < ENDS && ends[fd].open && ends[fd].ours == ours;

	world_expect(good, ours ? "the program uses a descriptor that is not its own"
				: "the test uses a descriptor that is not its own");
	return good ? &ends[fd] : &none;
}

/* The other end of a Unix socket is seen to be gone; that of a TCP socket is known to send no
 * more, until a reset comes from there. */
static bool is_hung_up(const struct end *e)
{
	if (!e->in || e->in->writers > 0)
		return false;
	return !e->socket || e->shut || (e->peer < 0 && !world.service.tcp);
}

static short end_poll(const struct end *e)
{
	short events = 0;

	if (e->in && (e->in->count > 0 || e->in->writers == 0 || e->reset))
		events |= POLLIN;
	if (is_hung_up(e))
		events |= POLLHUP;
	if (e->out && e->out->readers == 0 && !e->socket)
		events |= POLLERR;
	if (e->reset)
		events |= POLLHUP | POLLERR;
	/* A socket takes more when half of what it holds is gone. */
	if (e->out && (e->socket ? e->out->count <= e->out->size / 2 : channel_space(e->out) > 0))
		events |= POLLOUT;
	return events;
}

static ssize_t end_read(struct end *e, void *bytes, size_t size)
{
	if (!e->in) {
		errno = EBADF;
		return -1;
	}
	if (e->in->count > 0)
		return (ssize_t)channel_get(e->in, bytes, size);
	if (e->reset) {
		errno = ECONNRESET;
		return -1;
	}
	if (e->in->writers == 0)
		return 0;
	errno = EAGAIN;
	return -1;
}

static ssize_t end_write(struct end *e, const void *bytes, size_t size)
{
	if (!e->out || e->out->readers == 0 || e->reset || e->shut) {
		errno = e->out && e->reset ? ECONNRESET : EPIPE;
		e->reset |= e->socket;
		return -1;
	}
	if (size > 0 && channel_space(e->out) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return (ssize_t)channel_put(e->out, bytes, size);
}

/* os.h */

ssize_t os_read(int fd, void *bytes, size_t size)
{
	struct end *e = end_of(fd, true);

	world_expect(size > 0, "the program reads nothing");
	return refusal(WORLD_READ, fd) ? -1 : end_read(e, bytes, cut(size));
}

ssize_t os_write(int fd, const void *bytes, size_t size)
{
	struct end *e = end_of(fd, true);

	world_expect(size > 0, "the program writes nothing");
	return refusal(WORLD_WRITE, fd) ? -1 : end_write(e, bytes, cut(size));
}

void os_close(int fd)
{
	struct end *e = end_of(fd, true);

	world_expect(!e->watch, "the program closes a descriptor that the loop watches");
	if (e->open)
		end_close(fd);
}

static void shut(struct end *e)
{
	e->out->writers -= !e->shut;
	e->shut = true;
	world.moves++;
}

bool os_shutdown(int socket)
{
	struct end *e = end_of(socket, true);

	if (refusal(WORLD_SHUTDOWN, socket))
		return false;
	if (e->open)
		shut(e);
	return true;
}

short os_poll(int fd, short events)
{
	return end_poll(end_of(fd, true)) & (short)(events | POLLHUP | POLLERR);
}

long os_unsent(int socket)
{
	const struct end *e = end_of(socket, true);

	return e->out ? (long)e->out->count : 0;
}

bool os_pipe(int two[2], int ours)
{
	struct channel *c;

	(void)ours;
	if (refusal(WORLD_PIPE, -1))
		return false;
	c = channel_new(WORLD_PIPE_SIZE);
	two[0] = end_new(true, c, NULL);
	two[1] = end_new(true, NULL, c);
	return true;
}

static struct spool *spool_of(int fd)
{
	struct spool *file = end_of(fd, true)->file;

	world_expect(file, "the program takes a pipe for a file");
	return file;
}

int os_spool_open(const char *directory)
{
	int i = 0, fd;

	(void)directory;
	if (refusal(WORLD_SPOOL_OPEN, -1))
		return -1;
	while (i < FILES - 1 && files[i].used)
		i++;
	files[i].used = true;
	files[i].size = 0;
	fd = end_new(true, NULL, NULL);
	ends[fd].file = &files[i];
	return fd;
}

ssize_t os_pread(int fd, void *bytes, size_t size, off_t at)
{
	struct spool *file = spool_of(fd);
	size_t left = (size_t)at < file->size ? file->size - (size_t)at : 0;

	if (refusal(WORLD_SPOOL_READ, fd))
		return -1;
	size = cut(size < left ? size : left);
	memcpy(bytes, file->bytes + at, size);
	return (ssize_t)size;
}

ssize_t os_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	struct spool *file = spool_of(fd);

	if (refusal(WORLD_SPOOL_WRITE, fd))
		return -1;
	size = cut(size);
	if ((size_t)at + size > file->room) {
		file->room = 2 * ((size_t)at + size);
		file->bytes = realloc(file->bytes, file->room);
	}
	memcpy(file->bytes + at, bytes, size);
	if (file->size < (size_t)at + size)
		file->size = (size_t)at + size;
	world_expect((int64_t)file->size <= world.spool_most, "a file grows beyond --max-spool");
	world.moves++;
	return (ssize_t)size;
}

bool os_empty(int fd)
{
	struct spool *file = spool_of(fd);

	if (refusal(WORLD_SPOOL_EMPTY, fd))
		return false;
	file->size = 0;
	return true;
}

/* splice.h */

void splice_open(void)
{
}

bool splice_is_possible(void)
{
	return world.can_splice;
}

static int grown;

bool splice_grow(int pipe)
{
	struct end *e = end_of(pipe, true);

	if (!world.can_splice)
		return false;
	(e->in ? e->in : e->out)->size = WORLD_LARGE_PIPE;
	channel_make_room(e->in ? e->in : e->out, WORLD_LARGE_PIPE);
	grown++;
	return true;
}

void splice_shrunk(void)
{
	grown--;
}

size_t splice_ready(int pipe)
{
	return world.can_splice ? end_of(pipe, true)->in->count : 0;
}

static ssize_t splice_bytes(struct end *from, struct end *to, size_t size)
{
	unsigned char bytes[4096];
	size_t done = 0, n;

	while (done < size && from->in->count > 0 && channel_space(to->out) > 0) {
		n = size - done < sizeof bytes ? size - done : sizeof bytes;
		if (n > channel_space(to->out))
			n = channel_space(to->out);
		n = channel_get(from->in, bytes, n);
		channel_put(to->out, bytes, n);
		done += n;
	}
	return (ssize_t)done;
}

ssize_t splice_out(int pipe, int socket, size_t size)
{
	struct end *from = end_of(pipe, true), *to = end_of(socket, true);

	errno = 0;
	if (!world.can_splice || !from->in || !to->out)
		errno = ENOTSUP;
	if (errno == ENOTSUP || refusal(WORLD_SPLICE, pipe))
		return -1;
	if (from->in->count == 0)
		return 0;
	if (end_write(to, "", 0) < 0)
		return -1;
	if (channel_space(to->out) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return splice_bytes(from, to, cut(size));
}

ssize_t splice_in(int socket, int pipe, size_t size)
{
	struct end *from = end_of(socket, true), *to = end_of(pipe, true);

	errno = 0;
	if (!world.can_splice || !from->in || !to->out)
		errno = ENOTSUP;
	if (errno == ENOTSUP || refusal(WORLD_SPLICE, pipe))
		return -1;
	if (end_write(to, "", 0) < 0)
		return -1;
	if (from->in->count == 0)
		return end_read(from, NULL, 0);
	if (channel_space(to->out) == 0) {
		errno = ENOBUFS;
		return -1;
	}
	return splice_bytes(from, to, cut(size));
}

/* Processes. */

static struct world_script *scripts_end(void)
{
	return world.scripts + script_count;
}

/* A group is there while it has a member, and a process until it was reaped. */
static bool is_member(const struct world_script *s, pid_t group)
{
	return (!s->reaped && (s->own_group ? s->own_group : s->group) == group) ||
	       (s->helpers > 0 && s->group == group);
}

static void signal_script(struct world_script *s, int number)
{
	if (number == 0)
		return;
	world.moves++;
	s->signals |= 1u << number;
	if (number == SIGKILL || (number == SIGTERM && !s->deaf))
		world_exit(s, number);
}

static bool number_was_left(pid_t group);

int os_kill(pid_t target, int number)
{
	bool any = false;

	world_expect(target > 1 || target < -1,
		     "the program sends a signal to all");
	world_expect(target > 0 || !number_was_left(-target),
		     "the program sends a signal to somebody else's group");
	for (struct world_script *s = world.scripts; s < scripts_end(); s++) {
		if (target > 0 ? s->pid == target && !s->reaped : is_member(s, -target)) {
			any = true;
			if (target < 0 && s->helpers > 0 && s->group == -target &&
			    (number == SIGKILL || (number == SIGTERM && !s->deaf)))
				world_end_helpers(s);
			if (!s->exited && (target > 0 ||
					   (s->own_group ? s->own_group : s->group) == -target))
				signal_script(s, number);
		}
	}
	world_expect(any || target < 0, "the program signals a process that it has reaped");
	if (!any)
		errno = ESRCH;
	return any ? 0 : -1;
}

pid_t os_group_of(pid_t process)
{
	for (struct world_script *s = world.scripts; s < scripts_end(); s++)
		if (s->pid == process && !s->reaped)
			return s->own_group ? s->own_group : s->group;
	return -1;
}

pid_t os_reap(int *status, struct os_usage *usage)
{
	*usage = (struct os_usage){ 0, 0, 0 };
	for (struct world_script *s = world.scripts; s < scripts_end(); s++) {
		if (!s->exited || s->reaped)
			continue;
		s->reaped = true;
		*status = s->status;
		world.moves++;
		return s->pid;
	}
	return 0;
}

void os_reap_child(pid_t child)
{
	for (struct world_script *s = world.scripts; s < scripts_end(); s++)
		if (s->pid == child && s->exited)
			s->reaped = true;
}

static bool number_was_left(pid_t group)
{
	for (struct world_script *s = world.scripts; s < scripts_end(); s++)
		if (s->group == group && s->left_number)
			return true;
	return false;
}

bool os_keeps_group(pid_t group)
{
	return !number_was_left(group);
}

bool os_is_child(pid_t process)
{
	for (struct world_script *s = world.scripts; s < scripts_end(); s++)
		if (s->pid == process && !s->reaped)
			return true;
	return false;
}

static bool pid_is_taken(pid_t pid)
{
	for (size_t i = 0; i < spare_count; i++)
		if (spare_groups[i] == pid)
			return true;
	for (const struct world_script *s = world.scripts; s < scripts_end(); s++)
		if ((!s->reaped || s->helpers > 0 || s->left_number) &&
		    (s->pid == pid || s->group == pid || s->own_group == pid))
			return true;
	return false;
}

static pid_t new_pid(void)
{
	do
		last_pid = last_pid % PIDS + 2;
	while (pid_is_taken(last_pid));
	return last_pid;
}

void world_end_output(struct world_script *s, int number)
{
	if (s->ends[number] < 0)
		return;
	if (ends[s->ends[number]].open && !ends[s->ends[number]].ours)
		end_close(s->ends[number]);
	s->ends[number] = -1;
}

static void close_script_ends(struct world_script *s)
{
	for (int i = 0; i < 3; i++)
		world_end_output(s, i);
}

void world_exit(struct world_script *s, int status)
{
	if (s->exited)
		return;
	s->exited = true;
	s->status = status;
	child_signal = true;
	world.moves++;
	if (s->helpers == 0)
		close_script_ends(s);
}

void world_end_helpers(struct world_script *s)
{
	s->helpers = 0;
	world.moves++;
	if (s->exited)
		close_script_ends(s);
}

/* launcher.h, launch.h, rlimits.h */

void launcher_start(struct launch_job *job)
{
	atomic_store(&job->child, 0);
	if (job_count == WORLD_SCRIPTS)
		abort();
	jobs[job_count++] = job;
	world.launches++;
}

bool launch_is_shortage(enum launch_step step, int error)
{
	return step != LAUNCH_RESOLVE && step != LAUNCH_CHDIR &&
	       (error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE);
}

const char *rlimits_explain(int number)
{
	return number == SIGXCPU ? "--limit cpu" : NULL;
}

struct launch_job *world_job(size_t number)
{
	return number < job_count ? jobs[number] : NULL;
}

static void take_job(struct launch_job *job)
{
	size_t i = 0;

	while (jobs[i] != job)
		i++;
	memmove(jobs + i, jobs + i + 1, (--job_count - i) * sizeof *jobs);
}

bool launcher_is_queued(const struct launch_job *job)
{
	for (size_t i = 0; i < job_count; i++)
		if (jobs[i] == job)
			return true;
	return false;
}

static struct world_script *new_script(void)
{
	struct world_script *s = world.scripts;

	while (s < scripts_end() && !(s->reaped && s->helpers == 0 && !s->job))
		s++;
	if (s == scripts_end() && ++script_count > WORLD_SCRIPTS)
		abort();
	return s;
}

void world_end_stranger(void)
{
	struct world_script *s = new_script();

	*s = (struct world_script){ .ends = { -1, -1, -1 }, .serial = -1 };
	s->group = s->pid = new_pid();
	world_exit(s, SIGKILL);
}

static bool has_members(pid_t group)
{
	for (const struct world_script *s = world.scripts; s < scripts_end(); s++)
		if (is_member(s, group))
			return true;
	return false;
}

void launcher_free_group(pid_t group, bool empty)
{
	world_expect(!empty || !has_members(group), "a group is used again that has members");
	if (empty && !number_was_left(group) && spare_count < WORLD_SCRIPTS)
		spare_groups[spare_count++] = group;
}

/* Where the system refuses groups, a script leads one of its own. */
static void join_group(struct world_script *s)
{
	bool refused = world.choose && world.choose(8) == 0;

	s->group = refused ? 0 : spare_count > 0 ? spare_groups[--spare_count] : new_pid();
	do
		s->pid = new_pid();
	while (s->pid == s->group);
	if (refused)
		s->group = s->pid;
}

struct world_script *world_spawn(struct launch_job *job)
{
	struct world_script *s = new_script();
	const char *serial = environment_get(&job->asking->sent, "SERIAL");

	take_job(job);
	*s = (struct world_script){ .job = job, .serial = serial ? atol(serial) : -1 };
	join_group(s);
	for (int i = 0; i < 3; i++) {
		s->ends[i] = job->ends[i];
		if (s->ends[i] >= 0) {
			world_expect(end_of(s->ends[i], true)->open, "a script gets no descriptor");
			ends[s->ends[i]].ours = false;
			world.descriptors--;
		}
	}
	atomic_store(&job->child, s->pid);
	return s;
}

void world_tell(struct world_script *s)
{
	struct launch_job *job = s->job;

	s->job = NULL;
	job->at = world.now;
	job->pid = s->pid;
	job->group = s->group == s->pid ? 0 : s->group;
	if (!job->asking->script.path)
		job->asking->script.path = allocated(strdup("/script"));
	world.launches--;
	world.moves++;
	job->done(job);
}

void world_finish(struct world_script *s)
{
	s->finished = true;
	world.moves++;
}

static bool is_awaited(const struct launch_job *job)
{
	return job->awaited;
}

static bool is_any(const struct launch_job *job)
{
	(void)job;
	return true;
}

/* Of the starts that are finished, those that are meant. */
static bool tell_finished(bool (*is_meant)(const struct launch_job *))
{
	bool any = false;

	for (struct world_script *s = world.scripts; s < scripts_end(); s++) {
		if (!s->job || !s->finished || !is_meant(s->job))
			continue;
		world_tell(s);
		any = true;
	}
	return any;
}

void launcher_take_finished(void)
{
	tell_finished(is_any);
}

bool launcher_await(struct launch_job *job)
{
	bool is_finished = false;

	job->awaited = true;
	for (struct world_script *s = world.scripts; s < scripts_end(); s++)
		is_finished |= s->job == job && s->finished;
	return is_finished;
}

bool launcher_take(struct launch_job *job)
{
	bool is_finished = launcher_await(job);

	if (is_finished)
		launcher_take_finished();
	return is_finished;
}

/* The child of a start that has failed: the loop hears of its end before that of the start,
 * or after. */
static void end_child(struct launch_job *job)
{
	for (struct world_script *s = world.scripts; s < scripts_end(); s++)
		if (s->job == job) {
			s->job = NULL;
			job->group = s->group == s->pid ? 0 : s->group;
			world_exit(s, 127 << 8);
			if (!world.choose || world.choose(2) > 0)
				on_child_signal(SIGCHLD);
		}
}

void world_fail(struct launch_job *job, enum launch_step step, int error, int status)
{
	bool spawned = atomic_load(&job->child) > 0;

	if (spawned)
		end_child(job);
	else
		take_job(job);
	job->pid = -1;
	job->step = step;
	job->error = error;
	strcpy(job->reason, "cannot be executed");
	if (step == LAUNCH_RESOLVE) {
		job->asking->script.status = status;
		job->asking->script.shortage = status == 0;
		strcpy(job->asking->script.reason, "cannot be found");
	}
	for (int i = 0; i < 3 && !spawned; i++)
		if (job->ends[i] >= 0)
			os_close(job->ends[i]);
	world.launches--;
	world.moves++;
	job->done(job);
}

struct world_script *world_start(void)
{
	struct launch_job *job = world_job(0);
	struct world_script *s = job ? world_spawn(job) : NULL;

	if (s)
		world_tell(s);
	return s;
}

/* slots.h */

static struct cell {
	bool taken;
	uint64_t keys[SLOT_KEYS];
} cells[SLOT_KINDS][SLOTS_MOST + 1];

long slots_take(enum slot_kind kind)
{
	struct cell *c = cells[kind];

	if (world.slots_taken[kind] >= world.slots_most[kind])
		return SLOT_NONE;
	while (c->taken)
		c++;
	*c = (struct cell){ .taken = true };
	world.slots_taken[kind]++;
	return c - cells[kind];
}

void slots_give(enum slot_kind kind, long slot)
{
	world_expect(slot >= 0 && cells[kind][slot].taken, "a slot is given back twice");
	cells[kind][slot] = (struct cell){ .taken = false };
	world.slots_taken[kind]--;
}

void slots_mark(enum slot_kind kind, long slot, enum slot_key which, uint64_t key)
{
	world_expect(cells[kind][slot].taken, "a slot is marked that is not taken");
	cells[kind][slot].keys[which] = key;
}

uint64_t slots_key(long running, enum slot_key which)
{
	return cells[SLOT_RUNNING][running].keys[which];
}

size_t slots_marked(enum slot_kind kind, enum slot_key which, uint64_t key)
{
	size_t count = 0;

	for (size_t i = 0; i < world.slots_most[kind]; i++)
		count += cells[kind][i].keys[which] == key;
	return count;
}

bool slots_claim(long running, enum slot_key which, uint64_t key, size_t most)
{
	if (slots_marked(SLOT_RUNNING, which, key) >= most)
		return false;
	slots_mark(SLOT_RUNNING, running, which, key);
	return true;
}

void slots_hold_back(size_t count)
{
	world.slots_held_back = count;
}

size_t slots_taken(enum slot_kind kind)
{
	return world.slots_taken[kind];
}

bool slots_is_taken(enum slot_kind kind, size_t slot)
{
	return slot < world.slots_taken[kind];
}

size_t slots_most(enum slot_kind kind)
{
	return world.slots_most[kind];
}

bool status_is_at(const struct settings *settings, const char *name)
{
	(void)settings;
	return name && strcmp(name, WORLD_PAGE) == 0;
}

/* Explanations: nobody asks for them. */

bool explain_is_open(void)
{
	return false;
}

void explain_start(const struct launch_job *job)
{
	(void)job;
}

bool explain_said(const char *line, size_t size)
{
	(void)line, (void)size;
	return false;
}

void explain_mended(const char *line, size_t size, const char *how)
{
	(void)line, (void)size, (void)how;
}

void explain_failure(void)
{
}

void explain_usage(const struct os_usage *usage)
{
	(void)usage;
}

void explain_exit(int status)
{
	(void)status;
}

char *status_respond(const struct settings *settings, const char *name, const char *query,
		     const char *accept, bool head_only, size_t *size)
{
	char *page = world_malloc(WORLD_PAGE_SIZE);

	(void)settings, (void)name, (void)query, (void)accept, (void)head_only;
	for (int i = 0; page && i < WORLD_PAGE_SIZE; i++)
		page[i] = (char)('a' + i % 23);
	*size = WORLD_PAGE_SIZE;
	return page;
}

bool slots_are_shared(void)
{
	return world.slots_shared;
}

bool slots_spool(int64_t bytes)
{
	if (world.spooled + bytes > world.spool_most)
		return false;
	world.spooled += bytes;
	return true;
}

void slots_unspool(int64_t bytes)
{
	world.spooled -= bytes;
	world_expect(world.spooled >= 0, "more of --max-spool is given back than was taken");
}

/* loop.h */

int64_t loop_now(void)
{
	return world.now;
}

bool loop_is_time(int64_t *last, int64_t interval)
{
	if (*last && world.now >= *last && world.now - *last < interval)
		return false;
	*last = world.now;
	return true;
}

bool loop_catch(int number, void (*caught)(int))
{
	if (number == SIGCHLD)
		on_child_signal = caught;
	return true;
}

bool loop_watch(struct watch *watch, int fd, unsigned events,
		void (*ready)(struct watch *, unsigned))
{
	struct end *e = end_of(fd, true);

	*watch = (struct watch){ .fd = -1 };
	if (refusal(WORLD_WATCH, fd))
		return false;
	world_expect(!e->watch, "a descriptor is watched twice");
	*watch = (struct watch){ .fd = fd, .wants = events, .ready = ready };
	e->watch = watch;
	world.watches++;
	world.moves++;
	return true;
}

bool loop_want(struct watch *watch, unsigned events)
{
	if (watch->fd < 0 || watch->wants == events)
		return true;
	world_expect(end_of(watch->fd, true)->watch == watch, "a watch has been copied or lost");
	watch->wants = events;
	world.moves++;
	return true;
}

void loop_close(struct watch *watch)
{
	int fd = watch->fd;

	if (fd < 0)
		return;
	world_expect(end_of(fd, true)->watch == watch, "a watch has been copied or lost");
	ends[fd].watch = NULL;
	for (size_t i = 0; i < fetched_count; i++)
		if (fetched[i] == watch)
			fetched[i] = NULL;
	world.watches--;
	watch->fd = -1;
	watch->wants = 0;
	os_close(fd);
}

void deadline_set(struct deadline *d, int64_t delay, void (*passed)(struct deadline *))
{
	struct deadline *before;

	world_expect(delay >= 1, "a deadline has passed before it was set");
	deadline_clear(d);
	before = lane.last;
	*d = (struct deadline){ .lane = &lane, .at = world.now + delay, .passed = passed };
	while (before && before->at > d->at)
		before = before->prev;
	d->prev = before;
	d->next = before ? before->next : lane.first;
	*(before ? &before->next : &lane.first) = d;
	*(d->next ? &d->next->prev : &lane.last) = d;
	world.deadlines++;
}

void deadline_clear(struct deadline *d)
{
	if (!d->lane)
		return;
	*(d->prev ? &d->prev->next : &lane.first) = d->next;
	*(d->next ? &d->next->prev : &lane.last) = d->prev;
	d->lane = NULL;
	world.deadlines--;
}

static bool pass_deadlines(void)
{
	bool any = false;

	while (lane.first && lane.first->at <= world.now) {
		struct deadline *d = lane.first;

		any = true;
		world.moves++;
		deadline_clear(d);
		d->passed(d);
	}
	return any;
}

static unsigned translate(short events)
{
	if (events & (POLLHUP | POLLERR))
		return LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
	return (events & POLLIN ? LOOP_READ : 0u) | (events & POLLOUT ? LOOP_WRITE : 0u);
}

static void fetch(void)
{
	fetched_count = 0;
	for (int fd = 3; fd < ends_top && fetched_count < BATCH; fd++) {
		struct watch *watch = ends[fd].open ? ends[fd].watch : NULL;
		unsigned events = watch && watch->wants ? translate(end_poll(&ends[fd])) : 0;

		if (!watch || !(events & watch->wants))
			continue;
		fetched[fetched_count] = watch;
		fetched_events[fetched_count++] = events;
	}
}

static bool call_one(size_t i)
{
	struct watch *watch = fetched[i];

	fetched[i] = NULL;
	if (!watch || !(fetched_events[i] & watch->wants))
		return false;
	watch->ready(watch, fetched_events[i] & (watch->wants | LOOP_HANGUP));
	return true;
}

static bool take_children(void)
{
	if (!child_signal)
		return false;
	child_signal = false;
	on_child_signal(SIGCHLD);
	return true;
}

static void end_turn(void)
{
	unsigned rounds = 0;

	do {
		request_serve_queue(&world.service);
		world_expect(++rounds < 1000, "the end of a turn does not end");
	} while (connection_update_all(&world.service) && !world.fault);
	for (int k = 0; k < SLOT_KINDS; k++)
		world_expect(world.slots_taken[k] <= world.slots_most[k], "too many slots are taken");
	world_expect(world.spooled <= world.spool_most, "too much is kept on disk");
}

bool world_turn(void)
{
	unsigned long moves = world.moves;
	size_t first;
	bool any, dirty = world.service.dirty;

	fetch();
	first = world.choose && fetched_count ? world.choose(fetched_count + 1) : 0;
	any = first == 0 && take_children();
	for (size_t i = 0; i < fetched_count; i++)
		any |= call_one((first + i) % fetched_count);
	any |= take_children();
	any |= tell_finished(is_awaited);
	any |= pass_deadlines();
	fetched_count = 0;
	end_turn();
	spins = any && world.moves == moves ? spins + 1 : 0;
	world_expect(spins < SPINS_MOST, "the loop spins");
	return any || dirty;
}

void world_run(void)
{
	for (unsigned turns = 0; world_turn() && !world.fault; turns++)
		world_expect(turns < 100000, "the loop does not come to rest");
}

int64_t world_next_deadline(void)
{
	return !lane.first ? -1 : lane.first->at > world.now ? lane.first->at - world.now : 0;
}

void world_pass(int64_t milliseconds)
{
	int64_t end = world.now + milliseconds;

	world_run();
	while (lane.first && lane.first->at <= end && !world.fault) {
		if (world.now < lane.first->at)
			world.now = lane.first->at;
		world_run();
	}
	world.now = end;
}

void world_jump(int64_t milliseconds)
{
	world.now += milliseconds;
	world_turn();
}

/* Clients. */

int world_connect(void)
{
	struct channel *up = channel_new(world.socket_size), *down = channel_new(world.socket_size);
	int ours = end_new(true, up, down), theirs = end_new(false, down, up);

	ends[ours].socket = ends[theirs].socket = true;
	ends[ours].peer = theirs;
	ends[theirs].peer = ours;
	if (connection_new(&world.service, ours))
		return theirs;
	end_close(theirs);
	return -1;
}

ssize_t world_get(int fd, void *bytes, size_t size)
{
	return end_read(end_of(fd, false), bytes, size);
}

ssize_t world_put(int fd, const void *bytes, size_t size)
{
	ssize_t n = size ? end_write(end_of(fd, false), bytes, size) : 0;

	return n < 0 && errno == EAGAIN ? 0 : n;
}

size_t world_room(int fd)
{
	return channel_space(end_of(fd, false)->out);
}

bool world_is_socket(int fd)
{
	return ends[fd].socket;
}

void world_shut(int fd)
{
	shut(end_of(fd, false));
}

void world_close(int fd)
{
	end_of(fd, false);
	end_close(fd);
}

void world_vanish(int fd)
{
	struct end *e = end_of(fd, false);

	if (e->peer >= 0) {
		ends[e->peer].reset = true;
		ends[e->peer].in->count = 0;
	}
	end_close(fd);
}

/* Memory. */

void *world_malloc(size_t size)
{
	return refusal(WORLD_MEMORY, -1) ? NULL : allocated(malloc(size));
}

void *world_calloc(size_t count, size_t size)
{
	return refusal(WORLD_MEMORY, -1) ? NULL : allocated(calloc(count, size));
}

void *world_realloc(void *old, size_t size)
{
	if (refusal(WORLD_MEMORY, -1))
		return NULL;
	return old ? realloc(old, size) : allocated(realloc(old, size));
}

char *world_strdup(const char *text)
{
	return refusal(WORLD_MEMORY, -1) ? NULL : allocated(strdup(text));
}

void world_free(void *memory)
{
	world.allocations -= memory != NULL;
	free(memory);
}

/* The whole. */

static void keep_report(const struct report_message *message)
{
	size_t size = message->size;

	if (size >= sizeof world.report)
		size = sizeof world.report - 1;
	memcpy(world.report, message->text, size);
	world.report[size] = '\0';
	world.reports++;
}

static void on_freed(struct service *service)
{
	(void)service;
}

struct settings world_settings(void)
{
	return (struct settings){
		.workers = 1,
		.max_scripts = 256,
		.max_unfinished = 1024,
		.queue = 1024,
		.fair_by = "REMOTE_ADDR",
		.start_timeout = 30000,
		.queue_timeout = 30000,
		.silence_timeout = 3600000,
		.client_timeout = 120000,
		.idle_timeout = 600000,
		.kill_after = 5000,
		.max_background = 64,
		.background_timeout = 3600000,
		.on_abort = ON_ABORT_KILL,
		.max_params = 1024L * 1024,
		.max_body = 1024L * 1024 * 1024,
		.max_spool = 1024L * 1024 * 1024,
		.spool_directory = "/nowhere",
	};
}

void world_open(const struct settings *settings)
{
	memset(&world.slots_taken, 0, sizeof world.slots_taken);
	memset(cells, 0, sizeof cells);
	world.slots_held_back = 0;
	world.fault = NULL;
	world.now = WORLD_START;
	world.settings = *settings;
	world.service = (struct service){
		.settings = &world.settings, .connections_most = 100, .freed = on_freed,
		.admission = { .client_most = (size_t)settings->max_per_client,
			       .script_most = (size_t)settings->max_per_script },
	};
	world.slots_most[SLOT_RUNNING] = (size_t)settings->max_scripts;
	world.slots_most[SLOT_WAITING] = (size_t)settings->queue;
	world.slots_most[SLOT_UNFINISHED] = (size_t)settings->max_unfinished;
	world.slots_most[SLOT_BACKGROUND] = (size_t)settings->max_background;
	world.spool_most = settings->max_spool;
	world.spooled = 0;
	world.slots_shared = world.can_splice = false;
	world.socket_size = 200 * 1024;
	world.refuse = NULL;
	world.cut = NULL;
	world.choose = NULL;
	for (int fd = 3; fd < ends_top; fd++)
		if (ends[fd].open)
			end_close(fd);
	world.watches = world.deadlines = world.descriptors = world.launches = 0;
	world.allocations = 0;
	world.reports = 0;
	world.report[0] = '\0';
	memset(ends, 0, (size_t)ends_top * sizeof *ends);
	ends_top = 3;
	lane = (struct lane){ .first = NULL };
	/* What a script of before has left would end what has its numbers now. */
	memset(world.scripts, 0, script_count * sizeof *world.scripts);
	job_count = script_count = spare_count = 0;
	child_signal = false;
	last_pid = 1;
	spins = grown = 0;
	report_to(keep_report);
	process_open(&world.settings);
}

const char *world_find_remains(void)
{
	const struct {
		bool left;
		const char *what;
	} all[] = {
		{ world.service.count > 0 || world.service.connections, "a connection is left" },
		{ process_count() > 0, "a process is left" },
		{ world.launches > 0, "a start is left" },
		{ world.watches > 0, "a watch is left" },
		{ world.descriptors > 0, "a descriptor is left open" },
		{ world.deadlines > (size_t)deadline_is_set(&world.service.admission.shortage) +
				    (size_t)deadline_is_set(&world.service.admission.look_again),
		  "a deadline is left" },
		{ world.slots_taken[SLOT_RUNNING] > 0, "a slot of a running script is left" },
		{ world.slots_taken[SLOT_WAITING] > 0, "a slot in the queue is left" },
		{ world.slots_taken[SLOT_UNFINISHED] > 0, "a slot of an unfinished request is left" },
		{ world.slots_taken[SLOT_BACKGROUND] > 0, "a slot in the background is left" },
		{ world.spooled > 0, "a part of --max-spool is left" },
		{ world.allocations > 0, "memory is left" },
		{ grown != 0, "a large pipe is left" },
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].left)
			return all[i].what;
	return NULL;
}
