#!/usr/bin/env bats
# How long spawn-fcgi stays to see the program live: until it waits for connections, where that can
# be seen, and at most for a tenth of a second.
#
# shellcheck disable=SC2016 # text for other programs
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn

# Not everywhere can be seen what a program waits for.
need_ready() {
	[ -e "$FCGI_BUILD/spawn/ready-linux.o" ] || skip 'built without a look into /proc'
	cat /proc/self/syscall >/dev/null 2>&1 || skip '/proc does not show system calls here'
	[ -z "${TEST_WRAPPER-}" ] || skip 'takes too long'
}

# acceptor TEXT: a program in Perl, in which await waits for a connection.
acceptor() {
	need perl
	printf '#!%s\nuse Time::HiRes "ualarm"; sub await { accept my $c, STDIN or exit 9 }\n%s\n' \
		"$(command -v perl)" "$1" >"$T/acceptor"
	chmod 755 "$T/acceptor"
}

# timed OPTION...: one start, on $S or $ADDRESS, that succeeds; it took $MS milliseconds.
timed() {
	local began=$EPOCHREALTIME

	rm -f "$S"
	# shellcheck disable=SC2086
	spawn ${ADDRESS--s "$S"} "$@"
	MS=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
	[ "$status" = 0 ]
	[ -z "$stderr" ]
}

# early OPTION...: a start that is over before the tenth of a second is. One of 5, since the machine
# may be busy.
early() {
	local i TEST_WRAPPER

	slow_clock
	for i in {1..5}; do
		timed "$@" || return
		[ "$MS" -ge 1900 ] || return 0
		stop_all
	done
	return 1
}

# late OPTION...: one that is not. This cannot be hurried.
late() {
	timed "$@" && [ "$MS" -ge 100 ]
}

stop_all() {
	local pid

	for pid in $PIDS; do
		stop "child$pid"
	done
}

@test "spawn-fcgi leaves when the program waits for a connection" {
	need_ready
	acceptor await
	early -- "$T/acceptor"
}

@test "on a TCP port too" {
	need_ready
	acceptor await
	ADDRESS="-a 127.0.0.1 -p $(free_port)" early -- "$T/acceptor"
}

@test "when fcgiwrap does, and when its processes do" {
	need_ready
	need_epoll
	early -- "$FCGIWRAP"
	early -- "$FCGIWRAP" -c 3
}

@test "when PHP does, and when its children do" {
	need_ready
	need php-cgi
	early -C 0 -- "$(command -v php-cgi)"
	early -C 2 -- "$(command -v php-cgi)"
}

@test "when a process does that the program has started" {
	need_ready
	acceptor 'if (my $pid = fork) { wait } else { await }'
	early -- "$T/acceptor"
	adopt inner "$(pgrep -P "$PIDS")"
}

@test "also if the program is another user's, and in a chroot" {
	need_users
	need_ready
	need_epoll
	jail "$FCGIWRAP"
	mkdir "$T/jail/dev"
	install -m 666 /dev/null "$T/jail/dev/null" # a file will do
	early -S -c "$T/jail" -u "$USER_A" -- "$FCGIWRAP"
}

@test "also if root has not all capabilities" {
	need_users
	need_ready
	need setpriv
	setpriv --bounding-set=-sys_ptrace true || skip 'capabilities cannot be dropped here'
	acceptor await
	RUN_BY='setpriv --bounding-set=-sys_ptrace'
	early -u "$USER_A" -- "$T/acceptor"
}

@test "also if somebody else than root has started it" {
	need_ready
	need_users
	need setpriv
	acceptor await
	chown "$USER_A" "$T"
	RUN_BY="setpriv --reuid=$USER_A --regid=$(id -g "$USER_A") --clear-groups"
	early -- "$T/acceptor"
}

@test "when all processes of -F do" {
	need_ready
	acceptor await
	early -F 3 -- "$T/acceptor"
	[ "$(wc -w <<<"$PIDS")" = 3 ]
}

@test "not when only one of them does" {
	acceptor 'sleep 60 if mkdir $ARGV[0]; await'
	late -F 3 -- "$T/acceptor" "$T/first"
	rmdir "$T/first"
	stop_all
	acceptor 'await if mkdir $ARGV[0]; sleep 60'
	late -F 3 -- "$T/acceptor" "$T/first"
}

@test "a program that neither waits for a connection nor ends is watched for a tenth of a second" {
	late -- /bin/sleep 60
}

@test "a program of which cannot be seen what it waits for, too" {
	acceptor 'my $in = ""; vec($in, 0, 1) = 1; select $in, undef, undef, 60'
	late -- "$T/acceptor"
}

@test "one that waits for connections on another socket, too" {
	acceptor 'use Socket; socket my $s, PF_INET, SOCK_STREAM, 0; listen $s, 1; accept my $c, $s'
	late -- "$T/acceptor"
}

@test "a program that ends before it waits for a connection is reported, whatever others do" {
	acceptor 'if (mkdir $ARGV[0]) { select undef, undef, undef, 0.02; exit 4 } await'
	slow_clock
	spawn -s "$S" -P "$T/pid" -F 3 -- "$T/acceptor" "$T/first"
	[ "$status" = 4 ]
	[[ $stderr == *"child exited with: 4"* ]]
	[ "$(wc -w <<<"$PIDS")" = 2 ]
	[ "$(cat "$T/pid")" = "$PIDS" ]
}

@test "a program that ends after it has waited for a connection was started well" {
	need_ready
	acceptor '$SIG{ALRM} = sub { exit 4 }; ualarm 50_000; await'
	started() {
		rm -f "$S"
		spawn -s "$S" -- "$T/acceptor"
		[ "$status" = 0 ]
	}
	eventually started
}
