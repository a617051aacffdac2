/*
 * deny: runs a program as it would run where some system calls are refused: in a container, under
 * a service manager's filter, in an emulator, or on an old kernel. The filter (seccomp) is handed
 * down to all that the program starts.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined __linux__ && defined __has_include
#if __has_include(<linux/seccomp.h>) && __has_include(<linux/filter.h>)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#endif
#endif

/* Calls of other architectures have other numbers, and are let through. */
#ifndef SECCOMP_RET_ERRNO
#define NATIVE 0
#elif defined __x86_64__ && !defined __ILP32__
#define NATIVE AUDIT_ARCH_X86_64
#elif defined __i386__
#define NATIVE AUDIT_ARCH_I386
#elif defined __aarch64__ && defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined __arm__ && defined __ARM_EABI__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_ARM
#elif defined __riscv && __riscv_xlen == 64
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined __powerpc64__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE AUDIT_ARCH_PPC64LE
#elif defined __s390x__
#define NATIVE AUDIT_ARCH_S390X
#else
#define NATIVE 0
#endif

enum exit_code { CANNOT = 1, USAGE = 2 };

static int fail(enum exit_code code, const char *what, const char *why)
{
	fprintf(stderr, "deny: %s: %s\n", what, why);
	return (int)code;
}

#if NATIVE

/* A call, or only those whose argument has wanted in the bits of mask. */
struct call {
	const char *name;
	long number;
	int argument;
	uint32_t mask, wanted;
};

#ifdef __s390x__
enum { CLONE_ARGUMENT = 1 };
#else
enum { CLONE_ARGUMENT = 0 };
#endif

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031
#endif

#define CALL(name) { #name, SYS_##name, 0, 0, 0 }

static const struct call calls[] = {
#ifdef SYS_accept
	CALL(accept),
#endif
	CALL(accept4),
#ifdef SYS_close_range
	CALL(close_range),
#endif
	/* as qemu-user has it: with the parent's memory, but neither like vfork nor a thread */
	{ "clone-vm", SYS_clone, CLONE_ARGUMENT, CLONE_VM | CLONE_VFORK | CLONE_THREAD, CLONE_VM },
	{ "clone-vfork", SYS_clone, CLONE_ARGUMENT, CLONE_VFORK, CLONE_VFORK },
	{ "clone-thread", SYS_clone, CLONE_ARGUMENT, CLONE_THREAD, CLONE_THREAD },
#ifdef SYS_clone3
	CALL(clone3),
#endif
	CALL(epoll_create1),
	CALL(epoll_ctl),
#ifdef SYS_epoll_wait
	CALL(epoll_wait),
#endif
	CALL(eventfd2),
#ifdef SYS_execveat
	CALL(execveat),
#endif
	CALL(fchownat),
	{ "fcntl-setpipe-sz", SYS_fcntl, 1, UINT32_MAX, F_SETPIPE_SZ },
#ifdef SYS_getrandom
	CALL(getrandom),
#endif
	CALL(kill),
	{ "kill-all", SYS_kill, 0, UINT32_MAX, UINT32_MAX }, /* a signal to all processes */
#ifdef SYS_memfd_create
	CALL(memfd_create),
#endif
#ifdef O_TMPFILE
	{ "openat-tmpfile", SYS_openat, 2, O_TMPFILE & ~O_DIRECTORY, O_TMPFILE & ~O_DIRECTORY },
#endif
#ifdef SYS_pidfd_open
	CALL(pidfd_open),
#endif
#ifdef SYS_pipe /* which may be called instead */
	CALL(pipe2),
#endif
	CALL(prctl),
	CALL(prlimit64),
	CALL(sched_getaffinity),
	CALL(ptrace),
	CALL(setpgid),
	CALL(setpriority),
	CALL(setsid),
#ifdef SYS_setsockopt
	{ "setsockopt-bindtoifindex", SYS_setsockopt, 2, UINT32_MAX, SO_BINDTOIFINDEX },
	{ "setsockopt-attach-filter", SYS_setsockopt, 2, UINT32_MAX, SO_ATTACH_FILTER },
#endif
	CALL(signalfd4),
#ifdef SYS_socket
	{ "socket-netlink", SYS_socket, 0, UINT32_MAX, AF_NETLINK },
#endif
	CALL(splice),
	CALL(unshare),
#ifdef SYS_vfork
	CALL(vfork),
#endif
	CALL(waitid),
};

static const struct { const char *name; int number; } errors[] = {
	{ "EACCES", EACCES }, { "EAFNOSUPPORT", EAFNOSUPPORT }, { "EAGAIN", EAGAIN },
	{ "ECONNABORTED", ECONNABORTED },
	{ "EINVAL", EINVAL }, { "EISDIR", EISDIR }, { "ENFILE", ENFILE }, { "ENOENT", ENOENT },
	{ "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC }, { "ENOSYS", ENOSYS },
	{ "EOPNOTSUPP", EOPNOTSUPP }, { "EPERM", EPERM },
};

enum {
	CALLS = sizeof(calls) / sizeof(calls[0]),
	ERRORS = sizeof(errors) / sizeof(errors[0]),
	RULES_MAX = 64,
	LOW_HALF = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4
};

static struct sock_filter filter[RULES_MAX * 6 + 8];
static unsigned short filter_used;

static void filter_add(unsigned code, uint32_t k, unsigned char if_true, unsigned char if_false)
{
	filter[filter_used++] =
		(struct sock_filter){ (unsigned short)code, if_true, if_false, k };
}

static void filter_load(size_t offset)
{
	filter_add(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void filter_begin(void)
{
	filter_load(offsetof(struct seccomp_data, arch));
	filter_add(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0);
	filter_add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

static void filter_rule(const struct call *call, uint32_t action)
{
	filter_load(offsetof(struct seccomp_data, nr));
	filter_add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, call->mask ? 4 : 1);
	if (call->mask) {
		filter_load(offsetof(struct seccomp_data, args) +
			    (size_t)call->argument * sizeof(uint64_t) + LOW_HALF);
		filter_add(BPF_ALU | BPF_AND | BPF_K, call->mask, 0, 0);
		filter_add(BPF_JMP | BPF_JEQ | BPF_K, call->wanted, 0, 1);
	}
	filter_add(BPF_RET | BPF_K, action, 0, 0);
}

/* NAME=ERRNO or NAME=kill; 0, or the exit status after a message. */
static int rule_parse(const char *rule)
{
	const char *sign = strchr(rule, '=');
	const struct call *call = NULL;
	uint32_t action = SECCOMP_RET_ALLOW;

	if (sign == NULL)
		return fail(USAGE, rule, "not NAME=ERRNO or NAME=kill");
	for (size_t i = 0; i < CALLS; i++)
		if (strncmp(calls[i].name, rule, (size_t)(sign - rule)) == 0 &&
		    calls[i].name[sign - rule] == '\0')
			call = &calls[i];
	for (size_t i = 0; i < ERRORS; i++)
		if (strcmp(errors[i].name, sign + 1) == 0)
			action = SECCOMP_RET_ERRNO | (uint32_t)errors[i].number;
#ifdef SECCOMP_RET_KILL_PROCESS
	if (strcmp(sign + 1, "kill") == 0)
		action = SECCOMP_RET_KILL_PROCESS;
#endif
	if (call == NULL)
		return fail(CANNOT, rule, "no such call in the table, or on this system");
	if (action == SECCOMP_RET_ALLOW)
		return fail(USAGE, rule, "unknown error");
	if (filter_used + 8U > sizeof(filter) / sizeof(filter[0]))
		return fail(USAGE, rule, "too many");
	filter_rule(call, action);
	return 0;
}

static int filter_install(void)
{
	struct sock_fprog program = { .filter = filter };

	filter_add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	program.len = filter_used;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return fail(CANNOT, "cannot install a filter", strerror(errno));
	return 0;
}

#else

static void filter_begin(void)
{
}

static int rule_parse(const char *rule)
{
	return fail(CANNOT, rule, "system calls cannot be denied on this system");
}

static int filter_install(void)
{
	return fail(CANNOT, "cannot install a filter", "not on this system");
}

#endif

static int usage(void)
{
	fprintf(stderr,
		"Usage: deny NAME=ERRNO|NAME=kill... -- PROGRAM [ARGUMENT...]\n"
		"       deny --can [NAME=ERRNO|NAME=kill...]\n"
		"Runs PROGRAM where these system calls fail so, or kill by SIGSYS. clone-vm,\n"
		"clone-vfork, clone-thread, fcntl-setpipe-sz, kill-all, openat-tmpfile,\n"
		"setsockopt-... and socket-netlink are only those uses of a call.\n"
		"--can tells by its exit status whether that is possible here.\n");
	return USAGE;
}

int main(int argc, char **argv)
{
	int can = argc > 1 && strcmp(argv[1], "--can") == 0, i = 1 + can, status;

	filter_begin();
	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		status = rule_parse(argv[i]);
		if (status != 0)
			return status;
	}
	if (can == (i < argc) || (!can && i + 1 >= argc))
		return usage();
	status = filter_install();
	if (status != 0 || can)
		return status;
	execvp(argv[i + 1], argv + i + 1);
	return fail(CANNOT, argv[i + 1], strerror(errno));
}
