#!/usr/bin/env bats
# How many scripts fcgiwrap runs at once, who waits, whose turn it is, and what happens when the
# system itself has no room for another script.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# A script that leaves a "+" when it begins and a "-" before it ends.
make_counter() {
	script count.sh <<-END
		#!/bin/sh
		echo + >>$T/overlap
		sleep 0.05
		echo - >>$T/overlap
		printf 'Content-Type: text/plain\n\ncounted\n'
	END
}

# How many of them ran at the same time, at most.
most_at_once() {
	awk '/\+/ { if (++n > most) most = n } /-/ { n-- } END { print most + 0 }' "$T/overlap"
}

# A script that leaves its QUERY_STRING in a list.
make_signer() {
	script sign.sh <<-END
		#!/bin/sh
		echo "\$QUERY_STRING" >>$T/list
		printf 'Content-Type: text/plain\n\nsigned\n'
	END
}

# A script that runs for long, and ends at once when it is told to.
make_holder() {
	script hold.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nholding\n'
		exec sleep 60
	END
}

# Steps that prove, when they are done, that the server has dealt with all before them.
SEEN=(get-values FCGI_MPXS_CONNS= expect-values FCGI_MPXS_CONNS=1)

@test "--max-scripts bounds how many scripts run at once" {
	start_wrapper --max-scripts 3
	make_counter
	crowd 25 25 get "$T/count.sh" expect-text counted
	[ "$(grep -c + "$T/overlap")" = 25 ]
	[ "$(most_at_once)" -le 3 ]
}

@test "as many scripts as --max-scripts allows do run at once" {
	start_wrapper -c 1 --max-scripts 3
	start crowd "$FCGI_TALK" -n 6 -j 6 "$SOCKET" get "$CGI/wait.sh" QUERY_STRING="$T/go" \
		expect-text "done"
	eventually has_children "$(worker)" 3
	: >"$T/go"
	await crowd
	[ "$STATUS" = 0 ]
}

@test "a script that is being ended keeps its place until it has gone" {
	local first

	start_wrapper --max-scripts 1 --kill-after 400ms
	script is-alone.sh <<-END
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		if kill -0 "\$QUERY_STRING" 2>/dev/null; then echo 'in company'; else echo alone; fi
	END
	ask request "$CGI/ignore-term.sh" QUERY_STRING=30 CONTENT_LENGTH=0 keep \
		expect-text pid= abort expect-end
	first=$(sed -n 's/^pid=//p' <<<"$output")
	ask get "$T/is-alone.sh" QUERY_STRING="$first"
	has_line alone
}

@test "a request that finds no place waits, and is answered when there is one" {
	start_wrapper --max-scripts 1
	start_waiting client
	start_client second trace "$T/trace" request "$CGI/hello.sh" CONTENT_LENGTH=0 \
		"${SEEN[@]}" expect-no-reply 100 record 99 0 '' expect-unknown 99 expect-text hello \
		expect-end app=0
	in_file UNKNOWN_TYPE "$T/trace"
	[ ! -s "$T/second.out" ]
	: >"$T/go"
	answered client
	await second
	[ "$STATUS" = 0 ]
}

@test "a body that comes while its request waits is taken, and is whole" {
	make_holder
	start_wrapper --max-scripts 1
	ask out 1 "$T/1" request "$T/hold.sh" CONTENT_LENGTH=0 keep \
		expect-text holding id 2 request "$CGI/length.sh" CONTENT_LENGTH=3000000 keep \
		stdin-zero 3000000 stdin-end "${SEEN[@]}" id 1 abort id 2 expect-end app=0
	has bytes=3000000
}

@test "a request beyond --queue is answered with 503 at once" {
	start_wrapper --max-scripts 1 --queue 0
	start_waiting client
	ask get "$CGI/hello.sh" expect-end
	has 'Status: 503 ' 'Retry-After: '
	lacks hello
	logged 'hello\.sh: not started, since 1 scripts run and 0 requests wait already'
	[ ! -s "$T/client.out" ] || lacks "done"
	: >"$T/go"
	answered client
}

@test "--queue requests wait, and only the next is refused" {
	start_wrapper -c 1 --max-scripts 1 --queue 2
	make_signer
	start_client client trace "$T/trace" \
		request "$CGI/wait.sh" QUERY_STRING="$T/go" CONTENT_LENGTH=0 keep expect-text waiting \
		id 2 request "$T/sign.sh" QUERY_STRING=2 CONTENT_LENGTH=0 keep \
		id 3 request "$T/sign.sh" QUERY_STRING=3 CONTENT_LENGTH=0 keep \
		id 4 request "$T/sign.sh" QUERY_STRING=4 CONTENT_LENGTH=0 keep \
		expect-text 'Status: 503 ' expect-end read-all
	in_file 'END_REQUEST id=4' "$T/trace"
	[ "$(grep -c END_REQUEST "$T/trace")" = 1 ]
	: >"$T/go"
	await client
	[ "$STATUS" = 0 ]
	[ "$(tr '\n' ' ' <"$T/list")" = '2 3 ' ]
}

@test "a request that waits longer than --queue-timeout is answered with 503" {
	start_wrapper --max-scripts 1 --queue-timeout 400ms
	start_waiting client
	ask request "$CGI/touch.sh" QUERY_STRING="$T/touched" CONTENT_LENGTH=0 expect-no-reply 250 \
		expect-text 'Status: 503 ' expect-text Retry-After: expect-end
	logged 'touch\.sh: not started, .*none ended within 0\.4 s'
	: >"$T/go"
	answered client
	ask get "$CGI/hello.sh"
	has_line hello
	vanished "$T/touched"
}

@test "a request that is aborted while it waits never starts, and its place in the queue is free" {
	make_holder
	start_wrapper --max-scripts 1 --queue 1
	ask request "$T/hold.sh" CONTENT_LENGTH=0 keep expect-text holding \
		id 2 request "$CGI/touch.sh" QUERY_STRING="$T/2" CONTENT_LENGTH=0 keep \
		abort expect-end protocol=0 \
		id 3 request "$CGI/touch.sh" QUERY_STRING="$T/3" CONTENT_LENGTH=0 keep "${SEEN[@]}" \
		id 1 abort expect-end id 3 expect-text touched expect-end app=0
	[ -e "$T/3" ]
	vanished "$T/2"
}

@test "a client that leaves while it waits never starts its script, and frees its place" {
	start_wrapper --max-scripts 1 --queue 1
	start_waiting client
	ask request "$CGI/touch.sh" QUERY_STRING="$T/touched" CONTENT_LENGTH=0 "${SEEN[@]}" close
	start_client next trace "$T/trace" request "$CGI/hello.sh" CONTENT_LENGTH=0 "${SEEN[@]}" \
		expect-text hello
	in_file GET_VALUES_RESULT "$T/trace"
	: >"$T/go"
	answered client
	await next
	[ "$STATUS" = 0 ]
	vanished "$T/touched"
}

@test "without addresses, one connection with 50 requests does not keep another waiting" {
	local id many=()

	start_wrapper -c 1 --max-scripts 1
	make_signer
	start_waiting client
	for id in {1..50}; do
		many+=(id "$id" request "$T/sign.sh" QUERY_STRING=many CONTENT_LENGTH=0
			REMOTE_ADDR=unix: keep)
	done
	start_client many trace "$T/trace-many" "${many[@]}" "${SEEN[@]}" read-all
	in_file GET_VALUES_RESULT "$T/trace-many"
	for id in 1 2; do
		start_client "one$id" trace "$T/trace-$id" \
			request "$T/sign.sh" QUERY_STRING=one CONTENT_LENGTH=0 REMOTE_ADDR=unix: \
			"${SEEN[@]}" read
		in_file GET_VALUES_RESULT "$T/trace-$id"
	done
	: >"$T/go"
	for id in client many one1 one2; do
		await "$id"
		[ "$STATUS" = 0 ]
	done
	[ "$(wc -l <"$T/list")" = 52 ]
	[ "$(head -n 3 "$T/list" | grep -c one)" = 2 ]
}

@test "requests of one connection start in the order in which they came" {
	local id many=()

	start_wrapper -c 1 --max-scripts 1
	make_signer
	for id in 7 3 9 1 200 5; do
		many+=(id "$id" request "$T/sign.sh" QUERY_STRING="$id" CONTENT_LENGTH=0 keep)
	done
	ask hold "${many[@]}" release read-all
	[ "$(tr '\n' ' ' <"$T/list")" = '7 3 9 1 200 5 ' ]
}

@test "with -c 2 the two processes share --max-scripts" {
	start_wrapper -c 2 --max-scripts 3
	make_counter
	crowd 40 40 get "$T/count.sh" expect-text counted
	[ "$(grep -c + "$T/overlap")" = 40 ]
	[ "$(most_at_once)" -le 3 ]
}

@test "fewer --max-scripts than processes are refused" {
	run -1 "$FCGIWRAP" -s "$SOCKET" -c 3 --max-scripts 2
	has '--max-scripts 2' '-c'
}

@test "more than 256 requests at once on one connection are refused with 503, not the connection" {
	local id many=()

	make_holder
	start_wrapper -c 1 --max-scripts 1
	make_signer
	many=(request "$T/hold.sh" CONTENT_LENGTH=0 keep expect-text holding)
	for id in {2..256}; do
		many+=(id "$id" request "$T/sign.sh" QUERY_STRING="$id" CONTENT_LENGTH=0 keep)
	done
	ask "${many[@]}" out 300 "$T/300" \
		id 300 request "$T/sign.sh" QUERY_STRING=300 CONTENT_LENGTH=0 keep read "${SEEN[@]}" \
		id 2 abort expect-end id 1 abort expect-end
	grep -q 'Status: 503 ' "$T/300"
	not grep -qx 300 "$T/list"
}

# start_poor LIMIT [OPTION...]: a wrapper of a user of its own who has little of something.
start_poor() {
	local limit=$1 user=54321

	shift
	need setpriv prlimit
	need_root
	need_proc
	chmod 777 "$T"
	setpriv --reuid "$user" --regid "$user" --clear-groups test -x "$FCGIWRAP" -a -x "$CGI/hello.sh" ||
		skip 'the build is not open to other users'
	TEST_WRAPPER="setpriv --reuid=$user --regid=$user --clear-groups prlimit $limit \
		${TEST_WRAPPER-}" start_wrapper -c 1 "$@"
}

# Such a wrapper may have processes from now on.
enrich() {
	setpriv --reuid=54321 --regid=54321 --clear-groups \
		prlimit --pid "$(worker)" --nproc=1000:1000
}

@test "without a process to be had a request waits, and starts when there is one" {
	local before

	start_poor --nproc=2:1000
	before=$(cpu_of "$(worker)")
	start_client client trace "$T/trace" request "$CGI/hello.sh" CONTENT_LENGTH=0 "${SEEN[@]}" \
		expect-no-reply 600 expect-text hello expect-end app=0
	logged 'hello\.sh: cannot be started: Resource temporarily unavailable \(trying again\)'
	in_file GET_VALUES_RESULT "$T/trace"
	eventually [ "$(grep -c 'trying again' "$T/log")" -ge 1 ]
	sleep 0.5
	[ "$(($(cpu_of "$(worker)") - before))" -lt 25 ]
	enrich
	await client
	[ "$STATUS" = 0 ]
}

@test "without a process to be had requests are answered with 503 after --queue-timeout" {
	start_poor --nproc=2:1000 --queue-timeout 500ms
	crowd 20 20 get "$CGI/hello.sh" expect-text 'Status: 503 ' expect-end
	enrich
	eventually talk get "$CGI/hello.sh" expect-text hello
}

@test "with 20 descriptors scripts run" {
	start_poor --nofile=20
	ask post "$CGI/sum.sh" 'a body'
	has bytes=6
	ask get "$CGI/hello.sh"
	has_line hello
}

@test "with 20 descriptors 60 requests at once are answered, with 503 if it must be" {
	local before

	start_poor --nofile=20 --queue-timeout 300ms
	before=$(cpu_of "$(worker)")
	crowd 60 60 get "$CGI/hello.sh" expect-text Content-Type: expect-end expect-eof
	[ "$(($(cpu_of "$(worker)") - before))" -lt 100 ]
	ask get "$CGI/hello.sh"
	has_line hello
}

@test "with 20 descriptors and more idle connections a client waits, and the processor rests" {
	local before pid

	start_poor --nofile=20
	pid=$(worker)
	script hoard.pl <<-'END'
		#!/usr/bin/env perl
		use IO::Socket::UNIX;
		my @all = map { IO::Socket::UNIX->new(Peer => $ARGV[0]) or die } 1 .. 30;
		print "ready\n"; close STDOUT;
		sleep 60;
	END
	start hoard perl "$T/hoard.pl" "${SOCKET#unix:}"
	in_file ready "$T/hoard.out"
	logged 'cannot accept a connection: .*\(trying again\)'
	before=$(cpu_of "$pid")
	start_client client get "$CGI/hello.sh" expect-text hello
	sleep 0.6
	[ "$(($(cpu_of "$pid") - before))" -lt 20 ]
	[ ! -s "$T/client.out" ]
	stop hoard
	await client
	[ "$STATUS" = 0 ]
}

@test "with --root too, few descriptors mean waiting or 503, but no other answer" {
	start_poor --nofile=20 --queue-timeout 300ms --root "$CGI"
	run "$FCGI_TALK" -n 60 -j 60 "$SOCKET" get "$CGI/hello.sh" expect-text Content-Type: \
		expect-no-text 'Status: 403' expect-no-text 'Status: 502' expect-end
	[ "$output" = 'ok=60 failed=0' ] || { echo "$output"; tail -n 5 "$T/log"; return 1; }
}

# Several workers.

# start_waiting_all COUNT: as many requests as that, whose scripts wait for $T/go.
start_waiting_all() {
	local i

	for ((i = 1; i <= $1; i++)); do
		start_client "client$i" get "$CGI/wait.sh" QUERY_STRING="$T/go" expect-end
	done
}

# all_answered COUNT: and each is answered as it ought to be.
all_answered() {
	local i

	for ((i = 1; i <= $1; i++)); do
		answered "client$i" || return 1
	done
}

# How many of their scripts run, or have run.
running() {
	[ "$(cat "$T"/client*.out | grep -c '^waiting pid=')" = "$1" ]
}

@test "--max-scripts counts in all workers together" {
	start_wrapper -c 3 --max-scripts 4
	start_waiting_all 9
	eventually running 4
	sleep 0.3
	running 4
	touch "$T/go"
	all_answered 9
}

@test "as many scripts as may run at once do, whichever worker has the requests" {
	start_wrapper -c 4 --max-scripts 12
	start_waiting_all 12
	eventually running 12
	touch "$T/go"
	all_answered 12
}

@test "--queue counts in all workers together" {
	local i

	start_wrapper -c 3 --max-scripts 3 --queue 2
	start_waiting_all 3
	eventually running 3
	for i in 4 5; do
		start_client "client$i" trace "$T/trace$i" request "$CGI/wait.sh" \
			QUERY_STRING="$T/go" CONTENT_LENGTH=0 "${SEEN[@]}" expect-end
		in_file GET_VALUES_RESULT "$T/trace$i"
	done
	crowd 4 4 get "$CGI/hello.sh" expect-text 'Status: 503 ' expect-end
	touch "$T/go"
	all_answered 5
}

@test "a place that one worker gives back serves a request that waits in another" {
	start_wrapper -c 2 --max-scripts 2
	make_counter
	crowd 200 50 get "$T/count.sh" expect-text counted
	[ "$(most_at_once)" -le 2 ]
}

@test "what a worker held that was killed is free again" {
	local worker

	start_wrapper -c 2 --max-scripts 2 --queue-timeout 20
	start_client client1 get "$CGI/wait.sh" QUERY_STRING="$T/never"
	start_client client2 get "$CGI/wait.sh" QUERY_STRING="$T/never"
	eventually running 2
	for worker in $(children_of "$(pid_of wrapper)"); do
		kill -KILL "$worker"
	done
	crowd 10 10 get "$CGI/hello.sh" expect-text hello expect-end
}

@test "by default there is a worker for each processor" {
	need taskset nproc
	start_wrapper
	eventually has_children "$(pid_of wrapper)" "$(nproc | awk '{ print $1 < 16 ? $1 : 16 }')"
}

@test "on one processor, or with one script at a time, a single process serves" {
	need taskset
	TEST_WRAPPER="taskset -c $(taskset -pc $$ | sed 's/.*: \([0-9]*\).*/\1/') ${TEST_WRAPPER-}" start_wrapper
	ask get "$CGI/hello.sh"
	has_children "$(pid_of wrapper)" 1
	stop wrapper
	start_wrapper --max-scripts 1
	ask get "$CGI/hello.sh"
	has_children "$(pid_of wrapper)" 1
}
