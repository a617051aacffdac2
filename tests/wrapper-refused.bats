#!/usr/bin/env bats
# fcgiwrap where system calls are refused that it can do without: in containers, under the filters
# of service managers, in emulators, on old kernels. It serves then, at most slower, and says at
# most once what it misses.
#
# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

DENY=$FCGI_BUILD/tests/deny

# A long response, and the beginning of it as a long upload, are the same for all tests.
setup_file() {
	QUERY_STRING=20 "$CGI/big.sh" | tail -n +3 >"$BATS_FILE_TMPDIR/20m"
	head -c 5242880 "$BATS_FILE_TMPDIR/20m" >"$BATS_FILE_TMPDIR/5m"
	head -c 300000 "$BATS_FILE_TMPDIR/20m" >"$BATS_FILE_TMPDIR/300k"
	SUM=$(cksum <"$BATS_FILE_TMPDIR/5m" | awk '{ print "bytes=" $2 " cksum=" $1 }')
	export SUM
}

setup() {
	test_begin
	script file.sh <<-END
		#!/bin/sh
		printf 'Content-Type: application/octet-stream\n\n'
		exec cat "$BATS_FILE_TMPDIR/20m"
	END
}

# need_deny RULE...: skips the test unless these calls can be refused.
need_deny() {
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	"$DENY" --can "$@" 2>/dev/null || skip "this system cannot refuse $*"
}

# start_refused RULE... [-- OPTION...]: fcgiwrap under this filter; whether it serves.
start_refused() {
	local rules=()

	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		rules+=("$1")
		shift
	done
	need_deny "${rules[@]}"
	RULES=${rules[*]}
	TEST_WRAPPER="$DENY $RULES --" start_wrapper -c 1 -f "${@:2}"
}

# serves_under RULE... [-- OPTION...]: all the usual business goes well under this filter, with
# one line in the log at most for each rule. A program that the filter would kill cannot start.
serves_under() {
	local count=0 rule

	start_refused "$@" || { cat "$T/log"; return 1; }
	serves || { cat "$T/log"; return 1; }
	for rule; do
		[ "$rule" != -- ] || break
		count=$((count + 1))
	done
	[ "$(wc -l <"$T/log")" -le "$count" ] || { cat "$T/log"; return 1; }
	stops
}

serves() {
	local response=$T/response

	ask timeout 20 get "$CGI/hello.sh" expect-end app=0 &&
		has_line hello || return
	ask timeout 20 out 1 "$response" request "$CGI/echo" CONTENT_LENGTH=300000 \
		stdin-file "$BATS_FILE_TMPDIR/300k" stdin-end expect-end app=0 &&
		is_whole "$BATS_FILE_TMPDIR/300k" || return
	ask timeout 20 out 1 "$response" get "$T/file.sh" expect-end app=0 &&
		is_whole "$BATS_FILE_TMPDIR/20m" || return
	# This script has a pipe itself.
	[[ ${RULES-} == *pipe2* ]] || sums || return
	ask timeout 20 get "$CGI/stderr.sh" expect-stderr 'complaint 2' expect-end app=0 || return
	ask timeout 20 request "$CGI/wait.sh" QUERY_STRING="$T/never" CONTENT_LENGTH=0 expect-text waiting \
		abort expect-end &&
		eventually gone "$(sed -n 's/^waiting pid=//p' <<<"$output")"
}

sums() {
	ask timeout 20 request "$CGI/sum.sh" CONTENT_LENGTH=5242880 stdin-file "$BATS_FILE_TMPDIR/5m" stdin-end \
		expect-end app=0 &&
		has_line "$SUM"
}

# is_whole FILE: $response is this behind its header; it is removed.
is_whole() {
	tail -n +3 "$response" | cmp - "$1" && rm "$response"
}

# Without anything to wait for, a stop takes no time.
stops() {
	kill -TERM "$(pid_of wrapper)"
	await wrapper 5 && [ "$STATUS" = 0 ] && vanished "$T/s"
}

@test "without a filter nothing is logged" {
	serves_under
}

# Starts of scripts. ----------------------------------------------------------------------------

@test "close_range refused with EPERM" {
	serves_under close_range=EPERM
}

@test "close_range refused with ENOSYS" {
	serves_under close_range=ENOSYS
}

@test "close_range answered with SIGSYS" {
	serves_under close_range=kill
}

@test "unshare refused with EPERM" {
	serves_under unshare=EPERM
}

@test "unshare refused with ENOSYS" {
	serves_under unshare=ENOSYS
}

@test "unshare answered with SIGSYS" {
	serves_under unshare=kill
}

@test "close_range and unshare refused with EPERM" {
	serves_under close_range=EPERM unshare=EPERM
}

@test "close_range unknown and unshare refused, as by Docker on Linux before 5.9" {
	serves_under close_range=ENOSYS unshare=EPERM
}

@test "close_range and unshare refused with ENOSYS" {
	serves_under close_range=ENOSYS unshare=ENOSYS
}

@test "close_range and unshare answered with SIGSYS" {
	serves_under close_range=kill unshare=kill
}

@test "a child that shares memory refused with EINVAL, as by qemu-user" {
	serves_under clone-vm=EINVAL clone3=ENOSYS
}

@test "a child that shares memory refused with EPERM" {
	serves_under clone-vm=EPERM clone3=ENOSYS
}

@test "a child that shares memory refused with ENOSYS" {
	serves_under clone-vm=ENOSYS clone3=ENOSYS
}

@test "a child like that of vfork refused with EPERM" {
	serves_under clone-vfork=EPERM clone3=ENOSYS
}

@test "clone3 refused with EPERM" {
	serves_under clone3=EPERM
}

@test "clone3 refused with ENOSYS" {
	serves_under clone3=ENOSYS
}

@test "threads refused with EPERM" {
	serves_under clone-thread=EPERM clone3=ENOSYS
}

@test "threads refused with EAGAIN" {
	serves_under clone-thread=EAGAIN clone3=ENOSYS
}

@test "execveat refused with EPERM" {
	serves_under execveat=EPERM -- --root "$CGI" --root "$T"
}

@test "execveat refused with ENOSYS" {
	serves_under execveat=ENOSYS -- --root "$CGI" --root "$T"
}

@test "execveat answered with SIGSYS" {
	serves_under execveat=kill -- --root "$CGI" --root "$T"
}

@test "setsid refused with EPERM" {
	serves_under setsid=EPERM
}

@test "setsid refused with ENOSYS" {
	serves_under setsid=ENOSYS
}

@test "setpgid refused with EPERM" {
	serves_under setpgid=EPERM
}

@test "setpgid refused with ENOSYS" {
	serves_under setpgid=ENOSYS
}

@test "setpgid and setsid refused with EPERM" {
	serves_under setpgid=EPERM setsid=EPERM
}

@test "setpgid refused, and a child that shares memory" {
	serves_under setpgid=EPERM clone-vm=EPERM clone3=ENOSYS
}

@test "waitid refused with EINVAL, as by Linux before 4.7 for such children" {
	serves_under waitid=EINVAL
}

@test "setpgid refused: a script is ended with its child all the same" {
	local child

	start_refused setpgid=EPERM
	start_client client request "$CGI/term.sh" QUERY_STRING="$T/heard" CONTENT_LENGTH=0 \
		expect-text child= abort expect-end
	await client
	child=$(sed -n 's/^child=//p' "$T/client.out")
	eventually gone "$child"
	serves
	logged_times 1 'no process groups for scripts: Operation not permitted'
}

@test "prctl refused with EPERM" {
	serves_under prctl=EPERM
}

@test "prctl refused with ENOSYS" {
	serves_under prctl=ENOSYS
}

@test "setpriority refused with EPERM" {
	serves_under setpriority=EPERM -- --nice 1
}

@test "setpriority refused with ENOSYS" {
	serves_under setpriority=ENOSYS -- --nice 1
}

@test "pidfd_open refused with EPERM" {
	serves_under pidfd_open=EPERM
}

@test "pidfd_open refused with ENOSYS" {
	serves_under pidfd_open=ENOSYS
}

@test "pidfd_open answered with SIGSYS" {
	serves_under pidfd_open=kill
}

# Data. ----------------------------------------------------------------------------------------

@test "splice refused with EPERM" {
	serves_under splice=EPERM
}

@test "splice refused with ENOSYS" {
	serves_under splice=ENOSYS
}

@test "splice answered with SIGSYS" {
	serves_under splice=kill
}

# spools_under RULE: large bodies are kept where that is refused.
spools_under() {
	need_deny "$1"
	mkdir "$T/spool"
	TEST_WRAPPER="$DENY $1 --" start_wrapper -c 1 --spool-dir "$T/spool"
	ask request "$CGI/length.sh" CONTENT_LENGTH= stdin-zero 1048576 stdin-end \
		expect-text bytes=1048576 expect-end app=0
	[ -z "$(ls -A "$T/spool")" ]
	logged_times 0 .
}

@test "openat-tmpfile refused with EOPNOTSUPP" {
	spools_under openat-tmpfile=EOPNOTSUPP
}

@test "openat-tmpfile refused with EISDIR" {
	spools_under openat-tmpfile=EISDIR
}

@test "fcntl-setpipe-sz refused with EPERM" {
	serves_under fcntl-setpipe-sz=EPERM
}

@test "fcntl-setpipe-sz refused with ENOSYS" {
	serves_under fcntl-setpipe-sz=ENOSYS
}

@test "eventfd2 refused with EPERM" {
	serves_under eventfd2=EPERM
}

@test "eventfd2 refused with ENOSYS" {
	serves_under eventfd2=ENOSYS
}

# The rest. ------------------------------------------------------------------------------------

@test "accept4 refused with EPERM" {
	serves_under accept4=EPERM
}

@test "accept4 refused with ENOSYS" {
	serves_under accept4=ENOSYS
}

@test "accept4 refused with EINVAL" {
	serves_under accept4=EINVAL
}

@test "prlimit64 refused with EPERM" {
	not is_sanitized || skip 'the sanitizer needs this call'
	serves_under prlimit64=EPERM
}

@test "prlimit64 refused with ENOSYS" {
	not is_sanitized || skip 'the sanitizer needs this call'
	serves_under prlimit64=ENOSYS
}

@test "sched_getaffinity refused with EPERM" {
	not is_sanitized || skip 'the sanitizer needs this call'
	serves_under sched_getaffinity=EPERM
}

@test "sched_getaffinity refused with ENOSYS" {
	not is_sanitized || skip 'the sanitizer needs this call'
	serves_under sched_getaffinity=ENOSYS
}

@test "pipe2 refused with EPERM" {
	serves_under pipe2=EPERM
}

@test "pipe2 refused with ENOSYS" {
	serves_under pipe2=ENOSYS
}

@test "pipe2 refused with EINVAL" {
	serves_under pipe2=EINVAL
}

@test "signalfd4 refused with EPERM" {
	serves_under signalfd4=EPERM
}

@test "signalfd4 refused with ENOSYS" {
	serves_under signalfd4=ENOSYS
}

@test "epoll_create1 refused with EPERM" {
	serves_under epoll_create1=EPERM
}

@test "epoll_create1 refused with ENOSYS" {
	serves_under epoll_create1=ENOSYS
}

@test "epoll_ctl refused with EPERM" {
	serves_under epoll_ctl=EPERM
}

@test "epoll_ctl refused with ENOSYS" {
	serves_under epoll_ctl=ENOSYS
}

@test "epoll_wait refused with EPERM" {
	serves_under epoll_wait=EPERM
}

@test "epoll_wait refused with ENOSYS" {
	serves_under epoll_wait=ENOSYS
}

@test "epoll, signalfd and pipe2 refused, all at once" {
	serves_under epoll_create1=ENOSYS signalfd4=ENOSYS pipe2=ENOSYS accept4=ENOSYS
}

@test "what is refused is said once, whatever the number of workers" {
	RULES='epoll_create1=EPERM signalfd4=EPERM pipe2=EPERM'
	# shellcheck disable=SC2086
	need_deny $RULES
	[ -e "$FCGI_BUILD/common/loop-epoll.o" ] || skip 'this build calls none of them'
	TEST_WRAPPER="$DENY $RULES --" start_wrapper -c 3 -f
	serves
	[ "$(wc -l <"$T/log")" = 3 ] || { cat "$T/log"; return 1; }
	in_log 'fcgiwrap: epoll is refused; poll is used instead'
	in_log 'fcgiwrap: signalfd is refused; pipe is used instead'
	in_log 'fcgiwrap: pipe2 is refused; pipe is called instead'
	stops
}

# Starts templates: a script of theirs is answered too.
serves_perl_under() {
	local perl

	perl=$(command -v perl)
	run timeout 5 "$FCGIWRAP" --warm "$perl=strict" </dev/null
	[[ $output != *'not available'* ]] || skip 'no warm starts in this build'
	script who.pl <<-END
		#!$perl
		print "Content-Type: text/plain\n\nperl\n";
	END
	start_refused "$@" -- --warm "$perl=strict"
	ask get "$T/who.pl" expect-end app=0
	has_line perl
	serves
	[ "$(wc -l <"$T/log")" -le 1 ] || { cat "$T/log"; return 1; }
	stops
}

@test "memfd_create refused with EPERM, and warm starts" {
	serves_perl_under memfd_create=EPERM
}

@test "memfd_create refused with ENOSYS, and warm starts" {
	serves_perl_under memfd_create=ENOSYS
}

@test "execveat, close_range, unshare, splice and prctl refused, all at once" {
	serves_under execveat=ENOSYS close_range=ENOSYS unshare=EPERM splice=ENOSYS prctl=EPERM
}

@test "several workers do not multiply what is said" {
	need_deny close_range=ENOSYS unshare=EPERM splice=EPERM
	TEST_WRAPPER="$DENY close_range=ENOSYS unshare=EPERM splice=EPERM --" start_wrapper -c 2 -f
	serves
	serves
	[ "$(wc -l <"$T/log")" -le 6 ] || { cat "$T/log"; return 1; }
	stops
}

@test "a script of one request is not started twice, whatever is refused" {
	script count.sh <<-END
		#!/bin/sh
		echo ran >>$T/runs
		printf 'Content-Type: text/plain\n\n'
	END
	start_refused close_range=ENOSYS unshare=EPERM clone-vm=EINVAL clone3=ENOSYS
	crowd 5 1 get "$T/count.sh" expect-end app=0
	[ "$(wc -l <"$T/runs")" = 5 ]
}

# idles_under RULE...: no connection can be taken, which costs no processor time, and is logged
# for this reason.
idles_under() {
	local before pid reason=$1

	shift
	need_proc
	need_deny "$@"
	TEST_WRAPPER="$DENY $* --" start_wrapper -c 1
	pid=$(worker)
	start_client client wait 30000
	logged "cannot accept a connection: $reason"
	before=$(cpu_of "$pid")
	sleep 1
	[ "$(($(cpu_of "$pid") - before))" -lt 30 ]
	[ "$(wc -l <"$T/log")" -lt 20 ]
	stop client
	stops
}

@test "a connection that cannot be accepted at all costs no processor time, and is logged" {
	idles_under 'Operation not permitted' accept4=EPERM accept=EPERM
}

@test "connections that all fail before they are accepted cost no processor time, and are logged" {
	idles_under 'Software caused connection abort' accept4=ECONNABORTED accept=ECONNABORTED
}

@test "no room for another connection costs no processor time, and is logged" {
	idles_under 'Too many open files in system' accept4=ENFILE accept=ENFILE
}

# The emulator of one's own architecture shows what one for another does to the calls.
@test "fcgiwrap runs in qemu-user" {
	local qemu

	qemu=qemu-$(uname -m)
	need "$qemu"
	not is_sanitized || skip 'not with sanitizers'
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	TEST_WRAPPER=$qemu start_wrapper -c 1 -f
	serves
	[ "$(wc -l <"$T/log")" -le 2 ] || { cat "$T/log"; return 1; }
	stops
}
