#!/usr/bin/env bats
# fcgiwrap and a service manager: what the manager hears, and when.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

setup() {
	test_begin
	# These tests may run under nohup(1).
	heeds_hup
}

# listen [PATH]: a manager that listens; what it hears is in $HEARD.
listen() {
	NOTIFY=${1:-$T/notify}
	HEARD=$T/manager.out
	start manager "$CGI/supervise-listen.pl" "$NOTIFY"
	eventually listens
}

listens() {
	[ -S "$NOTIFY" ] || grep -qF "$NOTIFY" /proc/net/unix
}

# notifying [OPTION...]: fcgiwrap with this manager; $PARENT is its pid.
notifying() {
	[ -n "${NOTIFY-}" ] || listen
	NOTIFY_SOCKET=$NOTIFY start_wrapper "$@"
	PARENT=$(pid_of wrapper)
}

# heard_times COUNT PATTERN: the manager has heard at least so many of these.
heard_times() {
	[ "$(grep -cE -e "$2" "$HEARD")" -ge "$1" ]
}

# fed_again: the watchdog is fed again, twice.
fed_again() {
	eventually heard_times $(($(grep -c '^WATCHDOG=1$' "$HEARD") + 2)) '^WATCHDOG=1$'
}

serves() {
	ask get "$CGI/hello.sh" expect-text hello expect-end app=0
}

switches() {
	sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/$1/status"
}

# Start, reload, stop. ----------------------------------------------------------------------------

@test "the manager hears when it is ready, who it is, and that nothing runs" {
	notifying -c 2
	heard "READY=1|MAINPID=$PARENT" 'STATUS=0 running, 0 waiting'
}

@test "READY is told when all workers serve" {
	local workers

	need strace
	need_epoll
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	listen
	NOTIFY_SOCKET=$NOTIFY start wrapper strace -D -f -o "$T/calls" -e trace=epoll_create1 \
		-e inject=epoll_create1:signal=SIGSTOP:when=1 "$FCGIWRAP" -c 2 -s "$SOCKET"
	PARENT=$(pid_of wrapper)
	eventually is_stopped "$PARENT" || skip 'strace may not'
	eventually both_are_stopped
	kill -CONT "${workers[0]}"
	serves
	not grep READY "$HEARD"
	kill -CONT "${workers[1]}"
	heard "READY=1|MAINPID=$PARENT"
}

# both_are_stopped: sets $workers. Their parent is stopped too before it starts them, perhaps twice,
# by strace, which leaves another child, a zombie.
both_are_stopped() {
	local pid

	kill -CONT "$PARENT"
	workers=()
	for pid in $(children_of "$PARENT"); do
		! is_stopped "$pid" || workers+=("$pid")
	done
	[ ${#workers[@]} = 2 ]
}

is_stopped() {
	state_of "$1" && [[ $state == [Tt] ]]
}

@test "READY is told although a worker cannot be started yet" {
	need strace
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	listen
	LOG=$T/log NOTIFY_SOCKET=$NOTIFY start wrapper strace -D -o "$T/calls" -e trace=clone,clone3,fork \
		-e inject=clone,clone3,fork:error=EAGAIN:when=2+ "$FCGIWRAP" -c 2 -s "$SOCKET"
	PARENT=$(pid_of wrapper)
	logged 'cannot start a worker' || skip 'strace may not'
	heard "READY=1|MAINPID=$PARENT"
}

@test "the manager hears when a reload begins, and when it is complete" {
	notifying -c 2
	heard "READY=1|MAINPID=$PARENT"
	kill -HUP "$PARENT"
	heard 'RELOADING=1|MONOTONIC_USEC=N' "READY=1|MAINPID=$PARENT"
	logged ' reloaded$'
	[ "$(grep -c READY=1 "$HEARD")" = 2 ]
}

@test "a reload that fails ends, too" {
	need strace
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	notifying -c 1
	heard "READY=1|MAINPID=$PARENT"
	start tracer strace -o "$T/calls" -e trace=clone,clone3,fork \
		-e inject=clone,clone3,fork:error=EAGAIN -p "$PARENT"
	eventually has_match 'attached|not permitted' "$T/tracer.log"
	grep -q attached "$T/tracer.log" || skip "strace may not: $(cat "$T/tracer.log")"
	kill -HUP "$PARENT"
	logged 'the old workers stay'
	heard 'RELOADING=1|MONOTONIC_USEC=N' "READY=1|MAINPID=$PARENT"
	[ "$(grep -c READY=1 "$HEARD")" = 2 ]
}

@test "under load each reload is told, and none of 200 requests is lost" {
	local i

	notifying -c 2
	start load "$FCGI_TALK" -n 200 -j 4 "$SOCKET" get "$CGI/hello.sh" expect-text hello expect-end app=0
	for i in 1 2 3; do
		kill -HUP "$PARENT"
		eventually heard_times "$i" '^RELOADING=1'
		eventually heard_times $((i + 1)) '^READY=1'
	done
	await load 60
	grep -qx 'ok=200 failed=0' "$T/load.out"
	[ "$(grep -oE '^(READY|RELOADING)' "$HEARD" | tr '\n' ' ')" = \
		'READY RELOADING READY RELOADING READY RELOADING READY ' ]
}

@test "the manager hears when it stops, and how long that may take" {
	notifying -c 1 --stop-timeout 2 --kill-after 3
	start_waiting client
	kill -TERM "$PARENT"
	heard 'STOPPING=1|EXTEND_TIMEOUT_USEC=6000000'
	alive "$PARENT"
	: >"$T/go"
	answered client
	await wrapper
	[ "$STATUS" = 0 ]
}

# STATUS. -----------------------------------------------------------------------------------------

@test "STATUS has how many scripts run and how many requests wait, and follows them" {
	notifying -c 1 --max-scripts 1
	heard 'STATUS=0 running, 0 waiting'
	start_queued "$CGI/wait.sh" "$CGI/hello.sh"
	heard 'STATUS=1 running, 1 waiting'
	: >"$T/go"
	await queued
	heard 'STATUS=1 running, 1 waiting' 'STATUS=0 running, 0 waiting'
	rm "$T/go"
	start_waiting client # after a rest
	heard 'STATUS=1 running, 1 waiting' 'STATUS=1 running, 0 waiting'
	: >"$T/go"
	answered client
}

@test "STATUS has the scripts in the background" {
	script goes-on.sh <<-END
		#!/bin/sh
		printf 'Content-Length: 1\n\nx'
		exec >&- 2>&-
		until [ -e $T/go ]; do sleep 0.1; done
	END
	notifying -c 2 --on-abort ignore
	start_client client get "$T/goes-on.sh" expect-text x
	heard 'STATUS=0 running, 0 waiting, 1 in the background'
	: >"$T/go"
	heard 'STATUS=0 running, 0 waiting, 1 in the background' 'STATUS=0 running, 0 waiting'
	await client
}

@test "STATUS is told once a second at most" {
	notifying -c 2
	start load "$FCGI_TALK" -n 300 -j 8 "$SOCKET" get "$CGI/hello.sh" expect-end app=0
	SECONDS=0
	await load 60
	[ "$(grep -c STATUS= "$HEARD")" -le $((SECONDS + 2)) ]
}

# idles: neither the parent nor a worker is woken.
idles() {
	local before pid pids

	pids="$PARENT $(children_of "$PARENT" | tr '\n' ' ')"
	sleep 1.2 # the last look at the slots
	before=$(for pid in $pids; do switches "$pid"; done)
	sleep 0.5
	[ "$(for pid in $pids; do switches "$pid"; done)" = "$before" ]
}

@test "nobody is woken while nothing happens" {
	need_proc
	notifying -c 2
	serves
	idles
}

# The watchdog. -----------------------------------------------------------------------------------

@test "the watchdog of another process is not fed" {
	WATCHDOG_USEC=20000 WATCHDOG_PID=1 notifying -c 1
	heard "READY=1|MAINPID=$PARENT" 'STATUS=0 running, 0 waiting'
	sleep 0.1 # several times of feeding
	not grep WATCHDOG "$HEARD"
}

@test "the watchdog is fed twice in its time at least, and a worker that is idle or busy stays" {
	local before old

	WATCHDOG_USEC=2000000 notifying -c 1
	old=$(worker)
	fed_again
	before=$(grep -c '^WATCHDOG=1$' "$HEARD")
	sleep 1.1
	heard_times $((before + 2)) '^WATCHDOG=1$'
	start load "$FCGI_TALK" -n 100000 -j 4 "$SOCKET" get "$CGI/hello.sh"
	eventually heard_times $((before + 6)) '^WATCHDOG=1$'
	stop load
	[ "$(worker)" = "$old" ]
	[ ! -s "$T/log" ]
}

@test "a worker that stands still is told and replaced, while others serve" {
	local old

	WATCHDOG_USEC=1600000 notifying -c 2
	heard "READY=1|MAINPID=$PARENT" WATCHDOG=1
	old=$(children_of "$PARENT" | head -n 1)
	kill -STOP "$old"
	serves
	logged "worker $old has stood still for 1.2 s; killing it, and starting another"
	eventually gone "$old"
	eventually has_children "$PARENT" 2
	fed_again
	serves
}

@test "after a time in which no process ran nobody is replaced" {
	local i old

	WATCHDOG_USEC=1600000 notifying -c 1
	old=$(worker)
	fed_again
	for i in 1 2 3 4; do
		kill -STOP "$old" "$PARENT"
		sleep 1
		kill -CONT "$PARENT" # the worker is later
		fed_once "$i"
	done
	kill -STOP "$PARENT"
	kill -CONT "$old" "$PARENT"
	fed_again
	[ "$(worker)" = "$old" ]
	[ ! -s "$T/log" ]
	serves
}

# fed_once TIMES: the watchdog is fed so many times more than at the first call.
fed_once() {
	eventually heard_times $((${FED:=$(grep -c '^WATCHDOG=1$' "$HEARD")} + $1)) '^WATCHDOG=1$'
}

@test "while no worker can be started the watchdog is not fed" {
	local fed

	need strace
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	WATCHDOG_USEC=400000 notifying -c 1
	fed_again
	start tracer strace -o "$T/calls" -e trace=clone,clone3,fork \
		-e inject=clone,clone3,fork:error=EAGAIN -p "$PARENT"
	eventually has_match 'attached|not permitted' "$T/tracer.log"
	grep -q attached "$T/tracer.log" || skip "strace may not: $(cat "$T/tracer.log")"
	kill -KILL "$(worker)"
	logged 'cannot start a worker'
	fed=$(($(grep -c '^WATCHDOG=1$' "$HEARD") + 1)) # one on its way
	sleep 0.5 # several times of feeding
	[ "$(grep -c '^WATCHDOG=1$' "$HEARD")" -le "$fed" ]
	stop tracer
	eventually heard_times $((fed + 2)) '^WATCHDOG=1$'
}

# Managers that do not listen, and who else must not speak. ----------------------------------------

@test "a manager that has no room holds up nothing, and hears all later, in order" {
	HEARD=$T/manager.out
	start manager "$CGI/supervise-listen.pl" "$T/notify" "$T/go"
	eventually has_match full "$HEARD"
	NOTIFY=$T/notify WATCHDOG_USEC=60000000 notifying -c 2
	serves
	kill -HUP "$PARENT"
	logged ' reloaded$'
	start_client client get "$CGI/wait.sh" QUERY_STRING="$T/end"
	in_file '^waiting' "$T/client.out"
	kill -TERM "$PARENT"
	eventually vanished "$T/s"
	: >"$T/go"
	heard 'RELOADING=1|MONOTONIC_USEC=N' "READY=1|MAINPID=$PARENT" \
		'STOPPING=1|EXTEND_TIMEOUT_USEC=36000000'
	: >"$T/end"
	answered client
	await wrapper
	[ "$STATUS" = 0 ]
}

@test "a manager that never has room does not hold up a stop" {
	start manager "$CGI/supervise-listen.pl" "$T/notify" "$T/go"
	eventually has_match full "$T/manager.out"
	NOTIFY=$T/notify notifying -c 1
	serves
	kill -TERM "$PARENT"
	await wrapper
	[ "$STATUS" = 0 ]
}

@test "a manager that is not there is told of once, and is no hindrance" {
	NOTIFY=$T/nobody notifying -c 1
	serves
	kill -HUP "$PARENT"
	logged ' reloaded$'
	serves
	logged_times 1 "cannot tell a service manager at $T/nobody \(NOTIFY_SOCKET\): No such file"
	kill -TERM "$PARENT"
	await wrapper
	[ "$STATUS" = 0 ]
}

@test "NOTIFY_SOCKET that is no address is told of" {
	NOTIFY=vsock:2:1234 notifying -c 1
	serves
	logged_times 1 'cannot tell a service manager at vsock:2:1234 '
}

@test "a manager with an abstract name hears" {
	[ "$(uname)" = Linux ] || skip 'needs Linux'
	listen "@$T/notify"
	notifying -c 1
	heard "READY=1|MAINPID=$PARENT"
	kill -TERM "$PARENT"
	heard 'STOPPING=1|EXTEND_TIMEOUT_USEC=36000000'
}

@test "without a manager nothing is sent, and the watchdog wakes nobody" {
	need_proc
	WATCHDOG_USEC=200000 start_wrapper -c 1
	PARENT=$(pid_of wrapper)
	idles
}

@test "scripts cannot speak in its name" {
	WATCHDOG_USEC=60000000 WATCHDOG_PID=$$ FDSTORE=1 notifying -c 1
	ask get "$CGI/env.sh"
	lacks_line '(NOTIFY_SOCKET|WATCHDOG_USEC|WATCHDOG_PID|FDSTORE)=.*'
}
