#!/usr/bin/env bats
# fcgiwrap on a system that is rough: files that take long to open, disks that are full, limits,
# shortages, and calls that fail once (strace makes them).
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

teardown() {
	if [ -e "$T/afar/prompt.sh" ]; then
		fusermount3 -u -z "$T/afar" || :
	fi
	test_end
}

# start_within PROGRAM... -- [OPTION...]: fcgiwrap, run by this program (words without blanks).
start_within() {
	local words=()

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	TEST_WRAPPER="${words[*]} ${TEST_WRAPPER-}" start_wrapper "${@:2}"
}

# Files that take long to open. -----------------------------------------------------------------

# hold_lease FILE: whoever opens it from now on waits (fs.lease-break-time, 45 s) until process
# "lease" is stopped; $T/lease.out says "asked" as soon as somebody does.
hold_lease() {
	[ "$(uname)" = Linux ] || skip 'leases are of Linux'
	start lease perl -e '
		$| = 1;
		$SIG{IO} = sub { print "asked\n" };
		open my $file, "<", $ARGV[0] or die "$!\n";
		fcntl $file, 1024, 1 or print("none: $!\n"), exit; # F_SETLEASE, F_WRLCK
		print "held\n";
		sleep 1 while 1;
	' "$1"
	in_file . "$T/lease.out"
	grep -q held "$T/lease.out" || skip "no leases here ($(cat "$T/lease.out"))"
}

# A request whose script does not get ready, as client "slow".
start_slow() {
	script slow.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nslow\n'
	END
	hold_lease "$T/slow.sh"
	start_client slow timeout 60 trace "$T/slow.trace" request "$T/slow.sh" CONTENT_LENGTH=0 stdin-end \
		"$@"
	in_file asked "$T/lease.out"
}

quick() {
	passes_within 4 ask timeout 10 get "$CGI/hello.sh" expect-text hello expect-end app=0
}

@test "a script that takes long to be opened delays no other request" {
	start_wrapper -c 1
	start_slow expect-text slow expect-end app=0
	quick
	quick
	stop lease
	await slow
	[ "$STATUS" = 0 ]
}

@test "a script that takes long to be opened does not interrupt a response that flows" {
	script ticks.pl <<-'END'
		#!/usr/bin/perl
		$| = 1;
		print "Content-Type: text/plain\n\n";
		print "tick\n" and select undef, undef, undef, 0.1 for 1 .. 15;
	END
	start_wrapper -c 1
	start_client ticks get "$T/ticks.pl" expect-end app=0
	in_file '^tick' "$T/ticks.out"
	start_slow expect-end
	await ticks 4
	[ "$STATUS" = 0 ]
	[ "$(grep -c '^tick' "$T/ticks.out")" = 15 ]
}

@test "several scripts that take long to be opened delay no other request" {
	local i

	start_wrapper -c 1
	start_slow expect-end
	for i in {1..7}; do
		start_client "slow$i" timeout 60 get "$T/slow.sh" expect-text slow expect-end app=0
	done
	sleep 0.3
	quick
	stop lease
	for i in {1..7}; do
		await "slow$i"
		[ "$STATUS" = 0 ]
	done
}

@test "TERM is heeded while a script takes long to be opened" {
	start_wrapper -c 1 --stop-timeout 500ms --kill-after 500ms
	start_slow expect-closed
	kill -TERM "$(pid_of wrapper)"
	await wrapper 5
	[ "$STATUS" = 0 ]
}

@test "--start-timeout answers with 504 for a script that takes too long to be opened" {
	start_wrapper -c 1 --start-timeout 500ms
	start_slow expect-text 'Status: 504 ' expect-end
	await slow 5
	[ "$STATUS" = 0 ]
	logged 'slow\.sh.*--start-timeout'
	eventually has_children "$(worker)" 0
	stop lease
	sleep 0.2
	not grep -q '^slow' "$T/slow.out"
}

@test "--start-timeout frees the slot" {
	start_wrapper -c 1 --start-timeout 300ms --max-scripts 1 --queue-timeout 5
	start_slow expect-text 'Status: 504 ' expect-end
	ask timeout 10 get "$CGI/hello.sh" expect-text hello expect-end app=0
}

@test "a script whose client leaves while it takes long to be opened is not run later" {
	script slow.sh <<-END
		#!/bin/sh
		: >$T/ran
	END
	start_wrapper -c 1 --kill-after 300ms
	hold_lease "$T/slow.sh"
	start_client slow request "$T/slow.sh" CONTENT_LENGTH=0 await "$T/go" close
	in_file asked "$T/lease.out"
	: >"$T/go"
	await slow
	quick
	sleep 0.5
	stop lease
	eventually has_children "$(worker)" 0
	vanished "$T/ran"
}

@test "a lease on what an interpreter is to read fails that request at once, and slows no other" {
	start_wrapper -c 1 --root "$T" --interpreter .shx=/bin/sh
	echo 'printf "Content-Type: text/plain\n\nread\n"' >"$T/leased.shx"
	cp "$T/leased.shx" "$T/other.shx"
	hold_lease "$T/leased.shx"
	ask timeout 10 get "$T/leased.shx" expect-text 'Status: 503 ' expect-end
	ask timeout 10 get "$T/other.shx" expect-text read expect-end app=0
	logged 'script .*/leased\.shx: somebody holds a lease on it$'
	logged_times 0 'trying again'
}

# mount_afar SECONDS: a slow file system as $T/afar.
mount_afar() {
	need cc pkg-config fusermount3
	[ -e /dev/fuse ] || skip 'no /dev/fuse here'
	pkg-config --exists fuse3 || skip 'no fuse3 here'
	mkdir "$T/afar"
	# shellcheck disable=SC2046 # words
	cc -o "$T/slow-fs" "$FCGI_SOURCE/tests/slow-fs.c" $(pkg-config --cflags --libs fuse3) ||
		skip 'fuse3 does not compile here'
	start afar "$T/slow-fs" "$1" "$T/afar"
	eventually test -e "$T/afar/prompt.sh" || skip "cannot mount: $(cat "$T/afar.log")"
}

@test "FUSE: a script that takes long to be opened delays no other request" {
	mount_afar 8
	start_wrapper -c 1
	start_client slow timeout 60 get "$T/afar/open.sh" expect-text 'from afar' expect-end app=0
	sleep 0.2
	quick
	sleep 0.5
	quick
	await slow 40
	[ "$STATUS" = 0 ]
}

@test "FUSE: a script that takes long to be looked at delays no other request" {
	mount_afar 8
	start_wrapper -c 1
	start_client slow timeout 60 get "$T/afar/stat.sh" expect-text 'from afar' expect-end app=0
	sleep 0.2
	quick
	sleep 0.5
	quick
	await slow 40
	[ "$STATUS" = 0 ]
}

@test "FUSE: a script that takes long to be opened is answered for with 504 by --start-timeout" {
	mount_afar 8
	start_wrapper -c 1 --start-timeout 500ms
	passes_within 6 ask timeout 20 get "$T/afar/open.sh" expect-text 'Status: 504 ' expect-end
	quick
}

@test "FUSE: --start-timeout tells whose file system does not answer" {
	mount_afar 8
	start_wrapper -c 1 --start-timeout 1
	# There is only the thread that starts scripts since the worker did.
	refuse_threads "$(worker)"
	ask timeout 20 get "$T/afar/stat.sh" expect-text 'Status: 504 ' expect-end
	run talk timeout 20 get "$CGI/hello.sh" expect-text 'Status: 504 ' expect-end
	stop tracer
	grep -q INJECTED "$T/calls" || skip 'threads are not made by clone3 here'
	[ "$status" = 0 ]
	logged 'stat\.sh: could not be started within 1 s: its file system, .* \(--start-timeout\)$'
	logged 'hello\.sh: could not be started within 1 s: all threads that start scripts wait for .* \(--start-timeout\)$'
}

# Limits of files, and full disks. --------------------------------------------------------------

make_late_reader() {
	script late.sh <<-'END'
		#!/bin/sh
		sleep 0.7
		printf 'Content-Type: text/plain\n\nbytes=%s\n' "$(wc -c | tr -d ' ')"
	END
}

@test "a limit of file size (ulimit -f) fails no upload, and kills nobody" {
	local pid

	need prlimit
	make_late_reader
	start_within prlimit --fsize=102400 -- -c 1
	pid=$(worker)
	start_client neighbour get "$CGI/sleep.sh" QUERY_STRING=1 expect-text slept expect-end app=0
	ask request "$T/late.sh" CONTENT_LENGTH=3000000 stdin-zero 3000000 stdin-end \
		expect-text bytes=3000000 expect-end app=0
	await neighbour
	[ "$STATUS" = 0 ]
	alive "$pid"
	[ "$(wc -l <"$T/log")" -le 1 ]
}

@test "a limit of file size kills no worker, and bodies of unknown length are refused with a reason" {
	local workers

	need prlimit
	start_within prlimit --fsize=102400 -- -c 2
	workers=$(children_of "$(pid_of wrapper)" | sort | tr '\n' ' ')
	ask may-close request "$CGI/sum.sh" REQUEST_METHOD=POST CONTENT_LENGTH= stdin-zero 1000000 \
		stdin-end expect-text 'Status: 503 ' expect-end
	logged 'cannot keep the request body.*File too large'
	[ "$(children_of "$(pid_of wrapper)" | sort | tr '\n' ' ')" = "$workers" ]
}

@test "a log that has reached the limit of file size loses lines, and nothing else" {
	local pid

	need prlimit
	start_within prlimit --fsize=1024 -- -c 1
	pid=$(worker)
	crowd 30 3 get "$T/missing.sh" expect-text 'Status: 404' expect-end
	[ "$(stat -c %s "$T/log")" = 1024 ]
	ask get "$CGI/hello.sh" expect-text hello expect-end app=0
	[ "$(worker)" = "$pid" ]
}

@test "XFSZ has its default meaning for scripts" {
	start_wrapper
	ask get "$CGI/signals.pl"
	lacks XFSZ PIPE
}

# start_on_disk SIZE COMMAND [OPTION...]: with its spool on a file system of its own, after this
# command there.
start_on_disk() {
	need unshare
	unshare -rm true 2>/dev/null || skip 'no mount namespaces here'
	mkdir "$T/spool"
	script within <<-END
		#!/bin/sh
		mount -t tmpfs -o size=$1 spool $T/spool && cd $T/spool && ($2) 2>/dev/null
		cd / && exec "\$@"
	END
	shift 2
	unshare -rm "$T/within" true || skip 'no tmpfs here'
	start_within unshare -rm "$T/within" -- -c 1 --spool-dir "$T/spool" "$@"
}

# uploads_late: a body that a script does not read at once needs no disk.
uploads_late() {
	make_late_reader
	ask request "$T/late.sh" CONTENT_LENGTH=3000000 stdin-zero 3000000 stdin-end \
		expect-text bytes=3000000 expect-end app=0
	ask request "$T/late.sh" CONTENT_LENGTH=3000000 stdin-zero 3000000 stdin-end \
		expect-text bytes=3000000 expect-end app=0
	[ "$(wc -l <"$T/log")" -le 2 ] || { cat "$T/log"; return 1; }
}

@test "an upload to a late reader needs no room in --spool-dir" {
	start_on_disk 64k 'head -c 100000 /dev/zero >full'
	uploads_late
}

@test "an upload to a late reader gets over a --spool-dir that becomes full" {
	start_on_disk 1m :
	uploads_late
}

@test "an upload to a late reader needs no --spool-dir that may be written" {
	start_on_disk 64k "mount -o remount,ro $T/spool"
	uploads_late
}

@test "an upload to a late reader goes on beside a request on the same connection" {
	make_late_reader
	start_on_disk 64k 'head -c 100000 /dev/zero >full'
	ask request "$T/late.sh" CONTENT_LENGTH=3000000 keep stdin-zero 3000000 stdin-end \
		id 2 get "$CGI/hello.sh" keep id 1 expect-text bytes=3000000 expect-end app=0
}

@test "a body that cannot be kept while its request waits for a slot is refused with a reason" {
	start_on_disk 64k 'head -c 100000 /dev/zero >full' --max-scripts 1
	start_waiting client
	ask may-close request "$CGI/sum.sh" CONTENT_LENGTH= REQUEST_METHOD=POST stdin-zero 1000000 \
		stdin-end expect-text 'Status: 503 ' expect-end
	logged 'cannot keep the request body.*No space left'
	: >"$T/go"
	answered client
}

# Shortages. ------------------------------------------------------------------------------------

@test "with few descriptors and many idle connections scripts still start" {
	need prlimit perl
	start_within prlimit --nofile=256:256 -- -c 1 --queue-timeout 3
	start_client client timeout 60 trace "$T/trace" get "$CGI/hello.sh" keep await "$T/go" \
		get "$CGI/sum.sh" keep expect-text bytes=0 expect-end app=0
	in_file END_REQUEST "$T/trace"
	start crowd perl -MIO::Socket::UNIX -e '
		$| = 1;
		push @all, IO::Socket::UNIX->new($ARGV[0]) // die "$!\n" for 1 .. 300;
		print "here\n";
		sleep 60;
	' "$T/s"
	in_file here "$T/crowd.out"
	: >"$T/go"
	await client
	[ "$STATUS" = 0 ]
}

@test "a response that is cut for want of memory is logged" {
	local margin pid size

	need prlimit
	need_proc
	not is_sanitized || skip 'the sanitizer wants memory of its own'
	need_no_valgrind
	script long.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		exec head -c 1000000 /dev/zero
	END
	start_wrapper -c 1
	pid=$(worker)
	ask get "$CGI/hello.sh"
	for margin in 1024 512 128 0; do
		size=$(awk '/^VmSize/ { print $2 }' "/proc/$pid/status")
		prlimit --pid "$pid" --as=$(((size + margin) * 1024)):
		run "$FCGI_TALK" -n 30 -j 30 "$SOCKET" out 1 /dev/null deaf \
			request "$T/long.sh" CONTENT_LENGTH=0 stdin-end wait 500 listen expect-end \
			expect-bytes 1000028
		[ "$status" = 0 ] || break
	done
	alive "$pid"
	[ "$status" != 0 ] || skip 'memory is never short'
	logged '[Mm]emory'
	prlimit --pid "$pid" --as=unlimited:
	ask get "$CGI/hello.sh" expect-end app=0
}

# trace_wrapper INJECTION...: these calls fail in the process that serves and what it starts from
# now on, until process "tracer" is stopped.
trace_wrapper() {
	local injection options=()

	need strace
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	for injection; do
		options+=(-e "inject=$injection")
	done
	rm -f "$T/tracer.log"
	start tracer strace -f -o "$T/calls" -e trace="$(sed 's/:.*//' <<<"$1")" "${options[@]}" \
		-p "$(worker)"
	eventually has_match 'attached|not permitted' "$T/tracer.log"
	grep -q attached "$T/tracer.log" || skip "strace may not: $(cat "$T/tracer.log")"
}

untrace() {
	stop tracer
}

make_counter() {
	script count.sh <<-END
		#!/bin/sh
		echo ran >>$T/runs
		printf 'Content-Type: text/plain\n\ncounted\n'
	END
	: >"$T/runs"
}

@test "a script is not started twice for a request when its pipes cannot be watched" {
	local before when

	make_counter
	for when in 1 2 3 4 5 6 2+; do
		start_wrapper -c 1 --queue-timeout 1
		start_client client trace "$T/trace" timeout 20 get "$CGI/hello.sh" keep await "$T/go" \
			may-close request "$T/count.sh" CONTENT_LENGTH=0 stdin-end wait 2500 close
		in_file END_REQUEST "$T/trace"
		trace_wrapper "epoll_ctl:error=ENOSPC:when=$when"
		before=$(wc -l <"$T/runs")
		: >"$T/go"
		await client
		untrace
		[ "$(($(wc -l <"$T/runs") - before))" -le 1 ] || { echo "with when=$when"; return 1; }
		stop wrapper
		rm -f "$T/go" "$T/trace"
	done
}

@test "without memory to execute it, a script waits and starts later" {
	start_wrapper -c 1
	ask get "$CGI/hello.sh"
	trace_wrapper execve,execveat:error=ENOMEM
	start_client client timeout 25 get "$CGI/hello.sh" expect-text hello expect-end app=0
	logged 'hello\.sh: cannot be started: .*Cannot allocate memory.*trying again'
	untrace
	await client 15
	[ "$STATUS" = 0 ]
	not grep -q '502' "$T/client.out"
}

@test "without memory to execute it, a script is answered for with 503 after --queue-timeout" {
	start_wrapper -c 1 --queue-timeout 600ms
	trace_wrapper execve,execveat:error=EAGAIN
	ask timeout 20 get "$CGI/hello.sh" expect-text 'Status: 503 ' expect-end
	untrace
	ask get "$CGI/hello.sh" expect-text hello
}

@test "a response whose rest cannot be read is not told as whole" {
	start_wrapper -c 1
	start_client client trace "$T/trace" timeout 20 request "$CGI/stream.sh" QUERY_STRING=20 \
		CONTENT_LENGTH=0 stdin-end read-some 100000 await "$T/go" listen may-close expect-closed status
	eventually test -s "$T/client.out"
	trace_wrapper read,readv,splice:error=EIO
	: >"$T/go"
	await client 15
	untrace
	if grep -q 'END_REQUEST' "$T/trace"; then
		not grep -q 'id=1 app=0 protocol=0' "$T/client.out"
	fi
	[ "$(wc -c <"$T/client.out")" -lt 20000000 ]
	logged 'stream\.sh.*Input/output error'
}

@test "a body whose rest cannot be written is not told as whole" {
	[ -e "$FCGI_BUILD/common/loop-signalfd.o" ] || skip 'signals are written, too, in this build'
	make_late_reader
	script store.sh <<-END
		#!/bin/sh
		: >$T/reads
		until [ -e $T/read ]; do sleep 0.02; done
		cat >$T/up.tmp && mv $T/up.tmp $T/up
		printf 'Content-Type: text/plain\n\nstored\n'
	END
	start_wrapper -c 1 --kill-after 500ms
	start_client client timeout 20 may-close request "$T/store.sh" CONTENT_LENGTH=3000000 \
		stdin-zero 3000000 stdin-end expect-closed
	eventually test -e "$T/reads"
	trace_wrapper write,writev,splice:error=EIO
	: >"$T/read"
	sleep 0.5
	untrace
	await client 15
	vanished "$T/up"
}

@test "a connection that is lost for want of memory is not said to be tried again" {
	start_wrapper -c 1
	start_client first trace "$T/trace" get "$CGI/hello.sh" keep await "$T/go"
	in_file END_REQUEST "$T/trace"
	trace_wrapper epoll_ctl:error=ENOMEM:when=1
	run --separate-stderr talk timeout 10 get "$CGI/hello.sh" expect-end app=0
	untrace
	if [ "$status" != 0 ]; then
		logged 'connection.*(memory|lost|closed|closing)'
		not grep -q 'trying again' "$T/log"
	fi
	ask get "$CGI/hello.sh" expect-end app=0
	: >"$T/go"
	await first
}

# Signals that were ignored before. -------------------------------------------------------------

@test "HUP that was ignored at the start stays ignored, as nohup wants it" {
	local pid

	script within <<-'END'
		#!/bin/sh
		trap '' HUP
		exec "$@"
	END
	start_within "$T/within" -- -c 1
	pid=$(pid_of wrapper)
	start_waiting client
	kill -HUP "$pid"
	ask get "$CGI/hello.sh"
	has_line hello
	alive "$pid"
	: >"$T/go"
	answered client
	ask get "$CGI/hello.sh" expect-end app=0
	alive "$pid"
}

# Restarts that overlap. -------------------------------------------------------------------------

@test "fcgiwrap that stops leaves the socket of its successor alone" {
	local first

	start_wrapper -c 1
	first=$(pid_of wrapper)
	start_client client get "$CGI/sleep.sh" QUERY_STRING=2 expect-text slept expect-end
	eventually has_children "$(worker)" 1
	kill -TERM "$first"
	eventually not talk close
	start successor "$FCGIWRAP" -c 1 -s "$SOCKET"
	eventually talk close
	await client
	[ "$STATUS" = 0 ]
	eventually gone "$first"
	ask get "$CGI/hello.sh" expect-text hello
}

@test "USR1 stops as TERM does: requests finish, the socket goes" {
	local workers

	script slow.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nbegun\n'
		sleep 1
		echo slept
	END
	for workers in 1 2; do
		: >"$T/trace"
		start_wrapper -c "$workers"
		start_client client trace "$T/trace" request "$T/slow.sh" CONTENT_LENGTH=0 stdin-end \
			expect-text begun expect-text slept expect-end
		in_file STDOUT "$T/trace"
		kill -USR1 "$(pid_of wrapper)"
		await client
		[ "$STATUS" = 0 ]
		await wrapper
		[ "$STATUS" = 0 ]
		[ ! -e "$T/s" ]
	done
}

# While a start hangs. ----------------------------------------------------------------------------

# slow_start OPTION...: fcgiwrap, and a script whose start hangs.
slow_start() {
	start_wrapper "$@"
	script slow.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nslow\n'
	END
	hold_lease "$T/slow.sh"
}

@test "a start that hangs keeps nothing of other requests open" {
	slow_start -c 1
	start_client reader timeout 20 request "$CGI/length.sh" CONTENT_LENGTH=3 stdin ab await "$T/go" \
		stdin c stdin-end expect-text bytes=3 expect-end
	eventually has_children "$(worker)" 1
	start_client slow timeout 60 request "$T/slow.sh" CONTENT_LENGTH=0 stdin-end expect-text slow
	in_file asked "$T/lease.out"
	: >"$T/go"
	# Its script reads to the end of its input.
	await reader
	[ "$STATUS" = 0 ]
}

@test "a start that hangs and has no client any more does not hold up the stop" {
	slow_start -c 1 --on-abort ignore --stop-timeout 1 --kill-after 1
	start_client slow request "$T/slow.sh" CONTENT_LENGTH=0 stdin-end await "$T/go" close
	in_file asked "$T/lease.out"
	: >"$T/go"
	await slow
	kill -TERM "$(pid_of wrapper)"
	await wrapper
	[ "$STATUS" = 0 ]
}
